#!/usr/bin/env python3
"""Direct Redis, haproxy (tcp mode), nutcracker and weir, side by side in one interleaved run on one core.

See README.md for what is measured and why it is measured this way."""

import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import load
import servers
from report import GATE, IDLE_FIGURES, MB, RUN_FIGURES, UNREAD_FIGURES, VALUE_FIGURES, Measured, table
from servers import Process

ROOT = Path(__file__).resolve().parent.parent
Start = Callable[[Path, int], Process]

UNREAD_GETS, UNREAD_VALUE_BYTES = 100_000, 16 << 10
IDLE_WARM, IDLE_COUNT = 200, 2_000


def say(text: str):
    print(text, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    names = [scenario.name for scenario in load.LOADS] + ["idle", "unread"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", type=Path, default=ROOT / "build/release/weir", metavar="BINARY")
    parser.add_argument("--quick", action="store_true", help="fewer requests and rounds: does it work at all?")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 3")
    parser.add_argument("--only", nargs="+", choices=names, metavar="SCENARIO", help=" ".join(names))
    parser.add_argument("--core", type=int, help="default: the last one this process may use")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample and median as well")
    parser.add_argument("--gate", action="store_true",
                        help="run what has a limit only; exit with 1 unless weir keeps within all of them")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    if arguments.gate:
        arguments.only = sorted({demand.scenario for demand in GATE})
    return arguments


def prepare_process(core: int | None) -> int:
    """Everything started from here on inherits the core and the limit of open files."""
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {chosen})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return chosen


def proxies(weir: Path) -> dict[str, Start]:
    """Those that are there; the others are named and left out."""
    found: dict[str, Start] = {}
    for name, start in (("haproxy", servers.start_haproxy), ("nutcracker", servers.start_nutcracker)):
        try:
            servers.tool(name)
            found[name] = start
        except RuntimeError as missing:
            say(f"left out: {missing}")
    if os.access(weir, os.X_OK):
        found["weir"] = lambda folder, redis_port: servers.start_weir(folder, redis_port, weir.resolve())
    else:
        say(f"left out: weir, there is no {weir} (deploy/build.sh builds it)")
    return found


def flush(redis: Process):
    with load.connect(redis.port) as connection:
        load.ask(connection, load.command(b"FLUSHALL"), b"+OK\r\n")


def sample_load(scenario: load.Load, requests: int, target: Process, redis: Process) -> dict[str, float]:
    is_proxy = target is not redis
    before, redis_before = target.usage(), redis.usage()
    outcome = load.run(scenario, target.port, requests)
    used, redis_used = target.usage() - before, redis.usage() - redis_before
    rate = outcome.commands / outcome.seconds
    per_command = 1e6 / outcome.commands
    figures = {"kreq_s": rate / 1000, "mb_s": rate * scenario.value_bytes / MB,
               "redis_us": redis_used.total * per_command, "p50_us": outcome.p50_us, "p99_us": outcome.p99_us}
    if is_proxy:
        ticks = (used.user + used.system) or 1
        figures |= {"proxy_us": used.total * per_command,
                    "proxy_user_us": used.total * per_command * used.user / ticks,
                    "proxy_system_us": used.total * per_command * used.system / ticks,
                    "proxy_us_mb": used.total * per_command * MB / scenario.value_bytes,
                    "rss_mb": target.rss() / MB}
    return figures


def measure_load(scenario: load.Load, arguments, targets: dict[str, Process], redis: Process) -> Measured:
    """Every round runs every target, and starts with another one: what changes with time changes for all."""
    is_large = scenario.value_bytes > 1024
    measured = Measured(scenario.name, scenario.title, VALUE_FIGURES if is_large else RUN_FIGURES)
    requests = scenario.requests // (5 if arguments.quick else 1)
    names = list(targets)
    flush(redis)
    for number in range(arguments.rounds):
        say(f"{scenario.title}: round {number + 1} of {arguments.rounds}")
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            if name in measured.failures:
                continue
            try:
                sample = sample_load(scenario, requests, targets[name], redis)
                measured.samples.setdefault(name, []).append(sample)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                measured.failures[name] = str(error)
    flush(redis)
    return measured


def measure_loads(arguments, starts: dict[str, Start], folder: Path) -> list[Measured]:
    chosen = [scenario for scenario in load.LOADS if not arguments.only or scenario.name in arguments.only]
    if not chosen:
        return []
    redis = servers.start_redis(folder)
    targets = {"direct": redis}
    try:
        for name, start in starts.items():
            targets[name] = start(folder, redis.port)
        return [measure_load(scenario, arguments, targets, redis) for scenario in chosen]
    finally:
        for process in reversed(targets.values()):
            process.stop()


def with_fresh_servers(measured: Measured, starts: dict[str, Start], folder: Path,
                       sample: Callable[[Process, Process], dict[str, float]]) -> Measured:
    """Memory is measured on processes that have done nothing else: what they keep from before would hide it."""
    for name in ["direct", *starts]:
        say(f"{measured.title}: {name}")
        redis = servers.start_redis(folder)
        target = redis
        try:
            if name != "direct":
                target = starts[name](folder, redis.port)
            measured.samples[name] = [sample(target, redis)]
        except (RuntimeError, OSError) as error:
            measured.failures[name] = str(error)
        finally:
            if target is not redis:
                target.stop()
            redis.stop()
    return measured


def measure_idle(arguments, starts: dict[str, Start], folder: Path) -> Measured:
    count = IDLE_COUNT // (4 if arguments.quick else 1)

    def sample(target: Process, _: Process) -> dict[str, float]:
        load.set_values(target.port, 1)
        # The first ones pay for what a process sets up once.
        connections = load.idle_connections(target.port, IDLE_WARM)
        before = target.rss()
        connections += load.idle_connections(target.port, count)
        grown = target.rss() - before
        for connection in connections:
            connection.close()
        return {"rss_at_start_mb": target.rss_at_start / MB, "bytes_per_connection": grown / count}

    title = f"{count} connections, idle after one GET"
    return with_fresh_servers(Measured("idle", title, IDLE_FIGURES), starts, folder, sample)


def available_memory() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def measure_unread(arguments, starts: dict[str, Start], folder: Path) -> Measured:
    # A proxy that keeps all it is given takes two and a half times the replies' size. Half the memory stays free.
    fitting = int(available_memory() / 2 / 2.5) // UNREAD_VALUE_BYTES
    gets = min(UNREAD_GETS, fitting)

    def sample(target: Process, redis: Process) -> dict[str, float]:
        load.set_values(target.port, UNREAD_VALUE_BYTES)
        unread = load.UnreadReplies(target.port, gets)
        worst = unread.observe(seconds=4 if arguments.quick else 8, patience=60)
        return {"peak_mb": (target.peak_rss() - target.rss_at_start) / MB,
                "redis_peak_mb": (redis.peak_rss() - redis.rss_at_start) / MB, "worst_ms": worst * 1000}

    title = f"{gets:,} GETs of 16 KiB, no reply read"
    return with_fresh_servers(Measured("unread", title, UNREAD_FIGURES), starts, folder, sample)


def environment(core: int) -> dict[str, str]:
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown")

    def version(*command: str) -> str:
        try:
            output = subprocess.run(command, capture_output=True, text=True, check=False)
            return (output.stdout + output.stderr).strip().splitlines()[0]
        except (OSError, IndexError):
            return "not there"

    return {"cpu": f"{cpu}, {os.cpu_count()} cores, everything on core {core}", "kernel": platform.release(),
            "load average at start": f"{os.getloadavg()[0]:.2f}", "redis": version("redis-server", "--version"),
            "haproxy": version("/usr/sbin/haproxy", "-v"), "nutcracker": version("/usr/sbin/nutcracker", "-V")}


def write_json(path: Path, about: dict[str, str], results: list[Measured], targets: list[str]):
    document = {"environment": about, "scenarios": [
        {"name": one.name, "title": one.title, "failures": one.failures, "samples": one.samples,
         "medians": {target: {key: one.median(target, key) for key in one.samples[target][0]}
                     for target in targets if target in one.samples}}
        for one in results]}
    path.write_text(json.dumps(document, indent=1) + "\n")


def keeps_within_limits(results: list[Measured]) -> bool:
    verdicts = [demand.judge({one.name: one for one in results}) for demand in GATE]
    for _, text in verdicts:
        print(text)
    return all(met for met, _ in verdicts)


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped on the way out
    about = environment(prepare_process(arguments.core))
    if os.getloadavg()[0] > 0.5:
        say("other programs are busy here: trust CPU a command, and little else")
    starts = proxies(arguments.weir)
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        results = measure_loads(arguments, starts, folder)
        for scenario, measure in (("idle", measure_idle), ("unread", measure_unread)):
            if not arguments.only or scenario in arguments.only:
                results.append(measure(arguments, starts, folder))
    targets = ["direct", *starts]
    print("\n".join(f"{key}: {value}" for key, value in about.items()))
    for one in results:
        print("\n" + table(one, targets, "weir"))
    if arguments.json:
        write_json(arguments.json, about, results, targets)
    if arguments.gate:
        print()
        return 0 if keeps_within_limits(results) else 1
    return 1 if any(one.failures for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
