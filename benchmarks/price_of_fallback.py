#!/usr/bin/env python3
"""What being ready for an outage costs while there is none: a weir without, one with a breaker, and one that also remembers."""

import sys

from price import compare

BREAKER = "breaker: {slow_over: 1s}"

sys.exit(compare(__doc__, {
    "no breaker": {},
    "breaker": {"more": BREAKER},
    "breaker, memory fallback": {"more": BREAKER + "\nfallback: {order: [memory]}"},
    "the same, remembering": {"more": BREAKER + "\nfallback: {order: [memory], remember: {what: both}}"},
}))
