"""A Postgres of the test's own on a unix socket in a temporary folder. It does not run as root, so it is another user's where
the test is root's."""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import servers

SETTINGS = {"fsync": "off", "autovacuum": "off", "max_connections": 60, "listen_addresses": ""}


class Postgres:
    """Can be killed, stopped and started again; what was committed stays."""

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix="weir-postgres-")
        self.dsn = f"host={self.folder} user=weir dbname=postgres"
        self._settings = {**SETTINGS, "unix_socket_directories": self.folder, **settings}
        self._data = os.path.join(self.folder, "data")
        self._become = []
        if os.geteuid() == 0:
            name = next(name for name in ("postgres", "nobody") if _is_user(name))
            shutil.chown(self.folder, name)
            # The signal that a parent's end sends is forgotten by a process that becomes another user's.
            self._become = ["setpriv", "--reuid", name, "--regid", str(pwd.getpwnam(name).pw_gid), "--clear-groups", "--pdeathsig", "QUIT"]
        made = subprocess.run([*self._become, _program("initdb"), "-D", self._data, "-A", "trust", "-U", "weir", "-E", "UTF8",
                               "--no-locale", "-N"], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr
        self.start()

    def start(self):
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        self._server = servers.Process([*self._become, _program("postgres"), "-D", self._data, *options], cwd="/", env={**os.environ, "LC_ALL": "C"})
        self._server.wait_for("database system is ready to accept connections")

    def kill(self):
        """With all its processes, as when the machine loses its power."""
        self._server.signal(signal.SIGSTOP)  # or it would start others in their place
        for child in self._children():
            os.kill(child, signal.SIGKILL)
        self._server.kill()

    def freeze(self):
        self._signal_all(signal.SIGSTOP)

    def thaw(self):
        self._signal_all(signal.SIGCONT)

    def sql(self, text):
        """What a statement gives, as psql shows it without any ornament."""
        asked = subprocess.run([_program("psql"), "-XAtqc", text, self.dsn], capture_output=True, text=True, timeout=servers.DEADLINE)
        assert asked.returncode == 0, asked.stderr
        return asked.stdout.strip()

    def close(self):
        if self._server.running():
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self):
        return self._server.tail()

    def _signal_all(self, number):
        self._server.signal(number)
        for child in self._children():
            os.kill(child, number)

    def _children(self):
        with open(f"/proc/{self._server.pid}/task/{self._server.pid}/children", encoding="ascii") as listed:
            return [int(child) for child in listed.read().split()]


def _program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    assert found, f"no {name}"
    return found[-1]


def _is_user(name):
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False
