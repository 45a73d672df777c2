#!/usr/bin/env python3
"""What limits cost: a weir without, one with three limits on every command, and one with many tenants beside it."""

import sys

from price import compare

MANY_TENANTS = 100_000

EVERY_COMMAND_THRICE = """{limits: [
    {name: all, commands: ["*"], rate: 1000000/1s},
    {name: window, commands: ["*"], rate: 1000000/1s, algorithm: sliding_window},
    {name: more, commands: ["*"], rate: 1000000/1s, burst: 2000000}]}"""


def many_tenants() -> str:
    """Lines of `tenants`, all in one plan."""
    lines = [f"  t{number:06}: {{plan: shared}}" for number in range(MANY_TENANTS)]
    return "\n".join(lines) + f"\nplans:\n  shared: {EVERY_COMMAND_THRICE}"


sys.exit(compare(__doc__, {
    "no limits": {},
    "three limits": {"tenant": EVERY_COMMAND_THRICE},
    "three limits, 100,000 tenants": {"tenant": EVERY_COMMAND_THRICE, "more": many_tenants()},
}))
