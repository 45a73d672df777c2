"""What an option costs: CPU a command of weirs that differ in it alone, in pairs on one core.

Every round runs each of them, starting with another; compared are medians of the rounds' ratios."""

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


def microseconds_a_command(target: servers.Process, scenario: load.Load, requests: int) -> float:
    before = target.usage()
    outcome = load.run(scenario, target.port, requests)
    return (target.usage() - before).total * 1e6 / outcome.commands


def compare(title: str, variants: dict[str, dict[str, str]]) -> int:
    """`variants` are arguments for start_weir; the first one is what the others are compared with. The program's exit code."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--weir", type=Path, default=ROOT / "build/release/weir", metavar="BINARY")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=400_000, help="of each command a round")
    parser.add_argument("--pipeline", type=int, choices=(1, 16, 64), default=16)
    parser.add_argument("--gate", action="store_true", help="exit with 1 when one costs more than 3 %%")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    scenario = next(one for one in load.LOADS if one.name == f"pipeline-{arguments.pipeline}")
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        redis = servers.start_redis(folder)
        targets = {}
        try:
            for variant, how in variants.items():
                targets[variant] = servers.start_weir(folder, redis.port, arguments.weir.resolve(), **how)
            rounds = []
            names = list(targets)
            for number in range(arguments.rounds + 1):
                turn = number % len(names)
                sample = {one: microseconds_a_command(targets[one], scenario, arguments.requests)
                          for one in names[turn:] + names[:turn]}
                if number > 0:  # the first one warms up
                    rounds.append(sample)
        finally:
            for process in [*targets.values(), redis]:
                process.stop()
    worst = 0.0
    for one in names:
        ratio = statistics.median(sample[one] / sample[names[0]] for sample in rounds)
        worst = max(worst, ratio)
        print(f"{one:32} {statistics.median(sample[one] for sample in rounds):7.4f} µs a command  × {ratio:.4f}")
    if arguments.gate and worst > MOST:
        print(f"over {MOST}", file=sys.stderr)
        return 1
    return 0
