"""Limits with scope global: several weirs, one Redis, one budget. How far they may be off is said in
policy/global_share.hpp: a debt of each process above, and below what lies unused in others for half a second.

WEIR_GLOBAL_SECONDS: how long the weirs run against a limit together (5).
"""
import os
import signal
import threading
import time
import unittest

import resp
import servers
import terms

SECONDS = float(os.environ.get("WEIR_GLOBAL_SECONDS", "5"))
ADMIN = {"bind": "127.0.0.1:0"}
KEY = b"\x01weir:limit:%s:%s"


class GlobalLimitTest(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis()

    def tenants(self, rate, **more):
        """Tenant a, whose ECHO is limited, and b, whose is not."""
        return {"a": {"limits": [{"name": "echoes", "commands": ["echo"], "rate": rate, "scope": "global", **more}]}, "b": {}}

    def weirs(self, count, rate, **more):
        return [self.folder.weir(self.redis, admin=ADMIN, tenants=self.tenants(rate, **more)) for _ in range(count)]

    def client(self, weir, tenant="a"):
        client = weir.client(tenant)
        self.addCleanup(client.close)
        return client

    def passes(self, client):
        """Whether the limit let it pass, whatever Redis said."""
        return not terms.is_refusal(client.call("ECHO", "x"))

    def passed(self, client, calls):
        return sum(self.passes(client) for _ in range(calls))

    def hammer(self, weirs, seconds):
        """How many calls passed at each weir, and how long that took."""
        counts, faults = [0] * len(weirs), []

        def run(number):
            try:
                with weirs[number].client() as client:
                    while time.monotonic() < end:
                        counts[number] += self.passes(client)
            except Exception as fault:  # pylint: disable=broad-except
                faults.append(fault)

        start = time.monotonic()
        end = start + seconds
        threads = [threading.Thread(target=run, args=(number,)) for number in range(len(weirs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])
        return counts, time.monotonic() - start

    def away(self, weir):
        return terms.sample(weir, "weir_limit_store_up") == 0

    def remaining(self, tenant=b"a", limit=b"echoes"):
        """The backlog that Redis holds, in units."""
        with self.redis.client() as direct:
            text = direct.call("GET", KEY % (tenant, limit))
        return None if text is None else float(text.split()[1])


class BudgetTest(GlobalLimitTest):
    def test_weirs_together_let_pass_one_rate(self):
        for count, algorithm in ((2, "gcra"), (4, "gcra"), (4, "fixed_window"), (4, "sliding_window")):
            with self.subTest(weirs=count, algorithm=algorithm):
                weirs = self.weirs(count, "100/1s", algorithm=algorithm)
                counts, took = self.hammer(weirs, SECONDS)
                # A burst and the rate; or the windows that it was, begun ones too, each with a debt of every weir.
                most = 100 + 100 * took + 5 * count if algorithm == "gcra" else (took + 2) * (100 + 5 * count)
                self.assertLessEqual(sum(counts), most, counts)
                self.assertGreaterEqual(sum(counts), 0.8 * 100 * took, counts)
                for weir in weirs:
                    weir.stop()
                with self.redis.client() as direct:
                    direct.call("FLUSHALL")

    def test_a_small_limit_is_exceeded_by_a_call_of_each_weir_at_most(self):
        for count in (2, 4):
            with self.subTest(weirs=count):
                weirs = self.weirs(count, "5/60s", algorithm="fixed_window")
                before = time.time() // 60
                counts, _ = self.hammer(weirs, 2)
                windows = 1 + time.time() // 60 - before
                self.assertGreaterEqual(sum(counts), 5)
                self.assertLessEqual(sum(counts), windows * (5 + count))
                with self.redis.client() as direct:
                    direct.call("FLUSHALL")

    def test_one_client_gets_all_of_a_small_limit_while_others_only_wait(self):
        one, *others = self.weirs(3, "10/1h")
        for other in others:
            self.client(other).call("PING")
        passed = self.passed(self.client(one), 30)
        self.assertGreaterEqual(passed, 10)
        self.assertLessEqual(passed, 10 + 1)

    def test_a_pipeline_gets_all_that_there_is(self):
        weir, = self.weirs(1, "100/1h")
        client = self.client(weir)
        replies = client.pipeline([("ECHO", "x")] * 120)
        passed = sum(not terms.is_refusal(reply) for reply in replies)
        self.assertGreaterEqual(passed, 100)
        self.assertLessEqual(passed, 105)

    def test_what_one_weir_does_not_use_another_gets_within_the_documented_time(self):
        one, two = self.weirs(2, "1000/1h")
        self.assertTrue(self.passes(self.client(one)))
        servers.wait_until(lambda: self.remaining() is not None and self.remaining() <= 1.01, what="the return of the share")
        client, passed = self.client(two), 1
        end = time.monotonic() + 30
        while passed < 1000 and time.monotonic() < end:
            passed += self.passes(client)
        self.assertEqual(passed, 1000)
        self.assertLessEqual(self.passed(client, 200), 2 * 50)

    def test_a_lower_rate_holds_nothing_against_a_tenant_for_long(self):
        weir, = self.weirs(1, "10000/10s")
        client = self.client(weir)
        servers.wait_until(lambda: any(map(terms.is_refusal, client.pipeline([("ECHO", "x")] * 500))), what="the limit's end")
        self.assertTrue(weir.reload(tenants=self.tenants("100/1s")))
        began = time.monotonic()
        servers.wait_until(lambda: self.passes(client), what="a call that passes")
        self.assertLess(time.monotonic() - began, 8, "of 100 seconds that 10,000 units would take")

    def test_a_weir_that_ends_gives_back_what_it_held(self):
        weir, = self.weirs(1, "1000/1h")
        client = self.client(weir)
        self.assertEqual(self.passed(client, 3), 3)
        client.close()
        weir.stop()
        self.assertLess(self.remaining(), 3.01)
        self.assertGreater(self.remaining(), 2.9)


class KeyTest(GlobalLimitTest):
    def test_every_key_ends_by_itself(self):
        weir = self.folder.weir(self.redis, tenants={"b": {}, "a": {"limits": [
            {"name": algorithm, "rate": "100/1m", "scope": "global", "algorithm": algorithm}
            for algorithm in ("gcra", "sliding_window", "fixed_window")]}})
        self.client(weir).pipeline([("ECHO", "x")] * 3)
        with self.redis.client() as direct:
            servers.wait_until(lambda: direct.call("DBSIZE") == 3, what="the counts of three limits")
            for key in direct.call("KEYS", "*"):
                self.assertTrue(key.startswith(b"\x01weir:limit:a:"), key)
                self.assertGreater(direct.call("PTTL", key), 0)
                self.assertLess(direct.call("PTTL", key), 130_000)

    def test_no_tenant_reaches_the_counts(self):
        weir, = self.weirs(1, "5/1h")
        client, other = self.client(weir), self.client(weir, "b")
        self.assertTrue(self.passes(client))
        key = KEY % (b"a", b"echoes")
        with self.redis.client() as direct:
            servers.wait_until(lambda: direct.call("EXISTS", key) == 1, what="the count")
            for one in (client, other):
                self.assertIsNone(one.call("GET", key))
                self.assertEqual(one.call("DEL", key), 0)
                self.assertEqual(one.call("KEYS", "*"), [])
                self.assertEqual(one.call("SCAN", "0", "COUNT", "1000")[1], [])
                self.assertEqual(one.call("DBSIZE"), 0)
                self.assertIsNone(one.call("RANDOMKEY"))
                for body in ("return redis.call('GET', ARGV[1])", "return _G.redis.call('GET', ARGV[1])",
                             "return load(\"return redis.call('DEL', '\\1weir:limit:a:echoes')\")()",
                             "return redis.call('SORT', 'none', 'BY', ARGV[1], 'GET', ARGV[1])"):
                    self.assertNotIn(one.call("EVAL", body, 0, key), (1, b"OK"), body)
                    self.assertEqual(direct.call("EXISTS", key), 1, body)
                one.call("FLUSHALL")
                one.call("SCRIPT", "FLUSH")
            self.assertEqual(direct.call("EXISTS", key), 1)
            self.assertGreaterEqual(self.remaining(), 0.9)


class StoreDownTest(GlobalLimitTest):
    def lose_redis(self, weirs, clients):
        self.redis.kill()
        for weir, client in zip(weirs, clients):
            servers.wait_until(lambda: (self.passes(client), self.away(weir))[1], what="weir's seeing that Redis is away")

    def find_redis(self, weirs):
        self.redis = self.folder.redis()
        for weir in weirs:
            servers.wait_until(lambda: not self.away(weir), what="weir's seeing that Redis is back")

    def test_open_each_weir_has_the_whole_rate_while_redis_is_away_and_one_budget_after(self):
        weirs = self.weirs(2, "20/1h", on_store_down="open")
        clients = [self.client(weir) for weir in weirs]
        for client in clients:
            self.assertTrue(self.passes(client))
        self.lose_redis(weirs, clients)
        for client in clients:
            self.assertLessEqual(self.passed(client, 60), 20)
            self.assertFalse(self.passes(client))
        self.find_redis(weirs)
        # A new Redis, which has counted nothing.
        passed = sum(self.passed(client, 40) for client in clients)
        self.assertGreaterEqual(passed, 20)
        self.assertLessEqual(passed, 22)

    def test_closed_nothing_passes_while_redis_is_away(self):
        weirs = self.weirs(2, "20/1h", on_store_down="closed")
        clients = [self.client(weir) for weir in weirs]
        for client in clients:
            self.assertTrue(self.passes(client))
        self.lose_redis(weirs, clients)
        for client in clients:
            self.assertIn(b"its count is in Redis, which does not answer", client.call("ECHO", "x"))
            self.assertEqual(self.passed(client, 20), 0)
        self.find_redis(weirs)
        for client in clients:
            servers.wait_until(lambda: self.passes(client), what="a call that passes")

    def test_a_redis_that_says_nothing_is_away_within_a_second(self):
        weir, = self.weirs(1, "20/1h", on_store_down="closed")
        client = self.client(weir)
        self.assertTrue(self.passes(client))
        self.redis.signal(signal.SIGSTOP)
        start = time.monotonic()
        client.send_raw(resp.encode("ECHO", "x") * 4)
        servers.wait_until(lambda: self.away(weir), what="weir's seeing that Redis is away")
        self.assertLess(time.monotonic() - start, 5)
        self.redis.signal(signal.SIGCONT)
        servers.wait_until(lambda: not self.away(weir), what="weir's seeing that Redis is back")
        for _ in range(4):
            client.read()
        self.assertTrue(self.passes(client))


if __name__ == "__main__":
    unittest.main()
