"""The Redis under test and what stands in front of it: each starts on a loopback port of its own, with its files in
the temporary folder given, and is ended by its process id."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

MAX_CONNECTIONS = 6_000
START_SECONDS = 15


def free_port() -> int:
    """A port free now. Another program could take it before the server does; the server then fails to start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Usage:
    """CPU time a process has used: all of its threads, in seconds."""

    def __init__(self, total: float, user: float, system: float):
        self.total, self.user, self.system = total, user, system

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.total - other.total, self.user - other.user, self.system - other.system)


class Process:
    """A server program. Ends when `stop` is called, at the latest 10 s later."""

    def __init__(self, name: str, command: list[str], folder: Path, port: int):
        self.name, self.port = name, port
        self._log = folder / f"{name}-{port}.log"
        with open(self._log, "wb") as log:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        self.rss_at_start = self.rss()

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"*2\r\n$3\r\nGET\r\n$11\r\nno-such-key\r\n")
                return connection.recv(64) == b"$-1\r\n"
        except OSError:
            return False

    def stop(self):
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def usage(self) -> Usage:
        # stat counts in ticks of 10 ms but splits user from system; schedstat has the same sum in nanoseconds.
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        tick = os.sysconf("SC_CLK_TCK")
        user, system = int(fields[11]) / tick, int(fields[12]) / tick
        try:
            threads = Path(f"/proc/{self._child.pid}/task").iterdir()
            total = sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
        except OSError:
            total = user + system
        return Usage(total, user, system)

    def rss(self) -> int:
        return self._status("VmRSS")

    def peak_rss(self) -> int:
        return self._status("VmHWM")

    def _status(self, field: str) -> int:
        for line in Path(f"/proc/{self._child.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"{self.name} has ended:\n{self._log.read_text(errors='replace')[-2000:]}")


def start_redis(folder: Path) -> Process:
    port = free_port()
    return Process("redis", ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                             "--appendonly", "no", "--daemonize", "no", "--dir", str(folder),
                             "--maxclients", str(2 * MAX_CONNECTIONS)], folder, port)


def start_haproxy(folder: Path, redis_port: int) -> Process:
    port = free_port()
    config = folder / f"haproxy-{port}.cfg"
    config.write_text(f"""\
global
    maxconn {MAX_CONNECTIONS}
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend clients
    bind 127.0.0.1:{port}
    default_backend redis
backend redis
    server redis 127.0.0.1:{redis_port}
""")
    return Process("haproxy", [tool("haproxy"), "-db", "-f", str(config)], folder, port)


def start_nutcracker(folder: Path, redis_port: int) -> Process:
    port = free_port()
    config = folder / f"nutcracker-{port}.yml"
    config.write_text(f"""\
bench:
  listen: 127.0.0.1:{port}
  redis: true
  hash: fnv1a_64
  distribution: ketama
  auto_eject_hosts: false
  server_connections: 1
  servers:
   - 127.0.0.1:{redis_port}:1
""")
    # Its statistics listen on every address unless told otherwise.
    return Process("nutcracker", [tool("nutcracker"), "-c", str(config), "-a", "127.0.0.1", "-s", str(free_port()),
                                  "-i", "3600000", "-v", "0", "-o", "/dev/null",
                                  "-p", str(folder / f"nutcracker-{port}.pid")], folder, port)


def start_weir(folder: Path, redis_port: int, binary: Path, tenant: str = "{}", more: str = "") -> Process:
    """`tenant` is how the tenant is configured that is measured, in YAML's flow style; `more` is more configuration."""
    port = free_port()
    config = folder / f"weir-{port}.yaml"
    config.write_text(f"""\
workers: 1
listeners:
  - {{bind: "127.0.0.1:{port}", tenant: bench}}
upstream: {{url: "redis://127.0.0.1:{redis_port}"}}
tenants:
  bench: {tenant}
{more}
clients: {{max_connections: {MAX_CONNECTIONS}}}
admin: {{bind: "127.0.0.1:0"}}
log: {{level: warning}}
""")
    return Process("weir", [str(binary), str(config)], folder, port)


def tool(name: str) -> str:
    """Where a program is; Debian keeps proxies in /usr/sbin, which is not on everyone's PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed: deploy/packages.sh benchmarks")
    return found
