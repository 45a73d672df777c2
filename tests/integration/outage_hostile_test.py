"""A tenant that tries: to have Redis taken for dead while it is well, and, while it is away, to take what others need of weir's
memory and time, or to bring its replies out of step.
"""
import os
import select
import unittest

import outages
import resp
import servers
import terms

MIB = 1 << 20
RELEASE = os.environ.get("WEIR_RELEASE_BINARY")
# One failed call opens it.
SHARP = {**outages.BY_HAND, "consecutive_failures": 1}
NOT_RESP = b"*1\r\n$-5\r\n"


class BlameTest(outages.OutageTest):
    """Redis refuses one tenant's connection something (its database, its protocol, its user): it is there, and has answered."""

    def weir_as(self, *rights):
        """With a Redis user who has these only."""
        self.assertEqual(self.direct().call("ACL", "SETUSER", "weir", "on", ">s3cret", "~*", "&*", *rights), b"OK")
        secret = os.path.join(self.folder.path, "password")
        with open(secret, "w", encoding="ascii") as out:
            out.write("s3cret\n")
        return self.start(SHARP, None, upstream={"username": "weir", "password_file": secret})

    def refused(self, weir, commands, protocol=2):
        """Asks, hears errors, and waits until the server has refused some connections."""
        failures = terms.sample(weir, "weir_upstream_connect_failures_total")
        client, other = self.client(weir, protocol=protocol), self.client(weir, "b")
        for command in commands:
            self.assertIsInstance(client.call(*command), resp.Error, command)
        servers.wait_until(lambda: terms.sample(weir, "weir_upstream_connect_failures_total") >= failures + 3, what="refused connections")
        self.assertEqual(outages.state(weir), "closed")
        self.assertEqual(other.pipeline([("SET", "k", "v"), ("GET", "k")]), [b"OK", b"v"])
        self.assertEqual(terms.sample(weir, "weir_breaker_calls_total", result="connect"), 0)
        self.assertEqual(outages.transitions(weir, "open"), 0)

    def test_databases_that_are_not_there(self):
        """weir does not know how many there are."""
        self.refused(self.weir_as("+@all", "-config"), [("SELECT", 9999 + i) for i in range(5)])

    def test_databases_that_are_known_not_to_be_there(self):
        """No connection is tried for them."""
        weir = self.start(SHARP, None)
        client = self.client(weir)
        servers.wait_until(lambda: outages.page(weir, "/health")[1]["status"] == "healthy", what="what the server says of itself")
        failures = terms.sample(weir, "weir_upstream_connect_failures_total")
        for index in range(20):
            self.assertEqual(client.call("SELECT", 9999 + index), b"ERR DB index is out of range")
        self.assertEqual(terms.sample(weir, "weir_upstream_connect_failures_total"), failures)
        self.assertEqual(outages.transitions(weir, "open"), 0)

    def test_a_user_for_scripts_that_weir_may_not_make(self):
        self.refused(self.weir_as("+@all", "-acl"), [("EVAL", "return 1", 0)] * 5)

    def test_a_protocol_that_the_server_does_not_speak(self):
        """What the others say is RESP2 there."""
        self.redis = self.folder.redis("without-hello", rename_command=["HELLO", "elsewhere"])
        self.refused(self.start(SHARP, None), [("GET", "k")] * 5, protocol=3)


class ReturnedTest(outages.OutageTest):
    """Commands that wait for memory when the breaker closes are for Redis after all."""

    def returned(self, weir, client, data):
        """Has memory busy, sends, closes the breaker. All clients are of one worker, so that it has read what came before."""
        busy, side = self.client(weir, "b"), self.client(weir, "b")
        busy.pipeline([("SET", "x", "ab" * 1950), ("SET", "y", "ba" * 1950)])
        busy.send("LCS", "x", "y", "LEN")
        client.send_raw(data)
        side.call("WEIR", "STATUS")
        self.end(weir)
        self.assertFalse(select.select([busy.sock], [], [], 0)[0], "too quick for this test")
        self.assertEqual(busy.read(), 3899)

    def test_a_skipped_reply_is_not_given(self):
        weir = self.start(outages.BY_HAND)
        client = self.client(weir)
        self.begin(weir)
        self.returned(weir, client, resp.encode("CLIENT", "REPLY", "SKIP") + resp.encode("SET", "k", "skipped"))
        self.assertEqual(client.pipeline([("ECHO", "first"), ("ECHO", "second")]), [b"first", b"second"])
        self.assertEqual(client.call("GET", "k"), b"skipped")
        self.assertEqual(self.direct().call("GET", "tenant:a:k"), b"skipped")

    def test_commands_before_what_is_no_request_are_answered(self):
        """Which nobody sends to Redis any more: a client that cannot speak is closed."""
        weir = self.start(outages.BY_HAND)
        client = self.client(weir)
        self.begin(weir)
        self.returned(weir, client, resp.encode("SET", "k", "v") + resp.encode("GET", "k") + NOT_RESP)
        replies = resp.split_replies(client.read_until_closed())
        self.assertEqual([outages.kind(resp.parse(reply)) for reply in replies], ["UPSTREAM lost"] * 2 + ["ERR"])
        self.assertIn(b"Protocol error", replies[2])
        self.assertEqual(self.direct().call("EXISTS", "tenant:a:k"), 0)


class GreedyTest(outages.OutageTest):
    """Redis is forced away; memory is one thread for all tenants."""

    def open(self, fallback=outages.MEMORY, **sections):
        weir = self.start(outages.BY_HAND, fallback, **sections)
        self.begin(weir)
        return weir, self.client(weir), self.client(weir, "b")

    def plain(self, fallback):
        """Of the release binary, where there is one: for what is measured in bytes."""
        weir = self.folder.weir(self.redis, binary=RELEASE, admin=outages.ADMIN, breaker=outages.BY_HAND, fallback=fallback)
        self.begin(weir)
        return weir, self.client(weir, "b"), weir.rss_bytes("VmHWM")

    def assert_grew_less(self, weir, before, most):
        grown = weir.rss_bytes("VmHWM") - before
        print(f"peak: {grown / MIB:.0f} MiB over what it was")
        self.assertLess(grown, most if RELEASE else 4 * most)

    def test_a_short_request_for_a_long_reply(self):
        """12 KB that ask for 1.5 GB: the client is closed when memory would have to hold more than it has."""
        weir, other, before = self.plain({"order": ["memory"], "memory": {"max_bytes": "16MiB"}})
        other.call("SET", "k", "v")
        for command in (("MGET", *["k"] * 1500), ("SRANDMEMBER", "t", -1500), ("SORT", "l", "BY", "nosort", "GET", "*")):
            with self.subTest(command[0]), weir.client() as greedy:
                greedy.pipeline([("SET", "k", "x" * MIB), ("DEL", "t", "l"), ("SADD", "t", "x" * MIB), ("RPUSH", "l", *["k"] * 1500)])
                greedy.send(*command)
                self.assertEqual(other.call("GET", "k"), b"v")
                self.assertLess(len(greedy.read_until_closed()), 40 * MIB)
        self.assertEqual(other.call("GET", "k"), b"v")
        self.assert_grew_less(weir, before, 160 * MIB)

    def test_large_requests_that_do_not_end(self):
        """Four that announce 150 MB and send 30: nothing of them is kept, and they are refused."""
        weir, other, before = self.plain(outages.MEMORY)
        clients = [self.client(weir) for _ in range(4)]
        for client in clients:
            client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$150000000\r\n" + b"x" * 30_000_000)
        self.assertIsNone(other.call("GET", "k"))
        self.assert_grew_less(weir, before, 24 * MIB)
        for client in clients:
            client.half_close()
            client.read_until_closed()
        self.assertEqual(terms.sample(weir, "weir_fallback_keys"), 0)

    def test_a_request_that_is_too_long_for_memory(self):
        """Up to 8 MiB are held; what is longer is refused, and the connection goes on."""
        weir, client, _ = self.open({"order": ["memory"], "memory": {"replay": True}})
        commands = [("SET", "before", "v"), ("SET", "k", "x" * (8 * MIB - 100)), ("SET", "k", "y" * (8 * MIB + 1)), ("SET", "after", "v"),
                    ("STRLEN", "k"), ("RPUSH", "l", "x", "y" * (9 * MIB)), ("MGET", "before", "after")]
        sender = client.send_in_background([resp.encode(*command) for command in commands])
        replies = [client.read() for _ in commands]
        sender.join()
        self.assert_fallback(replies.pop(5), "rpush", ("forced_open",))
        self.assert_fallback(replies.pop(2), "set", ("forced_open",))
        self.assertEqual(replies, [b"OK", b"OK", b"OK", 8 * MIB - 100, [b"v", b"v"]])
        self.end(weir)
        self.assertEqual(client.call("EXISTS", "k", "l"), 1)

    def test_a_large_request_does_not_pass_an_open_breaker(self):
        """Without a store, either."""
        weir, client, _ = self.open(None)
        for size in (10, 100_000, 5_000_000):
            replies = client.pipeline([("SET", "k", "x" * size), ("PING",), ("EXISTS", "k")])
            self.assert_fallback(replies[0], "set", ("forced_open",))
            self.assertEqual(replies[1], b"PONG")
            self.assert_fallback(replies[2], "exists", ("forced_open",))
        self.assertEqual(self.direct().call("EXISTS", "tenant:a:k"), 0)
        self.end(weir)
        self.assertEqual(client.call("SET", "k", "x" * 5_000_000), b"OK")

    def test_slow_commands_of_one_pipeline_do_not_hold_up_others(self):
        """Memory's thread goes from client to client, however many commands each has sent."""
        weir, slow, other = self.open()
        slow.pipeline([("SET", "x", "ab" * 500), ("SET", "y", "ba" * 500)])
        count = 30
        slow.send_raw(resp.encode("LCS", "x", "y", "LEN") * count)
        self.assertIsNone(other.call("GET", "k"))
        done = outages.answers(weir)[0] - 2
        self.assertLess(done, count / 2)
        self.assertEqual([slow.read() for _ in range(count)], [999] * count)
        print(f"{done:.0f} of {count} slow commands were done before another tenant's GET")

    def test_long_keys_are_refused_all_the_same(self):
        weir, client, other = self.open({"order": ["memory"], "memory": {"replay": True}},
                                        tenants={"a": {"long_keys": {"over": "10B", "action": "refuse"}}, "b": {}})
        long = "k" * 11
        for command in (("SET", long, "v"), ("GET", long), ("MSET", "k", "v", long, "v"), ("DEL", "k", long)):
            replies = client.pipeline([("SET", "s", "v"), command, ("GET", "s")])
            self.assertRegex(replies[1], b"^ERR key is longer than")
            self.assertEqual(replies[::2], [b"OK", b"v"])
        replies = client.pipeline([("MULTI",), ("SET", "s", "w"), ("SET", long, "v"), ("EXEC",), ("GET", "s")])
        self.assertRegex(replies[2], b"^ERR key is longer than")
        self.assertRegex(replies[3], b"^EXECABORT")
        self.assertEqual(replies[4], b"v")
        self.assertEqual(other.call("SET", long, "v"), b"OK")
        self.end(weir)
        self.assertEqual(terms.sample(weir, "weir_fallback_replay_refused_total"), 0)
        self.assertEqual(sorted(self.direct().call("KEYS", "tenant:*")), [b"tenant:a:s", b"tenant:b:" + long.encode()])

    def test_commands_before_what_is_no_request_are_done(self):
        """Its error comes behind their replies, however long these are."""
        weir, client, _ = self.open()
        client.call("SET", "big", "x" * 500_000)
        client.send_raw(resp.encode("GET", "big") * 10 + resp.encode("SET", "k", "v") + NOT_RESP)
        replies = resp.split_replies(client.read_until_closed())
        self.assertEqual([len(reply) > 500_000 for reply in replies], [True] * 10 + [False] * 2)
        self.assertEqual(replies[10], b"+OK\r\n")
        self.assertRegex(replies[11], b"^-ERR Protocol error")
        self.assertEqual(self.client(weir).call("GET", "k"), b"v")


if __name__ == "__main__":
    unittest.main(verbosity=2)
