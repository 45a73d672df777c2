"""The outage test: clients of two weirs write and read without end, while Redis, Postgres and weirs themselves are taken away in
every way there is, and come back. After each round all that stands in Redis is held against all that clients were told.

WEIR_CHAOS_ROUNDS: how many rounds (20; where memory has a journal, a fifth). WEIR_CHAOS_SEED repeats a run's choices, and is printed.
WEIR_CHAOS_ONLY: the scenarios to play, by name, with | between.
"""
import os
import time
import unittest

import disturbances
import stage

ROUNDS = int(os.environ.get("WEIR_CHAOS_ROUNDS", "20"))
ONLY = [name for name in os.environ.get("WEIR_CHAOS_ONLY", "").split("|") if name]


class OutageTest(unittest.TestCase):
    def outages(self, order, scenarios, rounds):
        scenarios = {name: play for name, play in scenarios.items() if not ONLY or name in ONLY}
        if not scenarios:
            self.skipTest("none of these was chosen")
        seed = os.environ.get("WEIR_CHAOS_SEED", str(time.time_ns()))
        print(f"seed {seed}: {rounds} rounds", flush=True)
        here = stage.Stage(seed, order)
        self.addCleanup(here.close)
        deck = []
        for number in range(rounds):
            if not deck:  # each is played as often as the others
                deck = sorted(scenarios)
                here.rng.shuffle(deck)
            name, began = deck.pop(), time.monotonic()
            try:
                faults, replies = here.play(scenarios[name])
            except AssertionError as fault:
                faults, replies = [str(fault), *here.crowd.faults()], 0
            print(f"round {number}: {name}: {replies} replies, {time.monotonic() - began:.1f} s", flush=True)
            if faults:
                self.fail("\n".join([f"seed {seed}, round {number}: {name}", *faults[:20], *here.world.logs(here.began)]))
        print(f"weirs killed, by the state of their breaker: {here.world.killed()}")
        here.books.report()
        if not ONLY:
            self.assertGreater(here.books.calls_while("open"), 0)

    def test_with_a_journal_in_postgres(self):
        self.outages(["postgres"], disturbances.OF_REDIS | disturbances.OF_WEIRS | disturbances.OF_POSTGRES | disturbances.OF_ALL, ROUNDS)

    def test_with_memory_behind_it(self):
        """Which takes what Postgres cannot, and loses it with the process: so no weir is killed while Postgres is away."""
        self.outages(["postgres", "memory"], disturbances.OF_WEIRS | disturbances.OF_POSTGRES, ROUNDS // 5)

    def test_with_a_journal_in_memory(self):
        """Where no weir is killed."""
        self.outages(["memory"], disturbances.OF_REDIS, ROUNDS // 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
