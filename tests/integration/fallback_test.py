"""What is answered while Redis is away: as Redis would, to whom it belongs, within what a tenant may do, and at once.

A second Redis, fresh for each comparison, says what is right.
"""
import os
import signal
import socket
import time
import unittest

import command_generator
import fallback_commands
import outages
import reply_compare
import resp
import servers
import terms

RANDOM_COMMANDS = int(os.environ.get("WEIR_FALLBACK_COMMANDS", "2500"))  # for each protocol


class DiscardedTest(outages.OutageTest):
    def assert_discarded(self, reply):
        """EXEC's, which says that, and why."""
        self.assertIsInstance(reply, resp.Error)
        self.assertRegex(reply, rb"^EXECABORT .*FALLBACK breaker (open|forced_open): ")


class AnswerTest(DiscardedTest):
    """The operator opens the breaker, or Redis is dead: the answers are the same."""

    def setUp(self):
        super().setUp()
        self.reference = self.folder.redis("reference")

    def exchange(self, mine, theirs, commands, depth):
        """The same to both, `depth` in one write; and each pair of replies compared."""
        queued = []
        for start in range(0, len(commands), depth):
            batch = commands[start:start + depth]
            data = b"".join(resp.encode(*command) for command in batch)
            senders = [client.send_in_background([data]) for client in (mine, theirs)]
            for command in batch:
                ours, wanted = mine.read_raw(), theirs.read_raw()
                name = command[0].lower()
                same = (reply_compare.same_transaction(queued, ours, wanted) if name == b"exec" else
                        reply_compare.same(command, ours, wanted))
                self.assertTrue(same, f"{command!r:.300}\n weir:  {ours!r:.600}\n redis: {wanted!r:.600}")
                queued = [] if name == b"multi" else queued + [command] if wanted == b"+QUEUED\r\n" else queued
            for sender in senders:
                sender.join()

    def pair(self, weir, protocol):
        mine, theirs = self.client(weir, protocol=protocol), self.reference.client(protocol)
        self.addCleanup(theirs.close)
        for client in (mine, theirs):
            self.assertEqual(client.call("FLUSHDB"), b"OK")
        return mine, theirs

    def every_way(self, weir):
        for protocol in (2, 3):
            for depth in (1, 16, 100):
                with self.subTest(protocol=protocol, depth=depth):
                    mine, theirs = self.pair(weir, protocol)
                    self.exchange(mine, theirs, fallback_commands.script(), depth)

    def test_every_supported_command_with_redis_forced_away(self):
        weir = self.start(outages.BY_HAND, workers=2)
        self.begin(weir)
        with self.redis.client() as direct:
            direct.call("CONFIG", "RESETSTAT")
        self.every_way(weir)
        for command in fallback_commands.SUPPORTED:
            if command not in ("get", "set"):  # which the probe says itself
                self.assertEqual(terms.calls(self.redis, command), 0, command)
        self.assertEqual(outages.answers(weir)[1:], (0, 0))

    def test_every_supported_command_with_redis_dead(self):
        weir = self.start(outages.QUICK)
        client = self.client(weir)
        client.call("SET", "k", "v")
        self.redis.kill()
        servers.wait_until(lambda: not isinstance(client.call("GET", "k"), resp.Error) and outages.state(weir) == "open",
                           what="the fallback")
        self.every_way(weir)
        self.assertEqual(outages.state(weir), "open")

    def test_every_supported_command_in_transactions(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        for protocol in (2, 3):
            for size in (1, 7, 60):
                with self.subTest(protocol=protocol, size=size):
                    mine, theirs = self.pair(weir, protocol)
                    commands, script = [], [command for command in fallback_commands.script()
                                            if command[0] not in (b"FLUSHDB", b"DBSIZE", b"RANDOMKEY", b"SCAN", b"NOSUCH")
                                            and len(command) > 1]
                    for start in range(0, len(script), size):
                        commands += [[b"MULTI"], *script[start:start + size], [b"EXEC"]]
                    self.exchange(mine, theirs, commands, 40)

    def test_transactions_as_redis_has_them(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        for protocol in (2, 3):
            mine, theirs = self.pair(weir, protocol)
            for commands in ("MULTI|EXEC", "MULTI|DISCARD", "EXEC", "DISCARD", "MULTI|MULTI|DISCARD", "MULTI|NOSUCH|SET k v|EXEC|GET k",
                             "MULTI|GET|EXEC", "MULTI|SET k v|INCR k|GET k|EXEC", "MULTI|PING|ECHO x|SET k w|EXEC|GET k",
                             "MULTI|SET k v|DISCARD|GET k"):
                with self.subTest(commands, protocol=protocol):
                    self.exchange(mine, theirs, [command.encode().split() for command in commands.split("|")], 50)

    def test_a_transaction_with_what_cannot_be_answered_does_nothing(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        client = self.client(weir)
        for command in (("XADD", "x", "*", "f", "v"), ("SETBIT", "b", 1, 1), ("EVAL", "return 1", "0"), ("PUBLISH", "c", "m")):
            replies = client.pipeline([("MULTI",), ("SET", "k", "v"), command, ("INCR", "n"), ("EXEC",), ("EXISTS", "k", "n")])
            self.assert_discarded(replies[4])
            self.assertEqual(replies[-1], 0)

    def test_select_in_a_transaction(self):
        """As in Redis, or the transaction is discarded; never half of it."""
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        client = self.client(weir)
        replies = client.pipeline([("MULTI",), ("SET", "k", "0"), ("SELECT", 1), ("SET", "k", "1"), ("EXEC",), ("GET", "k"), ("SELECT", 0), ("GET", "k")])
        if isinstance(replies[4], list):
            self.assertEqual(replies[4:], [[b"OK"] * 3, b"1", b"OK", b"0"])
        else:
            self.assert_discarded(replies[4])
            self.assertEqual(replies[5:], [None, b"OK", None])

    def test_random_commands(self):
        """All options, wrong types, wrong numbers, spoilt words."""
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        supported = {name.encode() for name in fallback_commands.SUPPORTED} | {b"echo", b"ping"}
        for protocol in (2, 3):
            seed = os.environ.get("WEIR_DIFF_SEED", str(time.time_ns()))
            with self.subTest(protocol=protocol, seed=seed):
                rng = reply_compare.new_rng(seed, protocol)
                generator = command_generator.Generator(rng)
                mine, theirs = self.pair(weir, protocol)
                commands = []
                while len(commands) < RANDOM_COMMANDS:
                    command = generator.command()
                    if command[0].lower() in supported and not self.reaches_elsewhere(command):
                        commands.append(command)
                self.exchange(mine, theirs, commands, rng.choice((1, 3, 30, 200)))

    @staticmethod
    def reaches_elsewhere(command):
        """Other databases; and large values in hashes, which have another order then."""
        name = command[0].lower()
        return (name == b"copy" and b"DB" in command) or (name.startswith(b"h") and max(map(len, command)) > 64)

    def test_things_expire(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        client = self.client(weir)
        client.pipeline([("SET", "k", "v", "PX", "60"), ("HSET", "h", "f", "v"), ("PEXPIRE", "h", "60"), ("SET", "stays", "v")])
        servers.wait_until(lambda: client.call("EXISTS", "k", "h") == 0, what="their ends")
        self.assertEqual(client.pipeline([("GET", "k"), ("TTL", "h"), ("KEYS", "*"), ("DBSIZE",)]), [None, -2, [b"stays"], 1])

    def test_cannot_be_answered(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        for protocol in (2, 3):
            client = self.client(weir, protocol=protocol)
            for command in fallback_commands.REFUSED:
                with self.subTest(command, protocol=protocol):
                    if command[0].startswith("EVAL"):
                        command = [command[0], "return 1" if len(command[1]) < 40 else command[1], "0"]
                    self.assert_fallback(client.call(*command), command[0].lower(), ("forced_open",))
            self.assertEqual(client.call("SET", "k", "v"), b"OK")
        servers.wait_until(lambda: outages.answers(weir)[2] >= len(fallback_commands.REFUSED), what="refusals that count")

    def test_the_connection_goes_on_working(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        client = self.client(weir)
        self.assertEqual(client.pipeline([("PING",), ("PING", "x"), ("ECHO", "y")]), [b"PONG", b"x", b"y"])
        for command in (("CLIENT", "SETNAME", "me"), ("CLIENT", "GETNAME"), ("CLIENT", "ID"), ("CLIENT", "INFO"), ("CLIENT", "LIST"),
                        ("INFO",), ("INFO", "server"), ("HELLO",), ("HELLO", "3"), ("HELLO", "2"), ("SELECT", "1"),
                        ("SELECT", "0"), ("WEIR", "STATUS"), ("WEIR", "LIMITS"), ("WEIR", "TENANT"), ("RESET",)):
            with self.subTest(command):
                self.assertNotIsInstance(client.call(*command), resp.Error)
        # What the server itself says of its commands is not kept.
        self.assert_fallback(client.call("COMMAND", "INFO", "get"), "command", ("forced_open",))
        self.assertIsInstance(client.call("SELECT", "99"), resp.Error)
        self.assertEqual(client.call("SET", "k", "v"), b"OK")

    def test_databases_and_protocols_change_in_the_middle(self):
        """SELECT and HELLO, each alone and between others of one write, before the outage, in it and after."""
        weir = self.start(outages.BY_HAND)
        client, old = self.client(weir), self.client(weir)
        old.call("SELECT", 3)
        self.begin(weir)
        self.assertEqual(old.pipeline([("SET", "k", "in-3"), ("SELECT", 0), ("GET", "k"), ("SELECT", 3), ("GET", "k")]),
                         [b"OK", b"OK", None, b"OK", b"in-3"])
        told = client.pipeline([("SET", "k", "in-0"), ("HSET", "h", "f", "v"), ("HGETALL", "h"), ("SELECT", 3), ("GET", "k"),
                                ("HELLO", 3), ("SELECT", 0), ("HGETALL", "h"), ("GET", "k"), ("GET", "missing"), ("DBSIZE",),
                                ("HELLO", 2), ("HGETALL", "h")])
        self.assertEqual(told[:5], [b"OK", 1, [b"f", b"v"], b"OK", b"in-3"])
        self.assertIsInstance(told[5], resp.Map)
        self.assertEqual(told[6:11], [b"OK", resp.Map([(b"f", b"v")]), b"in-0", None, 2])
        self.assertEqual(told[12], [b"f", b"v"])
        client.pipeline([("SELECT", 3), ("HELLO", 3)])
        self.end(weir)
        client.pipeline([("SET", "k", "of-redis"), ("HSET", "h", "f", "real")])
        self.assertIsInstance(client.call("HGETALL", "h"), resp.Map)
        with self.redis.client() as direct:
            direct.call("SELECT", 3)
            self.assertEqual(direct.call("GET", "tenant:a:k"), b"of-redis")


class TenantTest(DiscardedTest):
    def test_each_has_its_own_keys(self):
        weir = self.start(outages.BY_HAND, workers=2)
        self.begin(weir)
        for protocol in (2, 3):
            one, other = self.client(weir, "a", protocol), self.client(weir, "b", protocol)
            for client, own in ((one, b"mine"), (other, b"theirs")):
                client.pipeline([("FLUSHDB",), ("SET", "k", own), ("RPUSH", "l", own), ("SADD", own, "x"), ("HSET", "h", "f", own)])
            for client, own in ((one, b"mine"), (other, b"theirs")):
                told = client.pipeline([("GET", "k"), ("LRANGE", "l", 0, -1), ("KEYS", "*"), ("DBSIZE",), ("SCAN", 0, "COUNT", 100),
                                        ("HGETALL", "h"), ("EXISTS", "tenant:a:k", "tenant:b:k", "mine", "theirs"), ("RANDOMKEY",),
                                        ("KEYS", "tenant:*")])
                self.assertEqual((told[0], told[1]), (own, [own]))
                self.assertEqual(sorted(told[2]), sorted([b"h", b"k", b"l", own]))
                self.assertEqual((told[3], sorted(told[4][1])), (4, sorted([b"h", b"k", b"l", own])))
                self.assertEqual(told[6], 1)
                self.assertIn(told[7], (b"h", b"k", b"l", own))
                self.assertEqual(told[8], [])
            self.assertEqual(one.pipeline([("SET", "tenant:b:k", "no"), ("FLUSHALL",), ("DBSIZE",)]), [b"OK", b"OK", 0])
            self.assertEqual(other.pipeline([("GET", "k"), ("DBSIZE",)]), [b"theirs", 4])
            other.call("FLUSHDB")

    def test_flushdb_is_for_one_database(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        client = self.client(weir)
        client.pipeline([("SET", "k", "0"), ("SELECT", 1), ("SET", "k", "1"), ("FLUSHDB",), ("SELECT", 0)])
        self.assertEqual(client.call("GET", "k"), b"0")

    def test_one_cannot_push_the_other_out(self):
        weir = self.start(outages.BY_HAND, {"order": ["memory"], "memory": {"max_bytes": "2MiB"}})
        self.begin(weir)
        small, large = self.client(weir, "b"), self.client(weir, "a")
        small.pipeline([("SET", f"k{i}", f"v{i}") for i in range(100)])
        for start in range(0, 3000, 100):
            large.pipeline([("SET", f"k{i}", b"x" * 2000) for i in range(start, start + 100)])
        self.assertEqual(small.pipeline([("GET", f"k{i}") for i in range(100)]), [b"v%d" % i for i in range(100)])
        self.assertGreater(terms.sample(weir, "weir_fallback_evictions_total"), 1000)
        self.assertLessEqual(terms.sample(weir, "weir_fallback_bytes"), 2 << 20)
        self.assertEqual(large.call("GET", "k2999"), b"x" * 2000)
        servers.wait_until(lambda: terms.sample(weir, "weir_fallback_keys") == sum(
            client.call("DBSIZE") for client in (small, large)), what="a count of the keys that is right")

    def test_what_is_not_allowed_is_not_allowed_now_either(self):
        weir = self.start(outages.BY_HAND, tenants={
            "a": {"deny": ["append", "keys"], "keys": ["k*", "%R~ro*"], "databases": [0, 2]}, "b": {"read_only": True}})
        one, other = self.client(weir), self.client(weir, "b")
        asked = [("APPEND", "k", "v"), ("KEYS", "*"), ("GET", "x"), ("SET", "ro", "v"), ("SELECT", "1"), ("MSET", "k", "1", "x", "2"),
                 ("CONFIG", "SET", "maxmemory", "1"), ("FLUSHALL", "x"), ("COPY", "k", "x"), ("RENAME", "x", "k"), ("SORT", "k", "BY", "x*")]
        before = [one.call(*command) for command in asked]
        before_other = [other.call(*command) for command in (("SET", "k", "v"), ("DEL", "k"), ("GET", "k"))]
        self.begin(weir)
        self.assertEqual([one.call(*command) for command in asked], before)
        self.assertEqual([other.call(*command) for command in (("SET", "k", "v"), ("DEL", "k"), ("GET", "k"))], before_other)
        self.assertEqual(one.pipeline([("SET", "k", "v"), ("GET", "k"), ("GET", "ro"), ("SELECT", "2"), ("GET", "k")]),
                         [b"OK", b"v", None, b"OK", None])
        replies = one.pipeline([("MULTI",), ("SET", "k", "w"), ("APPEND", "k", "v"), ("EXEC",), ("SELECT", 0), ("GET", "k")])
        self.assertEqual((outages.kind(replies[2]), outages.kind(replies[3]), replies[5]), ("NOPERM", "EXECABORT", b"v"))

    def test_limits_count(self):
        limit = {"name": "writes", "commands": ["@write"], "rate": "10/1h"}
        weir = self.start(outages.BY_HAND, tenants={"a": {"limits": [limit]}, "b": {}})
        client = self.client(weir)
        client.pipeline([("SET", "k", i) for i in range(4)])
        self.begin(weir)
        replies = client.pipeline([part for i in range(10) for part in (("SET", "k", i), ("GET", "k"))])
        self.assertEqual(replies[0:12:2], [b"OK"] * 6)
        self.assertTrue(all(terms.is_refusal(reply) for reply in replies[12::2]), replies)
        self.assertEqual(replies[1::2], [b"0", b"1", b"2", b"3", b"4", b"5", b"5", b"5", b"5", b"5"])
        servers.wait_until(lambda: terms.decisions(weir, "a", "writes")[:2] == (10, 4), what="its count")
        self.end(weir)
        self.assertTrue(terms.is_refusal(client.call("SET", "k", "v")))

    def test_limits_that_delay(self):
        limit = {"name": "slow", "commands": ["get"], "rate": "1/50ms", "burst": 1, "action": "delay", "max_delay": "20s"}
        weir = self.start(outages.BY_HAND, tenants={"a": {"limits": [limit]}, "b": {}})
        self.begin(weir)
        client, began = self.client(weir), time.monotonic()
        told = client.pipeline([("SET", "k", "v"), *[("GET", "k"), ("ECHO", "x")] * 10, ("SET", "k", "w"), ("GET", "k")])
        self.assertEqual(told, [b"OK", *[b"v", b"x"] * 10, b"OK", b"w"])
        self.assertGreaterEqual(time.monotonic() - began, 0.45)

    def test_rules_by_key(self):
        rules = [{"keys": ["session:*"], "writes": "no"}, {"keys": ["lock:*", "stock:*"], "reads": "no", "writes": "no"},
                 {"keys": ["queue:*"], "reads": "no"}]
        weir = self.start(outages.BY_HAND, tenants={"a": {"fallback": rules}, "b": {}})
        other = self.client(weir, "b")
        self.begin(weir)
        why = rb"the tenant's fallback rules do not allow it for this key"
        for command, allowed in ((("GET", "session:1"), True), (("SET", "session:1", "v"), False), (("GET", "lock:1"), False),
                                 (("SET", "lock:1", "v"), False), (("SET", "stock:1", "v"), False), (("SET", "free", "v"), True),
                                 (("GET", "free"), True), (("MGET", "free", "session:1"), True), (("MGET", "free", "lock:1"), False),
                                 (("MSET", "free", "1", "session:1", "2"), False), (("DEL", "free", "lock:1"), False),
                                 (("RPUSH", "queue:1", "v"), True), (("LRANGE", "queue:1", "0", "-1"), False),
                                 (("LPOP", "queue:1"), True), (("SINTERSTORE", "free", "session:1"), False),
                                 (("KEYS", "*"), False), (("SCAN", "0"), False), (("DBSIZE",), False), (("RANDOMKEY",), False),
                                 (("FLUSHDB",), False)):
            for protocol in (2, 3):
                with self.subTest(command, protocol=protocol), weir.client("a", protocol) as client:
                    reply = client.call(*command)
                    if allowed:
                        self.assertNotIsInstance(reply, resp.Error)
                    else:
                        self.assert_fallback(reply, command[0].lower(), ("forced_open",))
                        self.assertRegex(reply, why)
        for command in (("SET", "lock:1", "v"), ("KEYS", "*"), ("FLUSHDB",)):
            self.assertNotIsInstance(other.call(*command), resp.Error)

    def test_rules_within_transactions(self):
        weir = self.start(outages.BY_HAND, tenants={"a": {"fallback": [{"keys": ["lock:*"], "writes": "no"}]}, "b": {}})
        self.begin(weir)
        client = self.client(weir)
        replies = client.pipeline([("MULTI",), ("SET", "free", "new"), ("SET", "lock:1", "v"), ("EXEC",), ("GET", "free")])
        self.assert_discarded(replies[3])
        self.assertIsNone(replies[4])

    def test_rules_of_plans_and_by_reload(self):
        """While it lasts, too."""
        no = [{"keys": ["*"], "reads": "no", "writes": "no"}]
        weir = self.start(outages.BY_HAND, plans={"none": {"fallback": no}}, tenants={"a": {"plan": "none"}, "b": {}})
        self.begin(weir)
        client, other = self.client(weir), self.client(weir, "b")
        self.assert_fallback(client.call("GET", "k"), "get")
        self.assertIsNone(other.call("GET", "k"))
        self.assertTrue(weir.reload(tenants={"a": {}, "b": {"fallback": no}}), weir.tail())
        servers.wait_until(lambda: client.call("GET", "k") is None, what="the new rules")
        servers.wait_until(lambda: outages.kind(other.call("GET", "k")) == "FALLBACK forced_open", what="the new rules")
        self.assertEqual(outages.state(weir), "forced_open")

    def test_last_resort_empty(self):
        """Without a store reads are answered as if there were nothing, and writes are not answered."""
        weir = self.start(outages.BY_HAND, {"order": [], "last_resort": "empty"})
        client = self.client(weir)
        client.pipeline([("SET", "k", "v"), ("RPUSH", "l", "v")])
        self.begin(weir)
        reads = [command.split() for command in (
            "GET k|HGETALL h|LRANGE l 0 -1|SMEMBERS t|MGET a b|ZRANGE z 0 -1 WITHSCORES|EXISTS k|TTL k|TYPE k|STRLEN k|HGET h f|ZSCORE z m|"
            "KEYS *|DBSIZE|SCAN 0|SISMEMBER t m|LLEN l|HMGET h f g|SORT_RO l|RANDOMKEY|GET|LRANGE l a b|ZRANGEBYSCORE z -inf +inf").split("|")]
        for protocol in (2, 3):
            with self.folder.redis(f"reference{protocol}").client(protocol) as reference, weir.client("a", protocol) as client:
                for command in reads:
                    with self.subTest(command, protocol=protocol):
                        self.assertEqual(client.call_raw(*command), reference.call_raw(*command))
                for command in "SET k v|XADD x * f v|INCR n|DEL k|LPOP l|GETDEL k|XLEN x|SUBSCRIBE c|PUBLISH c m|BLPOP l 0.01|FLUSHDB".split("|"):
                    with self.subTest(command, protocol=protocol):
                        self.assert_fallback(client.call(*command.split()), command.split()[0].lower())
                replies = client.pipeline([("MULTI",), ("GET", "k"), ("HGETALL", "h"), ("EXEC",), ("MULTI",), ("SET", "k", "w"), ("EXEC",)])
                self.assertEqual(replies[3][0], None)
                self.assertIn(b"FALLBACK breaker", replies[6][0] if isinstance(replies[6], list) else replies[6])
        servers.wait_until(lambda: outages.answers(weir)[1] >= 40, what="empty answers that count")
        self.assertEqual(outages.answers(weir)[0], 0)
        self.end(weir)
        self.assertEqual(self.client(weir).call("GET", "k"), b"v")

    def test_rules_go_before_the_last_resort(self):
        no = [{"keys": ["far:*"], "reads": "no"}]
        weir = self.start(outages.BY_HAND, {"order": ["memory"], "last_resort": "empty"}, tenants={"a": {"fallback": no}, "b": {}})
        self.begin(weir)
        client = self.client(weir)
        self.assert_fallback(client.call("GET", "far:k"), "get")
        self.assertIsNone(client.call("GET", "near:k"))

    def test_without_a_store(self):
        weir = self.start(outages.BY_HAND, None)
        self.begin(weir)
        client = self.client(weir)
        for command in (("GET", "k"), ("SET", "k", "v"), ("XADD", "x", "*", "f", "v"), ("KEYS", "*")):
            reply = client.call(*command)
            self.assert_fallback(reply, states=("forced_open",))
            self.assertIn(b"no fallback is configured", reply)
        self.assertEqual(client.call("PING"), b"PONG")

    def test_counts_are_each_tenants_own(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        with weir.client("a") as one, weir.client("b") as other:
            one.pipeline([("SET", "k", "v")] * 30 + [("XADD", "x", "*", "f", "v")] * 3)
            other.pipeline([("GET", "k")] * 5)
            servers.wait_until(lambda: outages.answers(weir, "a") == (30, 0, 3), what="a's count")
            servers.wait_until(lambda: outages.answers(weir, "b") == (5, 0, 0), what="b's count")


class ClientTest(outages.OutageTest):
    """Connections that are in the middle of something."""

    def test_what_was_begun_before(self):
        """A transaction that was queued is done by memory; keys watched in Redis cannot be vouched for, and so it is not."""
        weir = self.start(outages.BY_HAND)
        queued, watching = self.client(weir), self.client(weir)
        queued.pipeline([("MULTI",), ("SET", "k", "queued"), ("GET", "k")])
        watching.pipeline([("WATCH", "w"), ("GET", "w"), ("MULTI",), ("SET", "w", "watched")])
        self.begin(weir)
        self.assertEqual(queued.call("EXEC"), [b"OK", b"queued"])
        self.assertNotIsInstance(watching.call("EXEC"), list)
        self.assertIsNone(watching.call("GET", "w"))

    def test_what_blocks_or_listens_while_redis_dies(self):
        weir = self.start(outages.QUICK)
        blocked, listening, tracking = (self.client(weir, protocol=3) for _ in range(3))
        tracking.call("CLIENT", "TRACKING", "ON")
        listening.send("SUBSCRIBE", "c")
        listening.read()
        client = self.client(weir)
        blocked.send("BLPOP", "l", 0)
        with self.redis.client() as direct:
            servers.wait_until(lambda: b"blocked_clients:1\r\n" in direct.call("INFO", "clients"), what="a blocked client")
        self.redis.kill()
        self.assertIsInstance(blocked.read(), resp.Error)
        listening.read_until_closed()
        servers.wait_until(lambda: not isinstance(client.call("SET", "l", "v"), resp.Error), what="the fallback")
        self.assertEqual(blocked.call("GET", "l"), b"v")
        self.restart()
        outages.wait_for_state(weir, "closed")
        servers.wait_until(lambda: blocked.call("RPUSH", "l", "of-redis") == 1, what="Redis")
        self.assertEqual(blocked.call("BLPOP", "l", 1), [b"l", b"of-redis"])

    def test_large_requests(self):
        """Longer than what is passed on while it arrives (64 KiB), in pieces, and among others."""
        weir = self.start(outages.BY_HAND, {"order": ["memory"], "memory": {"max_bytes": "64MiB"}})
        self.begin(weir)
        for protocol in (2, 3):
            client = self.client(weir, protocol=protocol)
            for size in (65_000, 66_000, 300_000, 5_000_000):
                value = os.urandom(1000) * (size // 1000)
                with self.subTest(size=size, protocol=protocol):
                    commands = [("SET", "small", "v"), ("SET", "large", value), ("GET", "small"), ("STRLEN", "large"),
                                ("APPEND", "large", "!"), ("GET", "large"), ("RPUSH", "l", value), ("DEL", "l"), ("XADD", "x", "*", "f", value),
                                ("GETRANGE", "large", 0, 9)]
                    sender = client.send_in_background([b"".join(resp.encode(*command) for command in commands)])
                    told = [client.read() for _ in commands]
                    sender.join()
                    self.assertEqual(told[:5], [b"OK", b"OK", b"v", len(value), len(value) + 1])
                    self.assertEqual(told[5], value + b"!")
                    self.assertEqual(told[6:8], [1, 1])
                    self.assert_fallback(told[8], "xadd")
                    self.assertEqual(told[9], value[:10])

    def test_a_large_request_that_begins_before_and_ends_within(self):
        weir = self.start(outages.BY_HAND)
        client = self.client(weir)
        request = resp.encode("SET", "large", b"x" * 400_000)
        client.send_raw(request[:100_000])
        client_two = self.client(weir)
        client_two.call("PING")
        self.begin(weir)
        client.send_raw(request[100_000:])
        self.assertIn(outages.kind(client.read()).split()[0], ("ok", "UPSTREAM", "FALLBACK"))
        self.assertEqual(client.pipeline([("SET", "k", "v"), ("GET", "k")]), [b"OK", b"v"])

    def test_clients_that_hang_up_before_their_answers(self):
        weir = self.start(outages.BY_HAND, workers=2)
        self.begin(weir)
        other = self.client(weir, "b")
        pipeline = b"".join(resp.encode("SET", f"k{i}", b"x" * 1000) + resp.encode("GET", f"k{i}") for i in range(500))
        for turn in range(100):
            client = weir.client()
            client.send_raw(pipeline[:len(pipeline) * (turn + 1) // 100])
            if turn % 2:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            client.close()
            self.assertIsNone(other.call("GET", "k1"))
        servers.wait_until(lambda: terms.sample(weir, "weir_client_connections", tenant="a") in (0, None), what="their ends")
        with weir.client() as client:
            self.assertEqual(client.pipeline([("SET", "k", "v"), ("GET", "k")]), [b"OK", b"v"])

    def test_half_closed_client_gets_its_answers(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        client = self.client(weir)
        client.send_raw(b"".join(resp.encode("INCR", "n") for _ in range(1000)))
        client.half_close()
        self.assertEqual(client.read_until_closed(), b"".join(b":%d\r\n" % (i + 1) for i in range(1000)))

    def test_replies_switched_off(self):
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        client = self.client(weir)
        client.send_raw(b"".join(resp.encode(*command) for command in (
            ("CLIENT", "REPLY", "OFF"), ("SET", "k", "1"), ("XADD", "x", "*", "f", "v"), ("CLIENT", "REPLY", "ON"),
            ("CLIENT", "REPLY", "SKIP"), ("INCR", "k"), ("GET", "k"))))
        self.assertEqual([client.read(), client.read()], [b"OK", b"2"])

    def test_cut_anywhere(self):
        """Requests in pieces of any length."""
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        commands = [("SET", "k", "v" * 50), ("GET", "k"), ("MULTI",), ("INCR", "n"), ("GET", "n"), ("EXEC",), ("XLEN", "x"), ("PING",),
                    ("DEL", "n", "k")]
        data = b"".join(resp.encode(*command) for command in commands)
        client = self.client(weir)
        for place in range(1, len(data)):
            for part in (data[:place], data[place:]):
                client.send_raw(part)
            told = [client.read() for _ in commands]
            self.assertEqual(told[:6], [b"OK", b"v" * 50, b"OK", b"QUEUED", b"QUEUED", [1, b"1"]])
            self.assert_fallback(told[6], "xlen")
            self.assertEqual(told[7:], [b"PONG", 2])

    def test_many_answers_for_a_client_that_does_not_read(self):
        """It is its own affair: others are served."""
        weir = self.start(outages.BY_HAND)
        self.begin(weir)
        greedy, other = self.client(weir), self.client(weir, "b")
        greedy.call("SET", "k", b"x" * 50_000)
        sender = greedy.send_in_background([resp.encode("GET", "k")] * 2000)
        for turn in range(200):
            self.assertEqual(other.call("INCR", "n"), turn + 1)
        for _ in range(2000):
            self.assertEqual(len(greedy.read()), 50_000)
        sender.join()

    def test_drain(self):
        """SIGTERM in an outage: what is under way is answered, and it ends in time."""
        for dead in (False, True):
            with self.subTest(dead=dead):
                weir = self.start(outages.QUICK, drain_timeout="5s")
                client = self.client(weir)
                client.call("SET", "k", "v")
                if dead:
                    self.redis.kill()
                    servers.wait_until(lambda: not isinstance(client.call("GET", "k"), resp.Error), what="the fallback")
                else:
                    self.begin(weir)
                client.send_raw(b"".join(resp.encode("INCR", "n") for _ in range(300)))
                self.assertEqual(client.read(), 1)
                weir.signal(signal.SIGTERM)
                rest = client.read_until_closed()
                self.assertEqual(rest, b"".join(b":%d\r\n" % (i + 2) for i in range(299)))
                self.assertEqual(weir.wait(), 0)

    def test_reload(self):
        """What memory has, and the breaker's state, outlive SIGHUP."""
        weir = self.start(outages.BY_HAND)
        client = self.client(weir)
        self.begin(weir)
        client.call("SET", "k", "v")
        for turn in range(5):
            self.assertTrue(weir.reload(tenants={"a": {"deny": ["append"] if turn % 2 == 0 else []}, "b": {}}), weir.tail())
            self.assertEqual(client.pipeline([("GET", "k"), ("INCR", "n")]), [b"v", turn + 1])
            self.assertEqual(outages.state(weir), "forced_open")
        servers.wait_until(lambda: outages.kind(client.call("APPEND", "k", "w")) == "NOPERM", what="the new terms")
        self.assertFalse(weir.reload(breaker={"nosuch": 1}))
        weir.config = {**weir.config, "breaker": outages.BY_HAND}
        self.assertEqual(client.call("GET", "k"), b"v")

    def test_a_tenant_that_is_removed_meanwhile(self):
        weir = self.start(outages.BY_HAND)
        client, other = self.client(weir), self.client(weir, "b")
        self.begin(weir)
        client.call("SET", "k", "v")
        other.call("SET", "k", "w")
        changed = weir.reload(tenants={"a": {}}, listeners=[{"bind": "127.0.0.1:0", "tenant": "a"}])
        if changed:
            other.read_until_closed()
        self.assertEqual(client.call("GET", "k"), b"v")


class StoppedTest(outages.OutageTest):
    """A Redis that is there and does not answer: what it costs clients is one command_timeout each, at most."""

    TIMEOUT = 1.5  # long enough that a loaded machine's pauses are not taken for it

    def measure(self, clients, script, breaker=None, depth=1, warm=200, workers=2):
        """Stops Redis under load, lets it last, wakes it; gives for each client how often it waited."""
        weir = self.start({**outages.QUICK, **(breaker or {})}, upstream={"command_timeout": f"{int(self.TIMEOUT * 1000)}ms"},
                          workers=workers)
        load = outages.Load(weir, script, clients, rest=0.001) if depth == 1 else PipelineLoad(weir, script, clients, depth)
        try:
            load.served(warm)
            began, since = time.monotonic(), len(weir.lines)
            self.redis.signal(signal.SIGSTOP)
            weir.wait_for("breaker opened", since=since)
            opened = time.monotonic() - began
            load.served(50)
            self.redis.signal(signal.SIGCONT)
            weir.wait_for("breaker closed", since=since)
            load.served(20)
        finally:
            self.redis.signal(signal.SIGCONT)
            load.stop()
        waits = load.waits(self.TIMEOUT / 2)
        longest = max(took for one in load.seen for _, took, _, _ in one)
        print(f"stopped, {clients} clients with {depth} at a time: open after {opened * 1000:.0f} ms, longest wait {longest * 1000:.0f} ms, "
              f"waits for each client {sorted(waits)[-5:]}, saw {load.kinds(since=began)}")
        allowed = {"ok", "UPSTREAM timeout", "UPSTREAM lost", "UPSTREAM down", "closed"}
        self.assertLessEqual(set(load.kinds(since=began)), allowed)
        self.assertLessEqual(max(waits), 1, "somebody waited twice")
        self.assertLess(longest, self.TIMEOUT + 1)
        self.assertLess(opened, 2 * self.TIMEOUT + 1)
        return load

    def test_one_client(self):
        """With much success in the window before."""
        self.measure(1, lambda index, turn: ("GET", "k"), warm=1000)

    def test_one_client_and_a_row_of_failures(self):
        self.measure(1, lambda index, turn: ("GET", "k"), {"failure_rate": "0%", "consecutive_failures": 5})

    def test_many_clients(self):
        self.measure(40, lambda index, turn: ("SET", f"k{index}", turn) if turn % 2 else ("GET", f"k{index}"), warm=100)

    def test_pipelines(self):
        self.measure(10, lambda index, turn: ("SET", f"k{index}", turn) if turn % 2 else ("GET", f"k{index}"), depth=100, warm=20)

    def test_commands_on_connections_of_their_own(self):
        """Large values. Whose reply was under way when Redis stopped is cut off, and comes again."""
        big = b"x" * 100_000
        self.measure(6, lambda index, turn: ("SET", f"k{index}", big) if turn % 2 else ("GET", f"k{index}"), warm=30)


class PipelineLoad(outages.Load):
    """As Load, with many commands in each write; of a pipeline it keeps one entry, of its worst reply."""

    def __init__(self, weir, script, clients, depth):
        self.depth = depth
        super().__init__(weir, script, clients)

    def exchange(self, client, index, turn):
        replies = client.pipeline([self.script(index, turn * self.depth + i) for i in range(self.depth)])
        return next((reply for reply in replies if isinstance(reply, resp.Error)), replies[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
