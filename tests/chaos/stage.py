"""One world with its clients, who go on for as long as a scenario says; and the rounds, each of which ends with all of it judged."""
import random
import time

import books
import clients
import servers
import workload
import world
from history import Sight


class Stage:
    ROUNDS_OF_A_GENERATION = 6  # then there are new things; the old ones would make all slower, and show nothing new

    def __init__(self, seed, order, clients_each=3):
        self.rng = random.Random(seed)
        self.world = world.World(order)
        self.crowd = clients.Crowd(self.world.slots, clients_each, seed, time.time)
        self.books = books.Books(self.crowd, Sight.SOME if "postgres" in order else Sight.ALL_OR_NOTHING)
        self.things = []
        self._generation = self._age = 0
        self._new_things()
        self.crowd.start()

    # How long clients go on.

    def some(self, counts=(20, 100, 300)):
        """So many replies; less where they take too long."""
        wanted = self.crowd.replies() + self.rng.choice(counts)
        self._go_on_until(lambda: self.crowd.replies() >= wanted, seconds=2)

    def a_while(self):
        """Mostly until all breakers have opened, if they do, and some more."""
        if self.rng.random() < 0.8:
            self._go_on_until(self._all_are_open, seconds=3)
        self.some()

    def until_open(self, slots=None):
        self._wait_until(lambda: self._all_are_open(slots), "open breakers")

    def until_one_is_back(self):
        """At its Redis, or about to be."""
        self._wait_until(lambda: any(slot.state() in ("half-open", "closed") for slot in self.world.slots), "a breaker that is not open")

    def _all_are_open(self, slots=None):
        return all(slot.state() != "closed" for slot in slots or self.world.slots)

    def _go_on_until(self, condition, seconds):
        """Or until it has lasted long enough; not at all without weirs."""
        end = time.monotonic() + seconds
        self._wait_until(lambda: condition() or time.monotonic() > end or all(slot.is_down for slot in self.world.slots), "clients that go on")

    def _wait_until(self, condition, what):
        """A round in which something is wrong already goes on to its end."""
        servers.wait_until(lambda: self.crowd.faults() or condition(), what=what)

    # Rounds.

    def play(self, scenario):
        """What is wrong after it, in words."""
        began, self.began = self.crowd.replies(), time.time()
        self.crowd.go_on()
        self.some()
        scenario(self)
        self.some()
        self._wait_until(self.world.are_well, "weirs that are well")
        self.some((20, 50))
        self.crowd.park()
        self._wait_until(self.world.are_well, "weirs that are well")
        self.world.end_trouble()
        if faults := self.crowd.faults():
            return faults, 0
        faults = [*self.books.judge(self.things, self.world.redis), *self.world.leftovers()]
        self._age += 1
        if self._age >= self.ROUNDS_OF_A_GENERATION:
            self.world.sweep()
            self._new_things()
            for slot in self.world.slots:
                slot.phases.forget(time.time())
        return faults, self.crowd.replies() - began

    def begin_anew(self):
        """With new things: whatever the old ones are, it counts no more."""
        self.crowd.park()
        self._new_things()
        self.crowd.go_on()

    def _new_things(self):
        self._generation += 1
        self._age = 0
        self.books.forget()
        everybodys = workload.things_of(self._generation, "all", workload.SHARED, one_order=False)
        self.things = everybodys[:]
        for slot in self.world.slots:
            shared = workload.things_of(self._generation, slot.name, workload.SHARED)
            self.things += shared
            for client in self.crowd.clients:
                if client.slot is slot:
                    client.shared = shared + everybodys
                    client.own = workload.things_of(self._generation, client.name, workload.OWN)
                    self.things += client.own

    def close(self):
        self.crowd.stop()
        self.world.close()
