"""Clients that write and read without end by way of one weir, and keep a log of what they were told."""
import collections
import contextlib
import random
import threading

import resp
import servers
import workload
from history import Outcome

UNKNOWN = b"outcome is unknown"
NOT_DONE = (b"was not executed", b"was not sent")
# What Redis says when it takes no writes, and weir when it has nobody to ask; all of them before anything is done.
STATES = (b"FALLBACK ", b"UPSTREAM down", b"UPSTREAM busy", b"LOADING ", b"READONLY ", b"OOM ", b"NOREPLICAS ", b"EXECABORT ")


def outcome_of(reply):
    """None: nothing of the kind may be said here."""
    if isinstance(reply, list) and any(isinstance(part, resp.Error) for part in reply):
        return Outcome.REFUSED if all(outcome_of(part) is Outcome.REFUSED for part in reply) else None
    if not isinstance(reply, resp.Error):
        return Outcome.DONE
    if UNKNOWN in reply:
        return Outcome.UNKNOWN
    return Outcome.REFUSED if reply.startswith(STATES) or reply.endswith(NOT_DONE) else None


def error_in(reply):
    """None: there is none."""
    parts = reply if isinstance(reply, list) else [reply]
    return next((part.decode() for part in parts if isinstance(part, resp.Error)), None)


Call = collections.namedtuple("Call", "sent got supported error")


class Client(threading.Thread):
    """One connection after the other to the same weir. The crowd reads what it has kept while it is parked."""

    def __init__(self, name, slot, crowd, seed):
        super().__init__(daemon=True)
        self.name, self.slot, self.crowd = name, slot, crowd
        self.rng = random.Random(f"{seed}:{name}")
        self.number = self.replies = 0
        self.own, self.shared = [], []
        # What it was told, by thing, and how long each call took.
        self.writes, self.reads = collections.defaultdict(list), collections.defaultdict(list)
        self.calls, self.faults = [], []

    def run(self):
        try:
            while self.crowd.may_go_on():
                kills = self.slot.kills
                try:
                    with self.slot.client() as connection:
                        while self.crowd.may_go_on():
                            self.pipeline(connection)
                            self.crowd.rest()
                except (resp.ConnectionClosed, OSError) as end:
                    if self.slot.kills == kills and not self.slot.is_down:
                        raise
                    self.crowd.rest()
        except Exception as fault:  # the round fails, and not this thread alone
            self.fault(repr(fault))

    def forget_things(self):
        """While it is parked."""
        self.writes.clear()
        self.reads.clear()

    def fault(self, text):
        self.faults.append(f"{self.name} #{self.number}: {text}")

    def pipeline(self, connection):
        requests = [self.request() for _ in range(self.rng.choice((1, 1, 1, 2, 5)))]
        sent, answered = self.crowd.now(), 0
        try:
            connection.send_raw(b"".join(resp.encode(*command) for request in requests for command in request.commands))
            for request in requests:
                replies = [connection.read() for _ in request.commands]
                self.note(request, sent, replies[-1])
                answered += 1
        finally:
            for request in requests[answered:]:
                self.keep(request, sent, Outcome.UNKNOWN, None)

    def request(self):
        self.number += 1
        roll = self.rng.random()
        if roll < 0.05:
            return workload.Echo.request(self.name, self.number)
        thing = self.rng.choice(self.own if roll < 0.4 else self.shared)
        request = thing.read(self.name, self.number) if self.rng.random() < 0.4 else None
        return request or thing.write(self.rng, self.name, self.number)

    def note(self, request, sent, reply):
        outcome = outcome_of(reply)
        if outcome is None:
            self.fault(f"{request.commands}: {reply!r}")
            outcome = Outcome.UNKNOWN
        if request.thing is None and outcome is Outcome.DONE and reply != request.commands[0][1]:
            self.fault(f"{request.commands}: {reply!r}, which is somebody else's")
        self.replies += 1
        self.calls.append(Call(sent, self.crowd.now(), request.supported, error_in(reply)))
        self.keep(request, sent, outcome, reply)

    def keep(self, request, sent, outcome, reply):
        got = self.crowd.now()
        if write := request.write:
            write.sent, write.got, write.outcome, write.reply = sent, got, outcome, reply
            self.writes[request.thing].append(write)
        elif request.read and outcome is Outcome.DONE:
            request.read.sent, request.read.got, request.read.found = sent, got, reply
            self.reads[request.thing].append(request.read)


class Crowd:
    """All clients, who can be parked: then nothing is under way."""

    PAUSE = 0.02  # of a client between two pipelines: this is no test of speed

    def __init__(self, slots, each, seed, now):
        self.now = now
        self._changed = threading.Condition()
        self._parking, self._parked, self._pause = True, 0, self.PAUSE
        self._ending = threading.Event()
        self.clients = [Client(f"{slot.name}c{index}", slot, self, seed) for slot in slots for index in range(each)]

    def start(self):
        for client in self.clients:
            client.start()
        self.park()

    def may_go_on(self):
        """Waits while they are to be parked."""
        with self._changed:
            if self._parking:
                self._parked += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._parking)
                self._parked -= 1
        return not self._ending.is_set()

    def rest(self):
        self._ending.wait(self._pause)

    @contextlib.contextmanager
    def in_a_hurry(self):
        """So that there is much to replay."""
        self._pause = 0.001
        yield
        self._pause = self.PAUSE

    def park(self):
        with self._changed:
            self._parking = True
            assert self._changed.wait_for(lambda: self._parked == len(self.clients) or self.faults(), servers.DEADLINE), \
                "clients that still wait for replies"

    def go_on(self):
        with self._changed:
            self._parking = False
            self._changed.notify_all()

    def replies(self):
        return sum(client.replies for client in self.clients)

    def faults(self):
        return [fault for client in self.clients for fault in client.faults]

    def stop(self):
        self._ending.set()
        self.go_on()
        for client in self.clients:
            client.join(servers.DEADLINE)
