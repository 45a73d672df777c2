"""Redis is killed again and again under load, and no reply reaches anybody but who asked for it.

Clients send pipelines of ECHO, GET, SET and INCR in which every token is used once, and hold each reply against its own
request. Redis writes each command to disk before it answers, so what it acknowledged has to be there when it is back.
WEIR_KILLS says how often it is killed (30).
"""
import collections
import os
import random
import threading
import time
import unittest

import outages
import resp
import servers
import terms

KILLS = int(os.environ.get("WEIR_KILLS", "30"))
BREAKER = {"window": "1s", "open_for": "30ms", "max_open_for": "60ms", "probe_interval": "20ms"}
UNKNOWN = b"outcome is unknown"
# The counters and values that Redis alone may acknowledge: in an outage they are read, perhaps, and not written.
EXACT = [{"keys": ["exact:*"], "writes": "no"}]


class Client(threading.Thread):
    """Sends pipelines until it is told to end, and judges what comes back. Its keys are its own."""

    def __init__(self, weir, index, seed, ending, tenant, exact, lasting):
        super().__init__(daemon=True)
        self.weir, self.index, self.ending, self.tenant = weir, index, ending, tenant
        self.exact = exact      # memory may not write its keys
        self.lasting = lasting  # nothing that was acknowledged is dropped
        self.rng = random.Random(f"{seed}:{index}")
        self.faults, self.turn = [], 0
        self.kinds = collections.Counter()
        self.given = collections.defaultdict(set)  # key: every value it may have ever had
        self.certain = {}                          # key: the last acknowledged value, and what may have come after it
        self.acknowledged, self.unknown = collections.Counter(), collections.Counter()
        self.closed = 0

    def run(self):
        try:
            while not self.ending.is_set():
                try:
                    with self.weir.client(self.tenant, 2 + self.index % 2) as client:
                        while not self.ending.is_set():
                            self.pipeline(client)
                except (resp.ConnectionClosed, ConnectionError):
                    self.closed += 1  # which is an answer, too, to what was under way
        except Exception as fault:
            self.faults.append(f"client {self.index}: {fault!r}")

    def pipeline(self, client):
        requests = [self.request() for _ in range(self.rng.choice((1, 1, 3, 10, 30, 100)))]
        for what, key, value in requests:
            self.note_sending(what, key, value)
        answered = 0
        try:
            client.send_raw(b"".join(resp.encode(*self.words(*request)) for request in requests))
            for what, key, value in requests:
                self.judge(what, key, value, client.read())
                answered += 1
        finally:
            for what, key, value in requests[answered:]:
                self.lost(what, key, value)

    def request(self):
        self.turn += 1
        token = b"%s-%d-%d" % (self.tenant.encode(), self.index, self.turn)
        roll, where = self.rng.random(), b"exact" if self.exact else b"free"
        if roll < 0.2:
            return "ECHO", None, token
        if roll < 0.25:
            return "TX", b"%s:tx:%d" % (where, self.index), token
        number = self.rng.randrange(4)
        if roll < 0.55:
            return "INCR", b"%s:n:%d:%d" % (where, self.index, number), None
        key = b"%s:v:%d:%d" % (where, self.index, number)
        if roll < 0.75:
            return "SET", key, key + b"=" + token + b"." * self.rng.choice((0, 10, 3000))
        return "GET", key, None

    @staticmethod
    def words(what, key, value):
        if what == "TX":
            return "MGET", key, value  # two keys: the second never exists
        return [word for word in (what, key, value) if word is not None]

    def note_sending(self, what, key, value):
        if what == "SET":
            self.given[key].add(value)

    def judge(self, what, key, value, reply):
        kind = outages.kind(reply)
        self.kinds[kind] += 1
        if isinstance(reply, resp.Error):
            if not reply.startswith((b"UPSTREAM ", b"FALLBACK ", b"LOADING ")):
                self.faults.append((what, key, reply))
            elif UNKNOWN in reply:
                self.lost(what, key, value)
            return
        if what == "ECHO":
            right = reply == value
        elif what == "TX":
            right = reply == [None, None]
        elif what == "INCR":
            right = isinstance(reply, int) and reply > 0
            self.acknowledged[key] += 1
        elif what == "SET":
            right = reply == b"OK"
            self.certain[key] = (value, set())
        else:
            right = reply is None or reply in self.possible(key)
        if not right:
            self.faults.append((what, key, value, reply))

    def possible(self, key):
        """What a read may show: nothing older than the last write that was acknowledged, but where such are dropped."""
        if not self.lasting:
            return self.given[key]
        value, perhaps = self.certain.get(key, (None, set()))
        return {value} | perhaps

    def lost(self, what, key, value):
        """It may have been done, or not."""
        if what == "INCR":
            self.unknown[key] += 1
        elif what == "SET":
            self.certain.setdefault(key, (None, set()))[1].add(value)


class KillTest(outages.OutageTest):
    redis_settings = {"appendonly": "yes", "appendfsync": "always", "auto_aof_rewrite_percentage": 0}

    def under_fire(self, kills, clients=5, exact=True, lasting=True, **fallback):
        seed = os.environ.get("WEIR_DIFF_SEED", str(time.time_ns()))
        rng, ending = random.Random(seed), threading.Event()
        rules = {"fallback": EXACT} if exact else {}
        weir = self.start(BREAKER, {"order": ["memory"], **fallback}, workers=2, tenants={"a": rules, "b": rules},
                          upstream={"command_timeout": "5s"})
        servers.wait_until(lambda: terms.sample(weir, "weir_upstream_up") == 1, what="Redis")
        crowd = [Client(weir, index, seed, ending, "ab"[index % 2], exact, lasting) for index in range(clients)]
        for client in crowd:
            client.start()
        began = time.monotonic()
        try:
            for _ in range(kills):
                self.let_some_pass(crowd, rng.choice((0, 20, 200, 600)))
                self.redis.kill()
                self.let_some_pass(crowd, rng.choice((0, 0, 20, 300)))
                self.restart()
                if rng.random() < 0.7:
                    outages.wait_for_state(weir, "closed")
            outages.wait_for_state(weir, "closed")
            self.let_some_pass(crowd, 500)
        finally:
            ending.set()
            for client in crowd:
                client.join(30)
        took = time.monotonic() - began
        outages.wait_for_state(weir, "closed")
        kinds = sum((client.kinds for client in crowd), collections.Counter())
        print(f"seed {seed}: {kills} kills in {took:.1f} s, {clients} clients; opened {outages.transitions(weir, 'open'):.0f} times, "
              f"saw {dict(sorted(kinds.items()))}, connections closed {sum(client.closed for client in crowd)}, "
              f"answers without Redis {outages.answers(weir, 'a')} and {outages.answers(weir, 'b')}")
        self.assertEqual([fault for client in crowd for fault in client.faults][:5], [])
        return weir, crowd

    @staticmethod
    def let_some_pass(crowd, count):
        """Until they have had so many more replies, all in all."""
        wanted = sum(client.kinds.total() for client in crowd) + count
        servers.wait_until(lambda: sum(client.kinds.total() for client in crowd) >= wanted or any(client.faults for client in crowd),
                           what="replies")

    def check_counters(self, crowd):
        """What was acknowledged is there, and at most what may have been done besides."""
        with self.redis.client() as direct:
            for client in crowd:
                prefix = b"tenant:%s:" % client.tenant.encode()
                for key in set(client.acknowledged) | set(client.unknown):
                    value = int(direct.call("GET", prefix + key) or 0)
                    least, most = client.acknowledged[key], client.acknowledged[key] + client.unknown[key]
                    self.assertTrue(least <= value <= most, f"{key}: {value}, acknowledged {least}, unknown {client.unknown[key]}")

    def check_values(self, crowd):
        """The last one that was acknowledged, or one whose outcome nobody knew."""
        with self.redis.client() as direct:
            for client in crowd:
                prefix = b"tenant:%s:" % client.tenant.encode()
                for key, (value, perhaps) in client.certain.items():
                    self.assertIn(direct.call("GET", prefix + key), {value} | perhaps, key)

    def test_every_reply_is_its_own_and_what_redis_acknowledged_is_kept(self):
        """With copies of what was read and written, so that outages are answered by values."""
        _, crowd = self.under_fire(KILLS, exact=True, remember={"what": "both"})
        self.check_counters(crowd)
        self.check_values(crowd)

    def test_and_all_that_was_acknowledged_when_it_is_replayed(self):
        """By Redis or by memory: each INCR counts once, the last SET holds."""
        weir, crowd = self.under_fire(max(KILLS // 2, 1), exact=False, memory={"replay": True}, remember={"what": "both"})
        self.assertGreater(terms.sample(weir, "weir_fallback_replayed_total"), 0)
        self.assertEqual(terms.sample(weir, "weir_fallback_replay_refused_total"), 0)
        self.check_counters(crowd)
        self.check_values(crowd)

    def test_and_when_it_is_dropped(self):
        """Nothing that memory alone acknowledged is left; replies are right all the same."""
        self.under_fire(max(KILLS // 4, 1), exact=False, lasting=False)

    def test_without_a_fallback(self):
        weir, crowd = self.under_fire(max(KILLS // 4, 1), exact=False, order=[])
        self.check_counters(crowd)
        self.check_values(crowd)
        self.assertEqual(outages.answers(weir)[:2], (0, 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
