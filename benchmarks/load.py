"""What is sent: redis-benchmark for throughput and percentiles, sockets of our own for what it cannot do."""

import csv
import selectors
import socket
import subprocess
import time
from dataclasses import dataclass

RUN_SECONDS = 300


@dataclass
class Load:
    """One or two redis-benchmark runs, told as its own options; `requests` is for each command of them."""

    name: str
    title: str
    requests: int
    options: list[str]
    runs: list[list[str]]
    value_bytes: int = 64  # a longer one is reported by the megabyte as well


SET_GET = [["-t", "set,get"]]
MSET_MGET = [["-t", "mset"], ["mget", *["key:__rand_int__"] * 10]]

LOADS = [
    Load("pipeline-1", "50 connections, pipeline 1", 100_000, ["-c", "50", "-r", "1000"], SET_GET),
    Load("pipeline-16", "50 connections, pipeline 16", 400_000, ["-c", "50", "-P", "16", "-r", "1000"], SET_GET),
    Load("pipeline-64", "50 connections, pipeline 64", 500_000, ["-c", "50", "-P", "64", "-r", "1000"], SET_GET),
    Load("connections-500", "500 connections, pipeline 1", 80_000, ["-c", "500", "-r", "1000"], SET_GET),
    Load("latency", "1 connection", 25_000, ["-c", "1", "-r", "1000"], SET_GET),
    Load("ten-keys", "MSET and MGET of 10 keys, 50 connections", 60_000, ["-c", "50", "-r", "1000"], MSET_MGET),
    Load("16KiB", "values of 16 KiB, 50 connections", 20_000, ["-c", "50", "-r", "500"], SET_GET, 16 << 10),
    Load("1MiB", "values of 1 MiB, 8 connections", 1_000, ["-c", "8", "-r", "10"], SET_GET, 1 << 20),
]


@dataclass
class Outcome:
    """All commands of a load taken together; percentiles are those of its slowest command."""

    commands: int
    seconds: float
    p50_us: float
    p99_us: float


def run(load: Load, port: int, requests: int) -> Outcome:
    rows = [row for arguments in load.runs for row in _redis_benchmark(load, port, requests, arguments)]
    return Outcome(
        commands=requests * len(rows),
        seconds=sum(requests / float(row["rps"]) for row in rows),
        p50_us=max(float(row["p50_latency_ms"]) for row in rows) * 1000,
        p99_us=max(float(row["p99_latency_ms"]) for row in rows) * 1000,
    )


def _redis_benchmark(load: Load, port: int, requests: int, arguments: list[str]) -> list[dict]:
    done = subprocess.run(
        ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "--csv", "-n", str(requests),
         "-d", str(load.value_bytes), *load.options, *arguments],
        capture_output=True, text=True, timeout=RUN_SECONDS)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    if done.returncode != 0 or not rows:
        raise RuntimeError(f"redis-benchmark failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return rows


def command(*arguments: bytes) -> bytes:
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in arguments)


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection: socket.socket, request: bytes, reply: bytes):
    connection.sendall(request)
    got = b""
    while len(got) < len(reply):
        chunk = connection.recv(65536)
        if not chunk:
            break
        got += chunk
    if got != reply:
        raise RuntimeError(f"expected {reply[:60]!r}, got {got[:200]!r}")


def idle_connections(port: int, count: int) -> list[socket.socket]:
    """Connections that have asked for one value, and are silent from then on."""
    connections = []
    for _ in range(count):
        connections.append(connect(port))
        ask(connections[-1], command(b"GET", b"small"), b"$2\r\nok\r\n")
    return connections


def set_values(port: int, value_bytes: int):
    with connect(port) as connection:
        ask(connection, command(b"SET", b"small", b"ok"), b"+OK\r\n")
        ask(connection, command(b"SET", b"large", b"x" * value_bytes), b"+OK\r\n")


class UnreadReplies:
    """A client that asks for a value again and again and reads nothing, next to one that asks and reads."""

    def __init__(self, port: int, gets: int):
        self._unread = command(b"GET", b"large") * gets
        self._sent = 0
        # A small receive buffer of its own: what the kernel keeps for the client is not what is measured.
        self._deaf = socket.socket()
        self._deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self._deaf.connect(("127.0.0.1", port))
        self._deaf.setblocking(False)
        self._other = connect(port)
        self._asked_at = None
        self.waits: list[float] = []

    def observe(self, seconds: float, patience: float) -> float:
        """Worst wait of the other client, in seconds. A reply still missing at the end is waited for, up to
        `patience`."""
        events = selectors.DefaultSelector()
        events.register(self._deaf, selectors.EVENT_WRITE, self._send)
        events.register(self._other, selectors.EVENT_READ, self._receive)
        start = time.monotonic()
        self._ask()
        while (now := time.monotonic()) < start + seconds or (self._asked_at and now < start + patience):
            if self._asked_at is None:
                self._ask()
            for key, _ in events.select(timeout=0.1):
                if not key.data():
                    events.unregister(key.fileobj)
        if self._asked_at:
            self.waits.append(time.monotonic() - self._asked_at)
        self._deaf.close()
        self._other.close()
        return max(self.waits)

    def _send(self) -> bool:
        try:
            self._sent += self._deaf.send(self._unread[self._sent : self._sent + 65536])
        except BlockingIOError:
            pass
        except OSError:
            return False  # cut off by the proxy: one way of keeping its memory
        return self._sent < len(self._unread)

    def _ask(self):
        self._asked_at = time.monotonic()
        self._other.sendall(command(b"GET", b"small"))

    def _receive(self) -> bool:
        reply = self._other.recv(4096)
        if reply != b"$2\r\nok\r\n":
            raise RuntimeError(f"the other client got {reply[:200]!r}")
        self.waits.append(time.monotonic() - self._asked_at)
        self._asked_at = None
        return True
