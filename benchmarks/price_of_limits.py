#!/usr/bin/env python3
"""What limits cost: CPU a command of a weir without, and of one with three limits, in pairs on one core.

Every round runs each of them, starting with another; compared are medians of the rounds' ratios. With --gate it exits
with 1 when limits cost more than 3 % at pipeline 16."""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import load
import servers

ROOT = Path(__file__).resolve().parent.parent
MOST = 1.03
MANY_TENANTS = 100_000

EVERY_COMMAND_THRICE = """{limits: [
    {name: all, commands: ["*"], rate: 1000000/1s},
    {name: window, commands: ["*"], rate: 1000000/1s, algorithm: sliding_window},
    {name: more, commands: ["*"], rate: 1000000/1s, burst: 2000000}]}"""


def many_tenants() -> str:
    """Lines of `tenants`, all in one plan."""
    lines = [f"  t{number:06}: {{plan: shared}}" for number in range(MANY_TENANTS)]
    return "\n".join(lines) + f"\nplans:\n  shared: {EVERY_COMMAND_THRICE}"


def variants() -> dict[str, dict[str, str]]:
    return {"no limits": {}, "three limits": {"tenant": EVERY_COMMAND_THRICE},
            "three limits, 100,000 tenants": {"tenant": EVERY_COMMAND_THRICE, "more": many_tenants()}}


def microseconds_a_command(target: servers.Process, scenario: load.Load, requests: int) -> float:
    before = target.usage()
    outcome = load.run(scenario, target.port, requests)
    return (target.usage() - before).total * 1e6 / outcome.commands


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", type=Path, default=ROOT / "build/release/weir", metavar="BINARY")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=400_000, help="of each command a round")
    parser.add_argument("--pipeline", type=int, choices=(1, 16, 64), default=16)
    parser.add_argument("--gate", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    scenario = next(one for one in load.LOADS if one.name == f"pipeline-{arguments.pipeline}")
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        redis = servers.start_redis(folder)
        targets = {}
        try:
            for title, how in variants().items():
                targets[title] = servers.start_weir(folder, redis.port, arguments.weir.resolve(), **how)
            rounds = []
            titles = list(targets)
            for number in range(arguments.rounds + 1):
                turn = number % len(titles)
                sample = {title: microseconds_a_command(targets[title], scenario, arguments.requests)
                          for title in titles[turn:] + titles[:turn]}
                if number > 0:  # the first one warms up
                    rounds.append(sample)
        finally:
            for process in [*targets.values(), redis]:
                process.stop()
    worst = 0.0
    for title in titles:
        ratio = statistics.median(sample[title] / sample[titles[0]] for sample in rounds)
        worst = max(worst, ratio)
        print(f"{title:32} {statistics.median(sample[title] for sample in rounds):7.4f} µs a command  × {ratio:.4f}")
    if arguments.gate and worst > MOST:
        print(f"over {MOST}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
