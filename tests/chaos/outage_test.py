"""The outage test: clients of two weirs write and read without end, while Redis is taken away in every way there is, and
comes back. After each round all that stands in Redis is held against all that clients were told.

WEIR_CHAOS_ROUNDS says how many rounds, WEIR_CHAOS_SEED repeats a run (printed), WEIR_CHAOS_ONLY names the scenarios to play.
"""
import collections
import os
import random
import time
import unittest

import clients
import disturbances
import history
import servers
import workload
import world
from history import Outcome

ROUNDS = int(os.environ.get("WEIR_CHAOS_ROUNDS", "15"))
ONLY = os.environ.get("WEIR_CHAOS_ONLY")


class Stage:
    """One world with its clients, its things, and the books that are kept of them."""

    ROUNDS_OF_A_GENERATION = 6

    def __init__(self, seed, each=3):
        self.seed, self.rng = seed, random.Random(seed)
        self.world = world.World()
        self.crowd = clients.Crowd(self.world.slots, each, seed, time.time)
        self.generation = self.age = 0
        self.writes = collections.defaultdict(list)
        self.times = collections.defaultdict(list)  # by phase, of all rounds
        self.errors = collections.defaultdict(collections.Counter)
        self.new_things()
        self.crowd.start()

    # How long clients go on.

    def some(self, counts=(20, 100, 300), seconds=2.0):
        """So many replies; less where they take too long."""
        wanted = self.crowd.replies() + self.rng.choice(counts)
        self.go_on_until(lambda: self.crowd.replies() >= wanted, seconds)

    def go_on_until(self, condition, seconds):
        """Or until it has lasted long enough."""
        end = time.monotonic() + seconds
        servers.wait_until(lambda: condition() or self.crowd.faults() or time.monotonic() > end, what="clients that go on")

    def until_open(self, slots=None):
        slots = slots or self.world.slots
        servers.wait_until(lambda: self.crowd.faults() or all(slot.state() != "closed" for slot in slots), what="open breakers")

    def until_half_open(self):
        servers.wait_until(lambda: self.crowd.faults() or any(slot.state() == "half-open" for slot in self.world.slots), what="a half-open breaker")

    def a_while(self):
        if self.rng.random() < 0.8:
            self.go_on_until(lambda: all(slot.state() != "closed" for slot in self.world.slots), 4.0)
        self.some()

    # Things and books.

    def new_things(self):
        """What there was stays as it is, and is looked at no more."""
        self.generation += 1
        self.age = 0
        self.writes.clear()
        self.things = []
        for slot in self.world.slots:
            mine = [client for client in self.crowd.clients if client.slot is slot]
            shared = workload.things_of(self.generation, slot.name, workload.SHARED)
            self.things += shared
            for client in mine:
                client.writes.clear()
                client.reads.clear()
                client.shared = shared
                client.own = workload.things_of(self.generation, client.name, workload.OWN, own=True)
                self.things += client.own

    def begin_anew(self):
        self.crowd.park()
        self.new_things()
        self.crowd.go_on()

    def play(self, scenario):
        self.crowd.go_on()
        self.some()
        disturbances.SCENARIOS[scenario](self)
        self.some()
        servers.wait_until(lambda: self.crowd.faults() or self.world.are_well(), what="weirs that are well")
        self.some((20, 50))
        self.crowd.park()
        servers.wait_until(self.world.are_well, what="weirs that are well")
        faults = self.check()
        self.age += 1
        if self.age == self.ROUNDS_OF_A_GENERATION:
            self.sweep()
            self.new_things()
        return faults

    def sweep(self):
        """Or each restart would read more than the one before."""
        with self.world.redis.client() as direct:
            keys = direct.call("KEYS", world.PREFIX + b"g*")
            if keys:
                direct.call("DEL", *keys)

    def check(self):
        faults = self.crowd.faults()
        for slot in self.world.slots:
            slot.read_phases()
        for client in self.crowd.clients:
            for thing, writes in client.writes.items():
                self.writes[thing] += writes
            faults += self.check_what_it_saw(client)
            self.count(client)
            faults += self.errors_while_open(client)
            client.calls.clear()
            client.writes.clear()
            client.reads.clear()
        for slot in self.world.slots:
            slot.phases.forget(time.time() - 60)
        with self.world.redis.client() as direct:
            for thing in self.things:
                looks = thing.looks(world.PREFIX + thing.name.encode())
                replies = direct.pipeline(looks)
                faults += [f"{thing.name}: {fault}" for fault in thing.faults(self.writes[thing], replies)]
        return faults

    def check_what_it_saw(self, client):
        phases = client.slot.phases
        for thing, reads in client.reads.items():
            if not thing.own and not isinstance(thing, workload.Fields):
                continue
            own = [write for write in self.writes[thing] if write.client == client.name]
            for read in reads:
                before = [write for write in own if write.number < read.number and write.outcome is Outcome.DONE]
                since = before[-1].sent if before else 0.0
                sees_all = phases.surely_closed(read.sent, read.got) or not phases.left_closed(since, read.got)
                for fault in history.read_faults(read, own, sees_all):
                    yield f"{thing.name}: {fault}"
        for thing in client.own:
            if isinstance(thing, workload.Counter):
                for fault in history.growth_faults(self.writes[thing], lambda write: phases.surely_closed(write.sent, write.got),
                                                   lambda before, write: phases.stayed(before.sent, write.got)):
                    yield f"{thing.name}: {fault}"

    def errors_while_open(self, client):
        for call in client.calls:
            if call.supported and call.error and client.slot.phases.during(call.sent, call.got) == "open":
                yield f"{client.name} was told {call.error!r} while the breaker was open"

    def count(self, client):
        for call in client.calls:
            if call.supported:
                phase = client.slot.phases.during(call.sent, call.got) or "changing"
                self.times[phase].append(call.got - call.sent)
                self.errors[phase]["ok" if call.error is None else " ".join(call.error.decode().split()[:3])] += 1

    def report(self):
        for phase, times in sorted(self.times.items()):
            told = self.errors[phase]
            times.sort()
            print(f"  {phase:10} {len(times):7} calls  p50 {times[len(times) // 2] * 1000:7.1f} ms  p99 {times[len(times) * 99 // 100] * 1000:7.1f} ms  "
                  f"errors {100 * (1 - told['ok'] / len(times)):6.2f} %  {dict(told - collections.Counter(ok=told['ok']))}")

    def close(self):
        self.crowd.stop()
        self.world.close()


class OutageTest(unittest.TestCase):
    def test_memory(self):
        seed = os.environ.get("WEIR_CHAOS_SEED", str(time.time_ns()))
        print(f"seed {seed}: {ROUNDS} rounds", flush=True)
        stage = Stage(seed)
        self.addCleanup(stage.close)
        deck = []
        for number in range(ROUNDS):
            if not deck:
                deck = [name for name in disturbances.SCENARIOS if not ONLY or name in ONLY]
                stage.rng.shuffle(deck)
            scenario = deck.pop()
            began, replies = time.monotonic(), stage.crowd.replies()
            faults = stage.play(scenario)
            print(f"round {number}: {scenario}, {time.monotonic() - began:.1f} s, {stage.crowd.replies() - replies} replies", flush=True)
            if faults:
                for slot in stage.world.slots:
                    print(slot.weir.tail(60))
            self.assertEqual(faults[:20], [], f"seed {seed}, round {number}: {scenario}")
        stage.report()


if __name__ == "__main__":
    unittest.main(verbosity=2)
