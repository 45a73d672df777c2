#!/usr/bin/env python3
"""Throughput of the memory fallback beside that of weir with Redis up, in rounds that take turns.

Two weirs with the same configuration, one with Redis and one whose Redis is gone. With --gate it exits with 1 when the
fallback is slower than 0.9 times the other."""

import argparse
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import load
import servers

ROOT = Path(__file__).resolve().parent.parent
LEAST = 0.9
OUTAGE = "breaker: {open_for: 1h, max_open_for: 1h}\nfallback: {order: [memory]}"


def wait_for_fallback(port: int) -> None:
    """Until a read is answered without Redis."""
    end = time.monotonic() + 30
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        while time.monotonic() < end:
            connection.sendall(load.command(b"GET", b"nothing"))
            if connection.recv(4096) == b"$-1\r\n":
                return
    raise RuntimeError("the breaker did not open")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", type=Path, default=ROOT / "build/release/weir", metavar="BINARY")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300_000, help="of each command a round")
    parser.add_argument("--gate", action="store_true")
    arguments = parser.parse_args()
    worst = 10.0
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        redis, lost = servers.start_redis(folder), servers.start_redis(folder)
        targets = []
        try:
            targets = [servers.start_weir(folder, one.port, arguments.weir.resolve(), more=OUTAGE) for one in (redis, lost)]
            lost.stop()
            wait_for_fallback(targets[1].port)
            for title in ("pipeline-1", "pipeline-16", "pipeline-64"):
                scenario = next(one for one in load.LOADS if one.name == title)
                requests = arguments.requests // (3 if title == "pipeline-1" else 1)
                rounds = []
                for number in range(arguments.rounds + 1):
                    order = targets if number % 2 else targets[::-1]
                    rate = {one: (lambda outcome: outcome.commands / outcome.seconds)(load.run(scenario, one.port, requests))
                            for one in order}
                    if number > 0:  # the first one warms up
                        rounds.append((rate[targets[0]], rate[targets[1]]))
                ratio = statistics.median(without / up for up, without in rounds)
                worst = min(worst, ratio)
                up, without = (statistics.median(one[i] for one in rounds) for i in (0, 1))
                print(f"{title:12} Redis up {up:10.0f}/s  fallback {without:10.0f}/s  × {ratio:.2f}")
        finally:
            for process in [*targets, redis, lost]:
                process.stop()
    if arguments.gate and worst < LEAST:
        print(f"below {LEAST}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
