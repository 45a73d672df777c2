"""Limits with scope global: several weirs in front of one Redis share one budget. What passes stays within the bounds that
policy/global_share.hpp derives; without Redis each limit is what on_store_down says. WEIR_GLOBAL_SECONDS makes the runs
longer.
"""
import os
import threading
import time
import unittest

import resp
import servers
import sides

SECONDS = float(os.environ.get("WEIR_GLOBAL_SECONDS", "5"))
ADMIN = {"bind": "127.0.0.1:0"}
REFUSED = rb"^RATELIMITED limit 'calls' of tenant 'a': "


def limit(rate, **more):
    return {"limits": [{"name": "calls", "commands": ["get"], "rate": rate, "scope": "global", **more}]}


class Hammer(threading.Thread):
    """A client that asks again and again until it is told to end; it rests a little when it is refused, as clients do."""

    def __init__(self, weir, ending):
        super().__init__()
        self.weir, self.ending = weir, ending
        self.passed, self.refused, self.faults = 0, 0, []

    def run(self):
        with self.weir.client() as client:
            while not self.ending.is_set():
                reply = client.call("GET", "k")
                if reply is None:
                    self.passed += 1
                elif isinstance(reply, resp.Error) and reply.startswith(b"RATELIMITED"):
                    self.refused += 1
                    self.ending.wait(0.002)
                else:
                    self.faults.append(reply)


class GlobalLimitTest(servers.ServerTest):
    def start(self, count, rate, **more):
        self.redis = self.folder.redis()
        self.weirs = [self.folder.weir(self.redis, workers=1, admin=ADMIN, tenants={"a": limit(rate, **more), "b": {}})
                      for _ in range(count)]
        for weir in self.weirs:
            servers.wait_until(lambda weir=weir: sides.metrics(weir)["weir_upstream_up"] == 1, what="the upstream")

    def hammer(self, seconds, each=2):
        """How many calls passed in all, and how long it took."""
        ending = threading.Event()
        clients = [Hammer(weir, ending) for weir in self.weirs for _ in range(each)]
        began = time.monotonic()
        for client in clients:
            client.start()
        ending.wait(seconds)
        ending.set()
        for client in clients:
            client.join(30)
        took = time.monotonic() - began
        self.assertEqual([fault for client in clients for fault in client.faults], [])
        self.assertGreater(sum(client.refused for client in clients), 0, "nobody was refused, so nothing was shown")
        return sum(client.passed for client in clients), took

    def check_hundred_a_second(self, count, **more):
        self.start(count, "100/1s", **more)
        passed, took = self.hammer(SECONDS)
        windows = more.get("algorithm") == "fixed_window"
        most = 100 + 100 * took + (100 if windows else 0) + count * 5  # a burst, the rate, and a debt each
        self.assertLessEqual(passed, most)
        self.assertGreaterEqual(passed, 0.8 * 100 * took, "units lie unused in shares")
        print(f"{count} weirs {more or ''}: {passed} in {took:.1f} s, at most {most:.0f}")

    def test_two_weirs_share_a_hundred_a_second(self):
        self.check_hundred_a_second(2)

    def test_four_weirs_share_a_hundred_a_second(self):
        self.check_hundred_a_second(4)

    def test_four_weirs_share_windows(self):
        for algorithm in ("fixed_window", "sliding_window"):
            with self.subTest(algorithm):
                self.check_hundred_a_second(4, algorithm=algorithm)

    def test_four_weirs_share_five_a_minute(self):
        self.start(4, "5/60s")
        passed, _ = self.hammer(2)
        self.assertGreaterEqual(passed, 5)
        self.assertLessEqual(passed, 5 + 4, "a debt of one unit each")

    def test_a_pipeline_gets_all_that_there_is(self):
        """More than a share at once: weir asks for the rest, and does not refuse what Redis has."""
        self.start(1, "100/1h")
        with self.weirs[0].client() as client:
            replies = client.pipeline([("GET", "k")] * 120)
        passed = sum(reply is None for reply in replies)
        self.assertGreaterEqual(passed, 100)
        self.assertLessEqual(passed, 100 + 5, "a debt is a 20th")

    def test_what_one_does_not_use_the_other_can_have(self):
        self.start(2, "40/60s")
        first, second = (weir.client() for weir in self.weirs)
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        self.assertIsNone(first.call("GET", "k"))
        passed = 0

        def takes_the_rest():
            nonlocal passed
            passed += second.call("GET", "k") is None
            return passed >= 39
        servers.wait_until(takes_the_rest, what="the units that the first holds")

    def test_a_lower_rate_holds_nothing_against_a_tenant_for_long(self):
        self.start(1, "10000/10s")
        [weir] = self.weirs
        with weir.client() as client:
            passed = 0

            def has_used_it_up():
                nonlocal passed
                passed += sum(reply is None for reply in client.pipeline([("GET", "k")] * 500))
                return passed >= 10_000
            servers.wait_until(has_used_it_up, what="the end of the limit")
            self.assertTrue(weir.reload(tenants={"a": limit("100/1s"), "b": {}}))
            began = time.monotonic()
            passed = 0

            def passes_again():  # more than what weir may have had left, or owe
                nonlocal passed
                passed += client.call("GET", "k") is None
                return passed >= 60
            servers.wait_until(passes_again, what="calls that pass")
            self.assertLess(time.monotonic() - began, 8, "of 100 seconds that 10,000 units would take")

    def test_without_redis_closed_refuses_and_says_why_and_open_goes_on_alone(self):
        for down, refusals in (("closed", True), ("open", False)):
            with self.subTest(down):
                self.start(2, "1000/1s", on_store_down=down)
                clients = [weir.client() for weir in self.weirs]
                for client in clients:
                    self.assertIsNone(client.call("GET", "k"))
                self.redis.kill()
                for weir in self.weirs:
                    servers.wait_until(lambda weir=weir: self.is_store_known_to_be_down(weir), what="a store that is away")
                for client in clients:
                    reply = client.call("GET", "k")
                    wanted = REFUSED + rb".* its count is in Redis, which does not answer" if refusals else rb"^UPSTREAM"
                    self.assertRegex(reply, wanted)
                self.redis = self.folder.redis()
                for client in clients:
                    servers.wait_until(lambda client=client: client.call("GET", "k") is None, what="Redis again")
                    client.close()

    def is_store_known_to_be_down(self, weir):
        with weir.client() as client:
            client.call("GET", "k")  # asks for units, which finds out
        return sides.metrics(weir)["weir_limit_store_up"] == 0

    def test_every_key_of_it_has_a_time_to_live_and_no_tenant_can_name_it(self):
        self.start(1, "100/1s")
        with self.weirs[0].client() as client, self.redis.client() as direct:
            client.call("GET", "k")
            servers.wait_until(lambda: direct.call("DBSIZE") == 1, what="the limit's key")
            [key] = direct.call("KEYS", "*")
            self.assertEqual(key, b"\x01weir:limit:a:calls")
            self.assertGreater(direct.call("PTTL", key), 0)
            self.assertEqual(client.call("KEYS", "*"), [])
            self.assertEqual(client.call("EXISTS", key), 0)
            self.assertEqual(client.call("DEL", key), 0)
            self.assertEqual(client.call("EVAL", "return redis.call('EXISTS', KEYS[1])", "1", key), 0)
            self.assertEqual(direct.call("EXISTS", key), 1)


if __name__ == "__main__":
    unittest.main()
