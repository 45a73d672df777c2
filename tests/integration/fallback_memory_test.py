"""What memory knows of Redis when it goes away, and what Redis learns of it when it comes back: copies of what tenants read and
wrote, and writes that were accepted meanwhile, which are dropped or replayed.
"""
import signal
import threading
import time
import unittest

import fallback_commands
import outages
import relay
import resp
import servers
import terms


def memory(what=None, replay=None, max_journal=None, **remember):
    """A fallback section."""
    found = {"order": ["memory"]}
    if what:
        found["remember"] = {"what": what, **remember}
    if replay is not None:
        found["memory"] = {"replay": replay, **({"max_journal": max_journal} if max_journal else {})}
    return found


class RememberTest(outages.OutageTest):
    """The store is asked with Redis forced away; `seen` waits until copies that are under way have arrived."""

    def started(self, *args, names=("a", "b"), **remember):
        weir = self.start(outages.BY_HAND, memory(*args, **remember), names, workers=2)
        return weir, self.client(weir)

    def copies(self, weir):
        return terms.sample(weir, "weir_fallback_copies_total")

    def seen(self, weir, count):
        servers.wait_until(lambda: self.copies(weir) >= count, what=f"{count} copies")

    def settle(self, weir):
        """What was observed has been taken: copies that came later are there, on every worker in all likelihood."""
        clients = [weir.client("b") for _ in range(6)]
        before = self.copies(weir)
        for index, client in enumerate(clients):
            client.pipeline([("SET", f"settle{index}", "v"), ("GET", f"settle{index}")])
            client.close()
        servers.wait_until(lambda: self.copies(weir) >= before + len(clients), what="the last copies")

    TAUGHT = [("SET", "s", "v"), ("SETEX", "e", "1000", "v"), ("PSETEX", "p", "100000", "v"), ("SETNX", "n", "v"),
              ("MSET", "m1", "1", "m2", "2"), ("MSETNX", "m3", "3", "m4", "4"), ("SET", "g", "old")]

    def test_what_was_written(self):
        for what in ("writes", "both"):
            for protocol in (2, 3):
                with self.subTest(what=what, protocol=protocol):
                    weir, _ = self.started(what)
                    client = self.client(weir, protocol=protocol)
                    with self.redis.client() as direct:
                        direct.call("FLUSHALL")
                    client.pipeline(self.TAUGHT)
                    client.call("GETSET", "g", "v")  # apart: what overlaps another write of its key teaches nothing
                    self.seen(weir, 9)
                    self.settle(weir)
                    self.begin(weir)
                    self.assertEqual(client.pipeline([("MGET", "s", "e", "p", "n", "m1", "m2", "m3", "m4", "g"), ("DBSIZE",)]),
                                     [[b"v", b"v", b"v", b"v", b"1", b"2", b"3", b"4", b"v"], 9])
                    times = client.pipeline([("PTTL", key) for key in ("e", "p", "s")])
                    self.assertTrue(970_000 < times[0] <= 1_000_000 and 70_000 < times[1] <= 100_000 and times[2] == -1, times)

    def test_what_was_read(self):
        with self.redis.client() as direct:
            direct.pipeline([("SET", "tenant:a:s", "v"), ("MSET", "tenant:a:m1", "1", "tenant:a:m2", "2"), ("RPUSH", "tenant:a:l", "x", "y", "z"),
                             ("HSET", "tenant:a:h", "f", "1", "g", "2"), ("SADD", "tenant:a:t", "p", "q"), ("ZADD", "tenant:a:z", "1.5", "m", "2", "n"),
                             ("SET", "tenant:a:unread", "v")])
        reads = [("GET", "s"), ("MGET", "m1", "m2", "missing"), ("LRANGE", "l", 0, -1), ("HGETALL", "h"), ("SMEMBERS", "t"),
                 ("ZRANGE", "z", 0, -1, "WITHSCORES")]
        for what in ("reads", "both"):
            for protocol in (2, 3):
                with self.subTest(what=what, protocol=protocol):
                    weir, _ = self.started(what)
                    client = self.client(weir, protocol=protocol)
                    before = [sorted(map(repr, reply)) if isinstance(reply, list) else reply for reply in client.pipeline(reads)]
                    self.seen(weir, 7)
                    self.settle(weir) if what == "both" else None
                    self.begin(weir)
                    after = [sorted(map(repr, reply)) if isinstance(reply, list) else reply for reply in client.pipeline(reads)]
                    self.assertEqual(after, before)
                    self.assertIsNone(client.call("GET", "unread"))
                    self.assertEqual(client.pipeline([("LLEN", "l"), ("HGET", "h", "g"), ("ZSCORE", "z", "m"), ("SISMEMBER", "t", "q")])[:2],
                                     [3, b"2"])

    def test_nothing_but_what_was_asked_for(self):
        for what, wanted in (("reads", [b"of-redis", None]), ("writes", [None, b"written"]), (None, [None, None])):
            with self.subTest(what):
                weir, client = self.started(what)
                with self.redis.client() as direct:
                    direct.call("SET", "tenant:a:r", "of-redis")
                client.pipeline([("GET", "r"), ("SET", "w", "written")])
                if what:
                    self.seen(weir, 1)
                self.begin(weir)
                self.assertEqual(client.call("MGET", "r", "w"), wanted)

    def test_of_each_tenant_and_database_its_own(self):
        weir, client = self.started("both")
        other = self.client(weir, "b")
        client.pipeline([("SET", "k", "a0"), ("SELECT", 3), ("SET", "k", "a3"), ("SELECT", 0)])
        other.pipeline([("SET", "k", "b0")])
        self.seen(weir, 3)
        self.settle(weir)
        self.begin(weir)
        self.assertEqual(client.pipeline([("GET", "k"), ("SELECT", 3), ("GET", "k"), ("SELECT", 1), ("GET", "k")])[::2], [b"a0", b"a3", None])
        self.assertEqual(other.call("GET", "k"), b"b0")

    # Each leaves k other than it was remembered, by a way that teaches nothing.
    CHANGES = [[("DEL", "k")], [("UNLINK", "k")], [("APPEND", "k", "x")], [("INCR", "k")], [("INCRBY", "k", 5)], [("SETRANGE", "k", 0, "9")],
               [("GETDEL", "k")], [("RENAME", "k", "elsewhere")], [("SET", "other", "2"), ("RENAME", "other", "k")], [("COPY", "other", "k", "REPLACE")],
               [("EVAL", "return redis.call('SET', KEYS[1], 'script')", 1, "k")], [("MULTI",), ("SET", "k", "transaction"), ("EXEC",)],
               [("MULTI",), ("INCR", "k"), ("EXEC",)], [("MULTI",), ("DEL", "k"), ("EXEC",)],
               [("WATCH", "x"), ("MULTI",), ("SET", "k", "watched"), ("EXEC",)], [("WATCH", "x"), ("SET", "k", "held"), ("UNWATCH",)],
               [("FLUSHDB",)], [("FLUSHALL",)], [("SETBIT", "k", 1, 1)], [("BITOP", "NOT", "k", "k")], [("EXPIRE", "k", -1)], [("PEXPIREAT", "k", 1)],
               [("SET", "k", "new", "XX")], [("SET", "k", "new", "GET")], [("SET", "k", "new", "KEEPTTL")], [("SET", "k", b"x" * 100_000)],
               [("SET", "k", b"x" * 70_000)], [("MSET", "k", b"x" * 200_000, "l", "2")], [("DECRBY", "k", 2)], [("INCRBYFLOAT", "k", "0.5")],
               [("SORT", "nums", "STORE", "k")], [("SINTERSTORE", "k", "nosuch")], [("EVAL", "redis.call('DEL', KEYS[1])", 1, "k")],
               [("EVAL", "return redis.call('SET', 'k', 'made up')", 0)], [("MULTI",), ("EVAL", "return redis.call('SET', 'k', 'made up')", 0), ("EXEC",)],
               [("MOVE", "k", 3)], [("BLPOP", "l", "0.01"), ("DEL", "k")], [("PFMERGE", "k")], [("GETEX", "k", "EX", "100")], [("EXPIRE", "k", "100")],
               [("CLIENT", "REPLY", "SKIP"), ("SET", "k", "silent")], [("CLIENT", "REPLY", "OFF"), ("INCR", "k"), ("CLIENT", "REPLY", "ON")]]

    def test_what_is_queued_and_not_done_changes_nothing(self):
        weir, client = self.started("both")
        client.pipeline([("SET", "k", "v"), ("GET", "k")])
        self.seen(weir, 2)
        self.begin(weir)
        for queued in (("COPY", "k", "l", "DB", 3), ("MOVE", "k", 3), ("SELECT", 3), ("EVAL", "return 1", 0)):
            client.pipeline([("MULTI",), queued, ("DISCARD",)])
            self.assertEqual(client.call("GET", "k"), b"v", queued)

    def test_replies_are_what_they_are_without_it(self):
        """Among them those that speak of a script by name: the client's, not the server's."""
        plain, remembering = self.client(self.start(None, None)), self.started("both")[1]
        for commands in ([("SET", "k", "v")], [("EVAL", "return redis.call('INCR', KEYS[1])", 1, "k")], [("EVAL", "return {KEYS[1], 1, 'x'}", 1, "k")],
                         [("EVAL", "return redis.error_reply('MINE tenant:a:k')", 0)], [("EVALSHA", "0" * 40, 0)], [("EVAL", "x(", 0)],
                         [("MULTI",), ("EVAL", "return redis.call('INCR', KEYS[1])", 1, "k"), ("EXEC",)],
                         [("COPY", "k", "l", "DB", 3)], [("COPY", "k", "l", "DB", "x")], [("MOVE", "k", 3)], [("MOVE", "k", "x")]):
            replies = []
            for one in (plain, remembering):
                one.call("FLUSHALL")
                one.call("SET", "k", "v")
                replies.append([one.call_raw(*command) for command in commands])
            self.assertEqual(*replies, commands)

    def test_forgotten_when_it_changes(self):
        """What is answered in the outage is what Redis has, or nothing: never what it was before."""
        weir, client = self.started("both")
        direct = self.direct()
        for changes in self.CHANGES:
            with self.subTest(changes[:3]):
                direct.call("FLUSHALL")
                client.pipeline([("FLUSHALL",), ("SET", "k", "1"), ("GET", "k"), ("SET", "other", "7")])
                self.settle(weir)
                for change in changes:
                    client.send(*change)
                marker = f"marker-{time.monotonic_ns()}"
                client.send("ECHO", marker)
                replies = []
                while not replies or replies[-1] != marker.encode():
                    replies.append(client.read())
                self.settle(weir)
                now, left = direct.call("GET", "tenant:a:k"), direct.call("PTTL", "tenant:a:k")
                self.begin(weir)
                remembered, remembered_left = client.pipeline([("GET", "k"), ("PTTL", "k")])
                self.assertIn(outages.kind(remembered) if isinstance(now, resp.Error) else remembered, ("WRONGTYPE", "ok", now, None),
                              f"Redis has {now!r:.100}, after {replies!r:.300}")
                if remembered is not None and not isinstance(remembered, resp.Error):
                    if isinstance(remembered_left, resp.Error):
                        self.assertIn(b"the key's expiry is not known", remembered_left)
                    else:
                        self.assertLess(abs(remembered_left - left), 3000, "another time to live")
                self.end(weir)

    def test_forgotten_when_somebody_else_changes_it_through_weir(self):
        weir, client = self.started("both")
        others = [self.client(weir, protocol=2 + index % 2) for index in range(4)]
        for turn in range(30):
            client.pipeline([("SET", "k", f"old{turn}"), ("GET", "k")])
            others[turn % 4].call("APPEND" if turn % 2 else "SET", "k", f"new{turn}")
            self.settle(weir)
            with self.redis.client() as direct:
                now = direct.call("GET", "tenant:a:k")
            self.begin(weir)
            self.assertIn(client.call("GET", "k"), (now, None))
            self.end(weir)

    def test_a_read_while_a_write_is_under_way(self):
        """The write is sent first, behind much else; the read is on another connection, and Redis comes to it first: what it
        showed is not what there is when the write has been answered."""
        weir, writer = self.started("both", rate="100000/1s")
        reader, side = self.client(weir, protocol=3), self.client(weir)
        before = [("SETEX", "p", 100, "x" * 2000)] * 60  # more than Redis reads at a time
        for command, now in ((("DEL", "k"), None), (("APPEND", "k", "+"), b"old+"), (("SET", "k", "new"), b"new"),
                             (("EVAL", "return redis.call('DEL', KEYS[1])", 1, "k"), None)):
            shown = []
            while shown.count(b"old") < 2:
                self.assertLess(len(shown), 20, f"too slow for this test: {shown}")
                writer.call("SET", "k", "old")
                reader.call("GET", "k")
                self.asleep(0.15)
                writer.send_raw(b"".join(resp.encode(*one) for one in (*before, command)))
                side.pipeline([("WEIR", "STATUS")] * 2)  # the worker has read what came before
                shown.append(reader.call("GET", "k"))
                for _ in range(len(before) + 1):
                    self.assertNotIsInstance(writer.read(), resp.Error)
                self.settle(weir)
                self.begin(weir)
                self.assertIn(writer.call("GET", "k"), (now, None), command)
                self.end(weir)

    def test_reads_and_writes_of_many_at_once(self):
        """A read that was answered before a write, and is told of behind it, does not bring the old value back."""
        weir = self.start(outages.BY_HAND, memory("both"), workers=2)
        ending, faults = threading.Event(), []

        def run(index):
            with weir.client("a", 2 + index % 2) as client:
                turn = 0
                while not ending.is_set():
                    turn += 1
                    commands = [("GET", f"k{turn % 5}"), ("SET", f"k{turn % 5}", f"{index}:{turn}"), ("GET", f"k{turn % 5}"), ("APPEND", f"k{turn % 3}", "+")]
                    faults.extend(reply for reply in client.pipeline(commands[:1 + turn % 4]) if isinstance(reply, resp.Error))
        for _ in range(6):
            threads = [threading.Thread(target=run, args=(index,)) for index in range(6)]
            for thread in threads:
                thread.start()
            with weir.client() as client:
                began = self.copies(weir)
                servers.wait_until(lambda: self.copies(weir) > began + 300, what="many copies")
                ending.set()
                for thread in threads:
                    thread.join()
                ending.clear()
                self.settle(weir)
                with self.redis.client() as direct:
                    now = direct.call("MGET", *[f"tenant:a:k{i}" for i in range(5)])
                self.begin(weir)
                for remembered, real in zip(client.call("MGET", *[f"k{i}" for i in range(5)]), now):
                    self.assertIn(remembered, (real, None))
                self.end(weir)
        self.assertEqual(faults, [])

    def test_a_copy_ages(self):
        weir, client = self.started("both", max_age="2s")
        client.pipeline([("SET", "old", "v")])
        self.seen(weir, 1)
        ending = time.monotonic() + 2.1
        servers.wait_until(lambda: time.monotonic() > ending, what="its end")
        client.call("SET", "young", "v")
        self.seen(weir, 2)
        self.begin(weir)
        self.assertEqual(client.call("MGET", "old", "young"), [None, b"v"])
        servers.wait_until(lambda: client.call("EXISTS", "young") == 0, what="the other's end")
        client.call("SET", "own", "v")
        ending = time.monotonic() + 2.1
        servers.wait_until(lambda: time.monotonic() > ending, what="longer than a copy lives")
        self.assertEqual(client.call("GET", "own"), b"v")  # a write of the outage itself is no copy

    def test_a_copy_expires_with_its_key(self):
        weir, client = self.started("both")
        client.call("SET", "k", "v", "PX", "300")
        self.seen(weir, 1)
        self.begin(weir)
        self.assertIn(client.call("GET", "k"), (b"v", None))
        servers.wait_until(lambda: client.call("EXISTS", "k") == 0, deadline=10, what="its end")

    def test_a_value_that_was_read_and_expires(self):
        """A reply to GET does not say when: a copy without its end must not outlive max_age; nor one whose end was told."""
        weir, client = self.started("reads", max_age="1s")
        with self.redis.client() as direct:
            direct.call("SET", "tenant:a:k", "v", "PX", "20000")
        self.assertEqual(client.call("GET", "k"), b"v")
        self.begin(weir)
        servers.wait_until(lambda: client.call("EXISTS", "k") == 0, deadline=10, what="its end")

    def test_no_more_than_max_value(self):
        weir, client = self.started("both", max_value="1000B")
        client.pipeline([("SET", "small", "v" * 600), ("SET", "large", "v" * 1100), ("RPUSH", "l", *["x" * 100] * 20), ("LRANGE", "l", 0, -1),
                         ("SET", "grows", "v"), ("GET", "grows"), ("SET", "grows", "v" * 5000), ("GET", "grows"), ("GET", "large"), ("SET", "last", "v")])
        self.settle(weir)
        self.begin(weir)
        self.assertEqual(client.call("MGET", "small", "large", "grows", "last"), [b"v" * 600, None, None, b"v"])
        self.assertEqual(client.call("EXISTS", "l"), 0)

    def test_patterns(self):
        weir, client = self.started("both", keys=["session:*", "c?rt"])
        client.pipeline([("MSET", "session:1", "v", "cart", "v", "other", "v", "tenant:a:session:1", "v"), ("SET", "session:2", "v"),
                         ("SET", "xsession:1", "v"), ("GET", "other")])
        self.seen(weir, 3)
        self.begin(weir)
        self.assertEqual(client.call("MGET", "session:1", "session:2", "cart", "other", "xsession:1", "tenant:a:session:1"),
                         [b"v", b"v", b"v", None, None, None])

    def test_no_more_than_rate(self):
        """What is beyond is not remembered, and what was, is forgotten when it changes."""
        weir, client = self.started("both", rate="50/1h")
        client.pipeline([("SET", f"k{i}", "old") for i in range(200)])
        client.pipeline([("SET", f"k{i}", "new") for i in range(200)])
        ending = time.monotonic() + 0.3
        servers.wait_until(lambda: time.monotonic() > ending)
        self.begin(weir)
        found = client.call("MGET", *[f"k{i}" for i in range(200)])
        self.assertNotIn(b"old", found)
        self.assertLessEqual(self.copies(weir), 60)
        self.assertLessEqual(200 - found.count(None), 60)

    def test_commands_that_failed_teach_nothing(self):
        weir, client = self.started("both")
        client.pipeline([("SET", "k", "1"), ("RPUSH", "l", "x"), ("SET", "k", "2", "NX"), ("SETNX", "k", "3"), ("MSETNX", "k", "4", "x", "4"),
                         ("SET", "k", "5", "EX", "0"), ("GETSET", "l", "v"), ("GET", "l"), ("SET", "missing", "6", "XX"), ("SET", "k", "7", "NOSUCH")])
        self.settle(weir)
        self.begin(weir)
        self.assertIn(client.call("GET", "k"), (b"1", None))
        self.assertEqual(client.call("EXISTS", "x", "missing"), 0)

    def test_is_there_when_redis_dies(self):
        weir = self.start(outages.QUICK, memory("both"))
        client = self.client(weir)
        for i in range(500):  # not at once: rate goes by the moment
            client.call("SET", f"k{i}", f"v{i}")
        self.redis.kill()
        servers.wait_until(lambda: not isinstance(client.call("GET", "k0"), resp.Error) and outages.state(weir) == "open", what="the fallback")
        self.assertEqual(client.pipeline([("GET", f"k{i}") for i in range(500)]), [b"v%d" % i for i in range(500)])

    def test_what_came_from_redis_before_is_not_what_it_has_after(self):
        """Copies do not outlive an outage that changed things: others may have written meanwhile."""
        weir, client = self.started("both")
        client.call("SET", "k", "before")
        self.seen(weir, 1)
        self.begin(weir)
        client.call("SET", "k", "meanwhile")
        with self.redis.client() as direct:
            direct.call("SET", "tenant:a:k", "by another")
        self.end(weir)
        self.assertEqual(client.call("GET", "k"), b"by another")
        self.settle(weir)
        self.begin(weir)
        self.assertIn(client.call("GET", "k"), (b"by another", None))

    def test_metrics_return_to_where_they_were(self):
        weir, client = self.started("both")
        for i in range(300):
            client.call("SET", f"k{i}", "v" * 100)
        self.seen(weir, 300)
        self.assertGreaterEqual(terms.sample(weir, "weir_fallback_keys"), 300)
        self.assertGreater(terms.sample(weir, "weir_fallback_bytes"), 300 * 100)
        client.call("FLUSHDB")
        servers.wait_until(lambda: terms.sample(weir, "weir_fallback_keys") == 0, what="an empty store")


class DropTest(outages.OutageTest):
    """replay: no, which is the default."""

    def test_writes_are_dropped_counted_and_logged(self):
        weir = self.start(outages.BY_HAND, memory())
        client, other = self.client(weir), self.client(weir, "b")
        client.pipeline([("SET", "k", "before"), ("RPUSH", "l", "x")])
        self.begin(weir)
        self.assertEqual(client.pipeline([("SET", "k", "meanwhile-secret"), ("SET", "n", "1"), ("DEL", "l"), ("GET", "missing")])[:3], [b"OK", b"OK", 0])
        other.call("SET", "k", "of b")
        self.end(weir)
        line = weir.wait_for(r"fallback dropped.*keys=(\d+)")
        self.assertIn(int(line[1]), (3, 4))
        self.assertNotIn("meanwhile-secret", weir.log())
        self.assertEqual(client.pipeline([("GET", "k"), ("GET", "n"), ("LLEN", "l")]), [b"before", None, 1])
        self.assertIsNone(other.call("GET", "k"))
        self.assertEqual(terms.sample(weir, "weir_fallback_dropped_total"), int(line[1]))
        self.assertEqual(terms.sample(weir, "weir_fallback_replayed_total"), 0)
        self.begin(weir)
        self.assertEqual(client.pipeline([("GET", "n"), ("EXISTS", "k")])[0], None)

    def test_again_and_again(self):
        """Each outage begins with nothing of the one before."""
        weir = self.start(outages.QUICK, memory())
        client = self.client(weir)
        for turn in range(8):
            servers.wait_until(lambda: client.call("SET", "k", turn) == b"OK" and outages.state(weir) == "closed", what="Redis")
            self.redis.kill()
            servers.wait_until(lambda: not isinstance(client.call("GET", "k"), resp.Error) and outages.state(weir) == "open", what="the fallback")
            self.assertEqual(client.pipeline([("GET", f"own{turn - 1}"), ("SET", f"own{turn}", "v"), ("GET", f"own{turn}")]), [None, b"OK", b"v"])
            self.restart()
            outages.wait_for_state(weir, "closed")
            self.assertIsNone(client.call("GET", f"own{turn}"))

    def test_reads_alone_drop_nothing(self):
        weir = self.start(outages.BY_HAND, memory())
        client = self.client(weir)
        self.begin(weir)
        client.pipeline([("GET", "k"), ("DEL", "k"), ("EXPIRE", "k", "10"), ("LPOP", "l"), ("XADD", "x", "*", "f", "v")])
        self.end(weir)
        self.assertEqual(client.call("GET", "k"), None)
        self.assertEqual(terms.sample(weir, "weir_fallback_dropped_total"), 0)


class ReplayTest(outages.OutageTest):
    """replay: yes. Redis is dead meanwhile, or merely said to be; what another client sees of it afterwards is compared."""

    redis_settings = {"appendonly": "yes", "appendfsync": "always"}
    NAME = b"tenant:a:"

    def started(self, breaker=outages.BY_HAND, what="both", **more):
        weir = self.start(breaker, {**memory(what), "memory": {"replay": True, **more}}, workers=2)
        return weir, self.client(weir)

    def test_operations_and_not_values(self):
        """What others wrote meanwhile stays, and what was accepted comes on top of it."""
        weir, client = self.started()
        client.pipeline([("SET", "n", 10), ("RPUSH", "l", "first"), ("SADD", "t", "x", "y", "z"), ("HSET", "h", "f", "1"), ("SMEMBERS", "t"),
                         ("LRANGE", "l", 0, -1), ("HGETALL", "h"), ("GET", "n"), ("ZADD", "z", 1, "m"), ("ZRANGE", "z", 0, -1, "WITHSCORES")])
        servers.wait_until(lambda: terms.sample(weir, "weir_fallback_copies_total") >= 5, what="copies")
        self.begin(weir)
        with self.redis.client() as direct:
            direct.pipeline([("INCRBY", self.NAME + b"n", 100), ("RPUSH", self.NAME + b"l", "others"), ("HSET", self.NAME + b"h", "g", "2")])
        told = client.pipeline([("INCR", "n"), ("INCRBY", "n", 5), ("LPUSH", "l", "a", "b"), ("RPUSH", "l", "c"), ("HSET", "h", "f", "9"), ("SADD", "t", "w"),
                                ("ZINCRBY", "z", 2, "m"), ("APPEND", "s", "one"), ("APPEND", "s", "two"), ("SET", "k", "v"), ("DEL", "missing")])
        self.assertNotIn(True, [isinstance(reply, resp.Error) for reply in told], told)
        self.end(weir)
        weir.wait_for(r"fallback replayed.*operations=\d+")
        with self.redis.client() as direct:
            self.assertEqual(direct.pipeline([("GET", self.NAME + b"n"), ("LRANGE", self.NAME + b"l", 0, -1), ("HGET", self.NAME + b"h", "f"),
                                              ("HGET", self.NAME + b"h", "g"), ("ZSCORE", self.NAME + b"z", "m"), ("GET", self.NAME + b"s"),
                                              ("GET", self.NAME + b"k")]),
                             [b"116", [b"b", b"a", b"first", b"others", b"c"], b"9", b"2", b"3", b"onetwo", b"v"])
        self.assertGreaterEqual(terms.sample(weir, "weir_fallback_replayed_total"), 10)
        self.assertEqual(terms.sample(weir, "weir_fallback_dropped_total"), 0)
        self.assertEqual(terms.sample(weir, "weir_fallback_journal_operations"), 0)
        self.assertEqual(terms.sample(weir, "weir_fallback_journal_bytes"), 0)
        self.assertEqual(outages.status(client)[b"journal"], 0)

    def test_what_was_picked_at_random_is_what_is_gone(self):
        weir, client = self.started()
        members = [f"m{i}" for i in range(50)]
        client.call("SADD", "t", *members)
        client.call("SMEMBERS", "t")
        servers.wait_until(lambda: terms.sample(weir, "weir_fallback_copies_total") >= 1, what="the copy")
        self.begin(weir)
        gone = {client.call("SPOP", "t") for _ in range(5)} | set(client.call("SPOP", "t", 10))
        self.assertEqual(len(gone), 15)
        self.end(weir)
        with self.redis.client() as direct:
            self.assertEqual(set(direct.call("SMEMBERS", self.NAME + b"t")), {member.encode() for member in members} - gone)

    def test_a_batch_that_comes_behind_the_next_connection_is_not_done(self):
        """It was on its way when weir gave up waiting for it: nobody can take it back, and it must not be done twice."""
        for before in (0, 150):  # in the connection's first batch, and in its second
            with self.subTest(before=before):
                between = relay.Relay(self.redis)
                weir = self.start(outages.BY_HAND, memory(replay=True), upstream={"url": between.url, "command_timeout": "1s"})
                client = self.client(weir)
                self.begin(weir)
                client.pipeline([*[("RPUSH", f"l{before}", "x")] * before, ("RPUSH", f"l{before}", "only-once")])
                between.cut_at(b"only-once", times=0)
                between.hold(b"only-once", until=b"PEXPIRE", behind=True)
                self.end(weir)
                self.assertEqual(between.seen(b"only-once"), 2)
                self.assertEqual(self.direct().call("LRANGE", self.NAME + f"l{before}".encode(), 0, -1), [b"x"] * before + [b"only-once"])
                weir.stop()
                between.close()

    def test_times_to_live_are_those_of_then(self):
        """As points in time: how long the outage took does not make them longer."""
        weir, client = self.started()
        client.call("SET", "k", "v")
        servers.wait_until(lambda: terms.sample(weir, "weir_fallback_copies_total") >= 1, what="the copy")
        self.begin(weir)
        client.pipeline([("EXPIRE", "k", 100), ("SET", "e", "v", "PX", "100000"), ("SETEX", "s", 100, "v"), ("SET", "gone", "v", "PX", "80"),
                         ("SET", "kept", "v", "EX", 100), ("PERSIST", "kept"), ("GETEX", "k", "EX", "90")])
        wanted = client.pipeline([("PEXPIRETIME", key) for key in ("k", "e", "s", "kept")])
        servers.wait_until(lambda: client.call("EXISTS", "gone") == 0, what="its end")
        ending = time.monotonic() + 0.5
        servers.wait_until(lambda: time.monotonic() > ending)
        self.end(weir)
        with self.redis.client() as direct:
            self.assertEqual(direct.pipeline([("PEXPIRETIME", self.NAME + key) for key in (b"k", b"e", b"s", b"kept")]), wanted)
            self.assertEqual(direct.call("EXISTS", self.NAME + b"gone"), 0)

    def test_all_kinds_of_writes(self):
        """A memory that knows all that Redis has, and a Redis that nobody else writes: in the end they have the same."""

        weir, client = self.started()
        self.begin(weir)
        with self.folder.redis("reference").client() as reference:
            for command in fallback_commands.script():
                if command[0] in (b"FLUSHDB", b"RANDOMKEY", b"SPOP"):
                    continue
                for one in (client, reference):
                    one.send(*command)
                for one in (client, reference):
                    one.read_raw()
            for one in (client, reference):
                one.pipeline([("MULTI",), ("INCR", "tx"), ("RPUSH", "txl", "1"), ("EXEC",)])
            self.end(weir)
            with self.redis.client() as direct:
                for key in sorted(reference.call("KEYS", "*")):
                    with self.subTest(key):
                        self.assertEqual(direct.call("DEBUG", "DIGEST-VALUE", self.NAME + key), reference.call("DEBUG", "DIGEST-VALUE", key))
                self.assertEqual(len(direct.call("KEYS", "tenant:a:*")), reference.call("DBSIZE"))

    def test_in_other_databases_and_of_other_tenants(self):
        weir, client = self.started()
        other = self.client(weir, "b", 3)
        self.begin(weir)
        client.pipeline([("SET", "k", "a0"), ("SELECT", 5), ("SET", "k", "a5"), ("MULTI",), ("INCR", "n"), ("INCR", "n"), ("EXEC",)])
        other.pipeline([("SET", "k", "b0"), ("SELECT", 2), ("HSET", "h", "f", "b2")])
        self.end(weir)
        with self.redis.client() as direct:
            self.assertEqual(direct.pipeline([("MGET", "tenant:a:k", "tenant:b:k"), ("SELECT", 5), ("MGET", "tenant:a:k", "tenant:a:n"), ("SELECT", 2),
                                              ("HGET", "tenant:b:h", "f")])[::2], [[b"a0", b"b0"], [b"a5", b"2"], b"b2"])

    def test_flushdb(self):
        weir, client = self.started()
        other = self.client(weir, "b")
        client.pipeline([("SET", "k", "v"), ("SET", "l", "v")])
        other.call("SET", "k", "v")
        self.begin(weir)
        client.pipeline([("SET", "before", "v"), ("FLUSHDB",), ("SET", "after", "v")])
        self.end(weir)
        with self.redis.client() as direct:
            found = set(direct.call("KEYS", "tenant:*"))
        self.assertIn(b"tenant:b:k", found)
        self.assertIn(b"tenant:a:after", found)
        self.assertNotIn(b"tenant:a:before", found)
        self.assertNotIn(b"tenant:a:k", found)

    def test_after_a_real_death(self):
        weir, client = self.started(outages.QUICK)
        client.pipeline([("SET", "n", 5), ("GET", "n")])
        servers.wait_until(lambda: terms.sample(weir, "weir_fallback_copies_total") >= 1, what="the copy")
        self.redis.kill()
        servers.wait_until(lambda: outages.kind(client.call("GET", "n")) == "ok" and outages.state(weir) == "open", what="the fallback")
        done = 0
        for _ in range(300):
            done += isinstance(client.call("INCR", "n"), int)
        self.assertEqual(done, 300)
        self.assertEqual(outages.status(client)[b"journal"], 300)
        self.restart()
        outages.wait_for_state(weir, "closed")
        with self.redis.client() as direct:
            self.assertEqual(direct.call("GET", self.NAME + b"n"), b"305")
        self.assertEqual(client.call("INCR", "n"), 306)

    def test_nobody_sees_redis_before_it_has_all(self):
        """A counter that clients go on with during the replay: its values grow by one, without a step back or a gap."""
        weir, client = self.started(outages.QUICK)
        with self.redis.client() as direct:
            direct.call("SET", self.NAME + b"n", 0)
        client.pipeline([("GET", "n")])
        servers.wait_until(lambda: terms.sample(weir, "weir_fallback_copies_total") >= 1, what="the copy")
        self.begin(weir)
        filler = [("SET", f"f{i}", "x" * 200) for i in range(20_000)]
        for start in range(0, len(filler), 500):
            client.pipeline(filler[start:start + 500])
        client.call("INCR", "n")
        self.assertEqual(outages.post(weir, "reset")[0], 200)
        seen, during = [], 0
        while outages.state(weir) != "closed" or len(seen) < 50:
            seen.append(client.call("INCR", "n"))
            during += outages.status(client)[b"breaker"] != b"closed"
        values = [value for value in seen if not isinstance(value, resp.Error)]
        self.assertEqual(values, list(range(2, 2 + len(values))))
        print(f"replay of {len(filler)} operations: {during} commands were answered meanwhile, errors: "
              f"{[outages.kind(value) for value in seen if isinstance(value, resp.Error)]}")
        with self.redis.client() as direct:
            self.assertEqual(int(direct.call("GET", self.NAME + b"n")), values[-1])
            self.assertEqual(len(direct.call("KEYS", self.NAME + b"f*")), 20_000)

    def test_redis_dies_during_the_replay(self):
        """Nothing is skipped, nothing done twice."""
        weir, client = self.started(outages.QUICK)
        servers.wait_until(lambda: client.call("SET", "x", "y") == b"OK")
        self.redis.kill()
        servers.wait_until(lambda: outages.kind(client.call("GET", "n")) == "ok" and outages.state(weir) == "open", what="the fallback")
        done = 0
        for turn in range(100):
            replies = client.pipeline([("INCR", f"n{i}") for i in range(200)])
            done += sum(isinstance(reply, int) for reply in replies)
        self.assertEqual(done, 20_000)
        for _ in range(5):
            self.restart()
            servers.wait_until(lambda: self.counted() or outages.state(weir) == "closed", what="the first of them")
            if outages.state(weir) == "closed":
                break
            self.redis.kill()
        else:
            self.restart()
        outages.wait_for_state(weir, "closed")
        self.assertEqual(self.counted(), 20_000)

    def counted(self):
        with self.redis.client() as direct:
            found = direct.call("MGET", *[self.NAME + b"n%d" % i for i in range(200)])
        return sum(int(value) for value in found if value) if isinstance(found, list) else 0

    def test_a_full_journal_refuses_writes_and_loses_nothing(self):
        weir, client = self.started(what=None, max_journal="64KiB")
        self.begin(weir)
        replies = client.pipeline([("SET", f"k{i}", "x" * 500) for i in range(400)])
        accepted = [i for i, reply in enumerate(replies) if reply == b"OK"]
        self.assertTrue(20 < len(accepted) < 140, len(accepted))
        for reply in replies:
            if reply != b"OK":
                self.assert_fallback(reply, "set")
                self.assertIn(b"the journal is full", reply)
        self.assertEqual(client.call("GET", "k0"), b"x" * 500)
        self.assertLessEqual(terms.sample(weir, "weir_fallback_journal_bytes"), 64 << 10)
        self.end(weir)
        with self.redis.client() as direct:
            self.assertEqual(set(direct.call("KEYS", "tenant:a:*")), {b"tenant:a:k%d" % i for i in accepted})
        self.assertEqual(client.call("SET", "k", "x" * 500), b"OK")

    def test_operations_that_redis_refuses_are_counted(self):
        weir, client = self.started(what=None)
        self.begin(weir)
        client.pipeline([("SET", "ok", "v"), ("RPUSH", "l", "x"), ("INCR", "n")])
        with self.redis.client() as direct:
            direct.pipeline([("SET", self.NAME + b"l", "a string"), ("SET", self.NAME + b"n", "no number")])
        self.end(weir)
        servers.wait_until(lambda: terms.sample(weir, "weir_fallback_replay_refused_total") == 2, what="their count")
        with self.redis.client() as direct:
            self.assertEqual(direct.call("MGET", self.NAME + b"ok", self.NAME + b"l", self.NAME + b"n"), [b"v", b"a string", b"no number"])

    def test_a_drain_in_the_middle_says_what_is_lost(self):
        weir, client = self.started()
        self.begin(weir)
        client.pipeline([("SET", f"k{i}", "v") for i in range(10)])
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(), 0)
        print("at a drain with a journal:", [line for line in weir.lines if "fallback" in line][-2:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
