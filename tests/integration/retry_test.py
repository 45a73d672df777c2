"""Commands whose connection breaks after they were sent, and how long each may take. A relay cuts connections when Redis has
carried a request out and before weir hears of it: what weir cannot know, the test does.
"""
import contextlib
import signal
import time
import unittest

import outages
import relay
import resp
import servers

UNKNOWN = rb"^UPSTREAM (lost|timeout): .*outcome is unknown"


class RelayedTest(outages.OutageTest):
    def setUp(self):
        super().setUp()
        self.relay = relay.Relay(self.redis)
        self.addCleanup(self.relay.close)
        self.side, self.settled = self.direct(), 0

    def start(self, retry=None, breaker=None, fallback=None, **sections):
        upstream = {"url": self.relay.url, "command_timeout": "10s", **({"retry": retry} if retry else {})}
        return super().start(breaker, fallback, upstream=upstream, **sections)

    def cut(self, client, *command, times=1):
        """One command whose connection is cut so often; its reply, and how often Redis has been sent it."""
        mark = b"mark-%d" % time.monotonic_ns()
        words = [word.replace("MARK", mark.decode()) if isinstance(word, str) else word.replace(b"MARK", mark)
                 for word in command]
        self.settle(client)
        self.relay.cut_at(mark, times)
        reply = client.call(*words)
        return reply, self.relay.seen(mark), b"tenant:a:" + mark

    def settle(self, client):
        """weir has a connection again. It waits longer and longer for one that is cut at once ten times running, so now and
        then one lives for more than 100 ms."""
        servers.wait_until(lambda: not isinstance(client.call("EXISTS", "settled"), resp.Error), what="a connection")
        self.settled += 1
        if self.settled % 8 == 0:
            ending = time.monotonic() + 0.13
            servers.wait_until(lambda: time.monotonic() > ending and client.call("EXISTS", "settled") == 0)


class RetryTest(RelayedTest):
    READS = [("GET", "MARK"), ("MGET", "MARK", "other"), ("HGETALL", "MARK"), ("LRANGE", "MARK", "0", "-1"), ("SMEMBERS", "MARK"),
             ("EXISTS", "MARK"), ("TTL", "MARK"), ("TYPE", "MARK"), ("ZRANGE", "MARK", "0", "-1"), ("STRLEN", "MARK")]
    # What a second time would do something else.
    WRITES = [("INCR", "MARK"), ("INCRBY", "MARK", "5"), ("INCRBYFLOAT", "MARK", "1"), ("DECR", "MARK"), ("APPEND", "MARK", "x"),
              ("LPUSH", "MARK", "x"), ("RPUSH", "MARK", "x"), ("LPOP", "MARK"), ("SPOP", "MARK"), ("HINCRBY", "MARK", "f", "1"),
              ("ZINCRBY", "MARK", "1", "m"), ("GETDEL", "MARK"), ("SETNX", "MARK", "x"), ("XADD", "MARK", "*", "f", "v"),
              ("RENAME", "MARK", "other"), ("SET", "MARK", "x", "NX"), ("GETSET", "MARK", "x"),
              ("EVAL", "return redis.call('INCR', KEYS[1])", "1", "MARK"), ("SET", "MARK", "x", "GET")]

    def test_a_read_is_sent_once_more(self):
        for retry in (None, "reads", "idempotent_writes"):
            weir = self.start(retry)
            for protocol in (2, 3):
                with self.client(weir, protocol=protocol) as client:
                    for command in self.READS:
                        with self.subTest(command, retry=retry, protocol=protocol):
                            reply, seen, _ = self.cut(client, *command)
                            self.assertNotIsInstance(reply, resp.Error)
                            self.assertEqual(seen, 2)

    def test_and_gets_the_value_that_is_there(self):
        weir = self.start()
        client = self.client(weir)
        client.call("SET", "mark-value", "v" * 1000)
        for _ in range(5):
            self.settle(client)
            self.relay.cut_at(b"mark-value")
            self.assertEqual(client.call("GET", "mark-value"), b"v" * 1000)

    def test_not_a_third_time(self):
        weir = self.start("idempotent_writes")
        client = self.client(weir)
        for command in (("GET", "MARK"), ("SET", "MARK", "x")):
            reply, seen, _ = self.cut(client, *command, times=10)
            self.assertRegex(reply, rb"^UPSTREAM ")
            self.assertEqual(seen, 2, command)

    def test_never(self):
        weir = self.start("never")
        client = self.client(weir)
        for command in (*self.READS, ("SET", "MARK", "x"), ("INCR", "MARK")):
            with self.subTest(command):
                reply, seen, _ = self.cut(client, *command)
                self.assertRegex(reply, rb"^UPSTREAM lost: ")
                self.assertEqual(seen, 1)

    def test_a_write_is_not_repeated_and_its_outcome_is_said_to_be_unknown(self):
        for retry in (None, "reads"):
            weir = self.start(retry)
            client = self.client(weir)
            for command in (*self.WRITES, ("SET", "MARK", "x"), ("DEL", "MARK"), ("EXPIRE", "MARK", "100")):
                with self.subTest(command, retry=retry):
                    reply, seen, _ = self.cut(client, *command)
                    self.assertRegex(reply, UNKNOWN)
                    self.assertEqual(seen, 1)

    def test_once_means_once(self):
        """What is there afterwards, seen past weir."""
        weir = self.start()
        client = self.client(weir)
        _, _, counter = self.cut(client, "INCR", "MARK")
        self.assertEqual(self.side.call("GET", counter), b"1")
        _, _, pushed = self.cut(client, "RPUSH", "MARK", "x")
        self.assertEqual(self.side.call("LRANGE", pushed, 0, -1), [b"x"])

    def test_idempotent_writes_on_request(self):
        weir = self.start("idempotent_writes")
        client = self.client(weir)
        for command, wanted in ((("SET", "MARK", "x"), b"OK"), (("SETEX", "MARK", "100", "x"), b"OK"), (("MSET", "MARK", "x"), b"OK")):
            with self.subTest(command):
                reply, seen, key = self.cut(client, *command)
                self.assertEqual((reply, seen), (wanted, 2))
                self.assertEqual(self.side.call("GET", key), b"x")

    def test_other_writes_are_not_repeated_even_then(self):
        weir = self.start("idempotent_writes")
        client = self.client(weir)
        for command in self.WRITES:
            with self.subTest(command):
                reply, seen, _ = self.cut(client, *command)
                self.assertRegex(reply, UNKNOWN)
                self.assertEqual(seen, 1)

    def test_a_pipeline_of_reads_is_repeated_as_a_whole(self):
        weir = self.start()
        for protocol in (2, 3):
            client = self.client(weir, protocol=protocol)
            client.call("SET", "there", "value")
            for turn in range(5):
                mark = f"mark-r{protocol}{turn}"
                self.settle(client)
                self.relay.cut_at(mark.encode())
                commands = [("GET", "there"), ("EXISTS", mark), ("ECHO", "x"), ("STRLEN", "there")] * 20
                self.assertEqual(client.pipeline(commands), [b"value", 0, b"x", 5] * 20)

    def test_in_a_pipeline_with_writes_every_reply_is_right_or_an_error(self):
        """Those of a client that has writes among what was sent fail together."""
        weir = self.start()
        for protocol in (2, 3):
            client = self.client(weir, protocol=protocol)
            for turn in range(5):
                mark = f"mark-p{protocol}{turn}"
                client.call("SET", f"{mark}-s", "there")
                self.relay.cut_at(mark.encode() + b"-n")
                replies = client.pipeline([("GET", f"{mark}-s"), ("INCR", f"{mark}-n"), ("GET", f"{mark}-s"), ("ECHO", "x"),
                                           ("APPEND", f"{mark}-t", "y"), ("STRLEN", f"{mark}-s")])
                for index, wanted in ((0, b"there"), (2, b"there"), (3, b"x"), (5, 5)):
                    if replies[index] != wanted:
                        self.assertRegex(replies[index], rb"^UPSTREAM lost: ")
                self.assertEqual(self.relay.seen(mark.encode() + b"-n"), 1)
                for write, key in ((replies[1], f"{mark}-n"), (replies[4], f"{mark}-t")):
                    self.assertRegex(write, UNKNOWN)
                    self.assertIn(self.side.call("GET", "tenant:a:" + key), (b"1", b"y", None))
                self.settle(client)

    def test_transactions_are_not_repeated(self):
        weir = self.start("idempotent_writes")
        client = self.client(weir)
        for body in ([("GET", "mark-t")], [("SET", "mark-t", "x")], [("INCR", "mark-t")]):
            with self.subTest(body):
                self.settle(client)
                self.side.call("DEL", "tenant:a:mark-t")
                self.relay.cut_at(b"mark-t")
                replies = client.pipeline([("MULTI",), *body, ("EXEC",)])
                self.assertRegex(replies[-1], rb"^UPSTREAM lost: ")
                self.assertEqual(self.relay.seen(b"mark-t"), 1)

    def test_a_large_read_and_a_large_write(self):
        """Longer than what is kept of a request: nothing is repeated, or all of it."""
        weir = self.start("idempotent_writes")
        client, big = self.client(weir), b"x" * 200_000
        reply, seen, key = self.cut(client, "SET", "MARK", big)
        self.assertLessEqual(seen, 2)
        self.assertEqual(outages.kind(reply), "ok" if seen == 2 else "UPSTREAM lost")
        self.assertEqual(self.side.call("GET", key), big)
        self.settle(client)
        self.side.call("SET", "tenant:a:mark-read", big)
        self.relay.cut_at(b"mark-read")
        self.assertEqual((client.call("GET", "mark-read"), self.relay.seen(b"mark-read")), (big, 2))

    def test_half_a_reply_is_no_reply(self):
        """The connection breaks in the middle of it: whole, an error or a closed connection, and nothing else."""
        weir = self.start()
        for size in (10, 1000, 50_000, 3_000_000):
            value = b"%d-" % size + b"v" * size
            self.side.call("SET", "tenant:a:mark-half", value)
            for part in (1, 5, size // 2, size):
                with self.subTest(size=size, part=part), weir.client() as client:
                    self.settle(client)
                    self.relay.cut_at(b"mark-half", passing=part)
                    client.send_raw(resp.encode("GET", "mark-half") + resp.encode("ECHO", "x"))
                    try:
                        reply = client.read()
                    except (resp.ConnectionClosed, ConnectionResetError):
                        continue
                    if reply != value:
                        self.assertRegex(reply, rb"^UPSTREAM lost: ")
                    self.assertEqual(client.read(), b"x")

    def test_on_a_connection_of_its_own(self):
        """A watching client's reads: its watch is gone with the connection, and nobody may think it is not."""
        weir = self.start()
        client = self.client(weir)
        self.settle(client)
        self.assertEqual(client.pipeline([("WATCH", "w"), ("GET", "w")]), [b"OK", None])
        self.relay.cut_at(b"mark-w")
        client.call("GET", "mark-w")
        self.side.call("SET", "tenant:a:w", "changed")
        exec_reply = client.pipeline([("MULTI",), ("SET", "done", "1"), ("EXEC",)])[-1]
        self.assertNotIsInstance(exec_reply, list)
        self.assertIsNone(self.side.call("GET", "tenant:a:done"))

    def test_others_are_not_touched_by_a_repetition(self):
        """Many clients on one connection that is cut in the middle: each gets its own."""
        weir = self.start()
        clients = [self.client(weir) for _ in range(20)]
        for index, client in enumerate(clients):
            client.call("SET", f"own{index}", f"v{index}")
        for turn in range(10):
            mark = f"mark-x{turn}"
            self.relay.cut_at(mark.encode())
            for index, client in enumerate(clients):
                client.send_raw(resp.encode("GET", f"own{index}") + (resp.encode("GET", mark) if index == 7 else b"")
                                + resp.encode("STRLEN", f"own{index}"))
            for index, client in enumerate(clients):
                self.assertEqual(client.read(), b"v%d" % index)
                if index == 7:
                    self.assertIsNone(client.read())
                self.assertEqual(client.read(), len("v%d" % index))
            self.settle(clients[0])


class UnsentTest(RelayedTest):
    BREAKER = {**outages.QUICK, "failure_rate": "0%", "consecutive_failures": 1, "open_for": "1s"}

    def test_a_write_that_was_sent_is_not_done_again_by_memory(self):
        """The breaker opens by its failure; its outcome stays unknown, and it is done once."""
        weir = self.start(breaker=self.BREAKER, fallback=outages.MEMORY)
        client = self.client(weir)
        self.settle(client)
        reply, seen, key = self.cut(client, "INCR", "MARK")
        self.assertRegex(reply, UNKNOWN)
        self.assertEqual(seen, 1)
        outages.wait_for_state(weir, "closed")
        self.assertEqual(self.side.call("GET", key), b"1")

    def test_what_was_not_sent_is_answered_by_memory(self):
        """Redis takes no more, and dies. Of a long pipeline the first commands may have been done, the rest was never sent:
        memory does it, in its place among the replies, or it is said not to have been sent."""
        for protocol in (2, 3):
            with self.subTest(protocol=protocol):
                weir = outages.OutageTest.start(self, self.BREAKER, outages.MEMORY)
                client, count = self.client(weir, protocol=protocol), 3000
                client.pipeline([("SET", "n", "0")])
                self.redis.signal(signal.SIGSTOP)
                commands = [part for i in range(count) for part in (("SET", f"k{i}", b"%d." % i * 400), ("INCR", "n"))]
                sender = client.send_in_background([b"".join(resp.encode(*command) for command in commands)])
                with weir.client("b") as other:
                    for _ in range(5):
                        other.call("CLIENT", "GETNAME")
                self.redis.kill()
                replies = [client.read() for _ in commands]
                sender.join()
                kinds = [outages.kind(reply) for reply in replies]
                self.assertLessEqual(set(kinds), {"ok", "UPSTREAM lost", "UPSTREAM down"})
                known = [not (isinstance(reply, resp.Error) and b"unknown" in reply) for reply in replies]
                self.assertIn("ok", kinds)
                self.assertTrue(known[-1] and not known[0], "some were sent and some were not")
                self.assertTrue(all(known[known.index(True):]), "once the outcomes are known, they all are")
                self.assertEqual([reply for reply in replies[1::2] if isinstance(reply, int)],
                                 list(range(1, 1 + sum(isinstance(reply, int) for reply in replies[1::2]))))
                values = client.pipeline([("GET", f"k{i}") for i in range(count)])
                for i, value in enumerate(values):
                    self.assertEqual(value, b"%d." % i * 400 if kinds[2 * i] == "ok" else None, (i, replies[2 * i]))
                print(f"of {len(commands)} commands under way {known.count(False)} had been sent, memory did {kinds.count('ok')}")
                self.redis = self.folder.redis(**self.redis_settings)
                client.close()


class TimeoutTest(outages.OutageTest):
    def start(self, timeouts, command_timeout="5s", **sections):
        return super().start(None, None, upstream={"command_timeout": command_timeout, "timeouts": timeouts}, **sections)

    @contextlib.contextmanager
    def stopped(self):
        """Redis answers when this has ended."""
        self.redis.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.redis.signal(signal.SIGCONT)

    def times_out(self, client, *command, after):
        """It has failed by its own time-out, and by none of the longer ones, which are 5 s and more."""
        began = time.monotonic()
        reply, took = client.call(*command), time.monotonic() - began
        self.assertRegex(reply, rb"^UPSTREAM timeout: ")
        self.assertTrue(after - 0.005 <= took < 4, took)
        return reply

    def test_of_a_command(self):
        """GET fails after 300 ms; the others wait until Redis answers."""
        weir = self.start({"get": "300ms", "@slow": "10s"})
        for protocol in (2, 3):
            with weir.client("a", protocol) as client, weir.client("a", protocol) as other:
                self.assertEqual(client.call("SET", "k", "v"), b"OK")
                servers.wait_until(lambda: client.call("GET", "k") == b"v", what="Redis")
                with self.stopped():
                    other.send("STRLEN", "k")
                    self.times_out(client, "GET", "k", after=0.3)
                self.assertEqual(other.read(), 1)
                servers.wait_until(lambda: client.call("GET", "k") == b"v", what="Redis")
                self.assertEqual(client.pipeline([("GET", "k"), ("STRLEN", "k"), ("ECHO", "x")]), [b"v", 1, b"x"])

    def test_in_a_pipeline_late_replies_are_nobodys(self):
        """A client hears of a time-out in its place: behind the answers to what it had sent before."""
        weir = self.start({"get": "300ms"})
        client = self.client(weir)
        client.pipeline([("SET", "k", "v"), ("SET", "other", "w")])
        for turn in range(3):
            commands = [("GET", "k"), ("GET", "k"), ("STRLEN", "k"), ("ECHO", "x"), ("GET", "other"), ("INCR", "n")]
            with self.stopped():
                client.send_raw(b"".join(resp.encode(*command) for command in commands))
                replies = [client.read(), client.read()]
            replies += [client.read() for _ in commands[2:]]
            for late in replies[:2]:
                self.assertRegex(late, rb"^UPSTREAM timeout: ")
            self.assertEqual((replies[2], replies[3], replies[5]), (1, b"x", turn + 1))
            self.assertIn(replies[4] if replies[4] == b"w" else outages.kind(replies[4]), (b"w", "UPSTREAM timeout"))
            servers.wait_until(lambda: client.call("GET", "other") == b"w", what="Redis")
            self.assertEqual(client.pipeline([("GET", "k"), ("STRLEN", "k"), ("GET", "n")]), [b"v", 1, b"%d" % (turn + 1)])

    def test_longer_than_the_others(self):
        """@slow may take long where everything else may not."""
        weir = self.start({"@slow": "10s"}, command_timeout="400ms")
        client, other = self.client(weir), self.client(weir)
        client.call("RPUSH", "l", "2", "1")
        with self.stopped():
            other.send("SORT", "l")
            self.times_out(client, "STRLEN", "k", after=0.4)
        self.assertEqual(other.read(), [b"1", b"2"])

    def test_the_most_particular_word_counts(self):
        weir = self.start({"@read": "10s", "get": "300ms", "@string": "6s", "object|encoding": "300ms"}, command_timeout="10s")
        client, other = self.client(weir), self.client(weir)
        client.call("SET", "k", "v")
        for short, patient in ((("GET", "k"), ("STRLEN", "k")), (("OBJECT", "ENCODING", "k"), ("OBJECT", "REFCOUNT", "k"))):
            with self.subTest(short):
                with self.stopped():
                    other.send(*patient)
                    self.times_out(client, *short, after=0.3)
                self.assertNotIsInstance(other.read(), resp.Error)

    def test_blocking_commands_take_as_long_as_they_say(self):
        weir = self.start({"blpop": "50ms", "@fast": "80ms"}, command_timeout="100ms")
        client = self.client(weir)
        began = time.monotonic()
        self.assertIsNone(client.call("BLPOP", "l", "0.6"))
        self.assertGreaterEqual(time.monotonic() - began, 0.55)

    def test_a_write_that_timed_out_has_an_unknown_outcome(self):
        weir = self.start({"@write": "60ms"})
        client = self.client(weir)
        client.call("EXISTS", "k")
        with self.stopped():
            self.assertRegex(self.times_out(client, "INCR", "n", after=0.06), UNKNOWN)
        servers.wait_until(lambda: client.call("GET", "n") == b"1", what="the write that was under way")

    def test_a_repetition_is_within_the_same_time(self):
        """A read that was sent once more does not get its time anew."""
        mark = b"mark-late"
        between = relay.Relay(self.redis)
        self.addCleanup(between.close)
        weir = super().start(None, None, upstream={"url": between.url, "command_timeout": "10s", "timeouts": {"get": "2s"}})
        client = self.client(weir)
        servers.wait_until(lambda: client.call("GET", "k") is None, what="Redis")
        between.cut_at(mark)
        with self.stopped():
            client.send("GET", mark)
            servers.wait_until(lambda: between.seen(mark) == 1, what="the request")
            began = time.monotonic()
            self.assertRegex(client.read(), rb"^UPSTREAM timeout: ")
            self.assertLess(time.monotonic() - began, 3.5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
