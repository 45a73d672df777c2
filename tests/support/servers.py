"""Real servers for the tests: a Redis, and the weir under test, each in a folder of its own, each ended by its pid.

Nothing here sleeps: a start waits for the line in the server's log that says it is up, with a deadline.
"""
import ctypes
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import resp

DEADLINE = float(os.environ.get("WEIR_TEST_DEADLINE", "30"))  # seconds for a server to start, stop, or say something
_SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|SUMMARY: \w+Sanitizer|runtime error:")


_LIBC = ctypes.CDLL(None)


def _die_with_parent():
    _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a test program that ctest kills leaves nothing behind


class Process:
    """A child whose output is collected line by line and can be waited for."""

    def __init__(self, argv, env=None, cwd=None):
        self.argv = argv
        self.lines = []
        self._changed = threading.Condition()
        self._ended = False
        self._child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, env=env, cwd=cwd,
                                       preexec_fn=_die_with_parent)
        self.pid = self._child.pid
        self.killed = False
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self):
        for line in self._child.stdout:
            with self._changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, pattern, deadline=DEADLINE, since=0):
        """The match of the first line from number `since` on that matches; AssertionError when none comes."""
        pattern, until = re.compile(pattern), time.monotonic() + deadline
        with self._changed:
            while True:
                for line in self.lines[since:]:
                    if match := pattern.search(line):
                        return match
                since = max(since, len(self.lines))
                if self._ended or not self._changed.wait(until - time.monotonic()):
                    raise AssertionError(f"{self.argv[0]} never logged {pattern.pattern!r}:\n{self.tail()}")

    def tail(self, count=40):
        return "\n".join(self.lines[-count:])

    def log(self):
        return "\n".join(self.lines)

    def running(self):
        return self._child.poll() is None

    def signal(self, number):
        self._child.send_signal(number)

    def wait(self, deadline=DEADLINE):
        """The exit code, once all output is in."""
        code = self._child.wait(deadline)
        self._reader.join(deadline)
        return code

    def kill(self):
        if self.running():
            self.killed = True
            self.signal(signal.SIGKILL)
        self.wait()
        self._child.stdout.close()

    def rss_bytes(self, field="VmRSS"):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))


class Redis(Process):
    """redis-server on a unix socket, nothing on disk, encodings that keep the order in which things were added:
    the hash seed of a process must not show in replies that are compared with those of another process."""

    SETTINGS = {"port": 0, "save": "", "appendonly": "no", "enable-debug-command": "local", "databases": 16,
                "hash-max-listpack-entries": 100000, "hash-max-listpack-value": 1 << 20, "maxclients": 12000,
                "set-max-intset-entries": 100000, "io-threads": 1, "loglevel": "notice"}

    def __init__(self, folder, name="redis", binary=None, ready="[Rr]eady to accept connections", **settings):
        self.address = os.path.join(folder, name + ".sock")
        self.url = "unix://" + self.address
        values = {**self.SETTINGS, "dir": folder, "unixsocket": self.address, **settings}
        argv = [binary or os.environ.get("WEIR_SERVER", "redis-server")]
        for option, value in values.items():
            argv += ["--" + option.replace("_", "-"), *map(str, value if isinstance(value, list) else [value])]
        super().__init__(argv)
        try:
            self.wait_for(ready)
        except AssertionError:
            self.kill()
            raise

    def client(self, protocol=2):
        return resp.Client(self.address, protocol)


class Weir(Process):
    """The weir under test with a generated configuration; one listener for each tenant, on ports of its choosing."""

    def __init__(self, folder, config, binary=None):
        raise_file_limit()
        self.file = os.path.join(folder, f"weir-{id(self):x}.yaml")
        self._write(config)
        super().__init__([binary or weir_binary(), self.file])
        try:
            self.wait_for(r"\bready\b")
        except AssertionError:
            self.kill()
            raise
        self.addresses = self._addresses()

    def _write(self, config):
        self.config = config
        with open(self.file, "w", encoding="utf-8") as out:
            json.dump(config, out, indent=1)  # JSON is YAML too

    def reload(self, **sections):
        """SIGHUP, with other sections in its file: whether weir took it. Its workers notice within their next turn."""
        before = self.config
        self._write({**before, **sections})
        since = len(self.lines)
        self.signal(signal.SIGHUP)
        taken = self.wait_for(r"configuration (loaded|not taken)", since=since)[1] == "loaded"
        self.config = self.config if taken else before
        return taken

    def _addresses(self):
        found = {}
        for line in self.lines:
            if match := re.search(r"(?<!admin )listening address=(\S+) tenant(?:_from)?=(\S+)", line):
                found.setdefault(match[2].strip('"'), parse_address(match[1].strip('"')))
        return found

    def admin_address(self):
        return parse_address(self.wait_for(r"admin listening address=(\S+)")[1].strip('"'))

    def client(self, tenant="a", protocol=2, timeout=resp.TIMEOUT):
        return resp.Client(self.addresses[tenant], protocol, timeout)

    def stop(self):
        """SIGTERM; fails when weir did not end cleanly or a sanitizer had something to say. Nothing of one that was killed."""
        if self.killed:
            return self.check_log()
        if self.running():
            self.signal(signal.SIGTERM)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            raise AssertionError(f"weir did not end after SIGTERM:\n{self.tail()}") from None
        finally:
            self.kill()
        self.check_log()
        if code != 0:
            raise AssertionError(f"weir ended with {code}:\n{self.tail(200)}")

    def check_log(self):
        """Fails when a sanitizer has said something in it."""
        if report := _SANITIZER.search(self.log()):
            raise AssertionError(f"{report[0]}:\n{self.tail(200)}")


def weir_binary():
    return os.environ["WEIR_BINARY"]


def free_port():
    """A TCP port nobody listens on right now, for servers that cannot say which one they took."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def parse_address(text):
    if text.startswith("unix:"):
        return text[len("unix:"):]
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def weir_config(redis, names=("a", "b"), **sections):
    """A configuration with a listener on a free port for each tenant; `sections` replace or add to the top level."""
    config = {
        "workers": 1,
        "listeners": [{"bind": "127.0.0.1:0", "tenant": tenant} for tenant in names],
        "upstream": {"url": redis.url},
        "tenants": {tenant: {} for tenant in names},
    }
    config["upstream"].update(sections.pop("upstream", {}))
    config.update(sections)
    return config


def raise_file_limit(wanted=24000):
    """As many files as ten thousand connections need; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Folder:
    """A temporary folder that takes its servers along when it goes."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="weir-test-")
        self._servers = []

    def redis(self, name="redis", **settings):
        return self._own(Redis(self.path, name, **settings))

    def weir(self, redis, names=("a", "b"), binary=None, **sections):
        return self._own(Weir(self.path, weir_config(redis, names, **sections), binary))

    def _own(self, server):
        self._servers.append(server)
        return server

    def close(self):
        """Weir first, so that it ends while its upstream is still there; every server ends, whatever is found."""
        faults = []
        for server in sorted(self._servers, key=lambda server: not isinstance(server, Weir)):
            try:
                server.stop() if isinstance(server, Weir) else server.kill()
            except AssertionError as fault:
                faults.append(str(fault))
        self._servers.clear()
        shutil.rmtree(self.path, ignore_errors=True)
        if faults:
            raise AssertionError("\n".join(faults))


class ServerTest(unittest.TestCase):
    """A test with a folder for its own servers, and one for those that the class shares (`shared`)."""

    @classmethod
    def setUpClass(cls):
        cls.shared = Folder()
        cls.addClassCleanup(cls.shared.close)

    def setUp(self):
        self.folder = Folder()
        self.addCleanup(self.folder.close)


class SharedRedisTest(ServerTest):
    """All tests of a class have one Redis, which is empty and has counted nothing when a test begins."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.redis = cls.shared.redis()

    def setUp(self):
        super().setUp()
        with self.redis.client() as direct:
            direct.pipeline([("FLUSHALL",), ("CONFIG", "RESETSTAT")])


def wait_until(condition, deadline=DEADLINE, what="the condition"):
    """For states that nobody announces: looks again every few milliseconds until the deadline."""
    until, waiter = time.monotonic() + deadline, threading.Event()
    while not (value := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not come about in {deadline} s")
        waiter.wait(0.005)
    return value
