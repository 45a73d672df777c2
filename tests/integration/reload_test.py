"""SIGHUP: tenants and their terms change while clients are served. What was counted stays, who is gone is closed, and a
file with anything wrong changes nothing.
"""
import hashlib
import os
import re
import signal
import unittest

import resp
import servers
import sides
import terms

ADMIN = {"bind": "127.0.0.1:0"}
RELEASE = os.environ.get("WEIR_RELEASE_BINARY")  # a plain build, whose memory can be bounded tightly


def limit(rate, name="all", **more):
    return {"name": name, "commands": ["*"], "rate": rate, **more}


class ReloadTest(servers.SharedRedisTest):
    def start(self, workers=2, **sections):
        sections.setdefault("tenants", {"a": {}, "b": {}})
        return self.folder.weir(self.redis, workers=workers, admin=ADMIN, **sections)

    def client(self, weir, tenant="a", protocol=2):
        client = weir.client(tenant, protocol)
        self.addCleanup(client.close)
        return client

    def reload_terms(self, weir, clients=(), **of_a):
        """Gives tenant a other terms, and waits until the workers of these clients have heard of them."""
        self.assertTrue(weir.reload(tenants={"a": of_a, "b": {}}), weir.tail())


class LimitReloadTest(ReloadTest):
    def test_what_was_counted_stays(self):
        """As many units are used afterwards as before, whatever the rate; of each limit by its name."""
        for algorithm in ("gcra", "sliding_window", "fixed_window"):
            with self.subTest(algorithm=algorithm):
                weir = self.start(tenants={"a": {"limits": [limit("100/1h", algorithm=algorithm)]}, "b": {}})
                client = self.client(weir)
                client.pipeline([("GET", "k")] * 60)
                for rate, remaining in (("200/1h", 140), ("80/1h", 20), ("100/1h", 40), ("50/1h", 0)):
                    self.reload_terms(weir, limits=[limit(rate, algorithm=algorithm)])
                    self.assertIn(terms.decisions(weir, "a", "all")[3], (remaining, remaining + 1), rate)

    def test_open_clients_get_the_new_limits(self):
        weir = self.start()
        clients = [self.client(weir) for _ in range(6)]
        for client in clients:
            self.assertEqual(client.pipeline([("GET", "k")] * 10), [None] * 10)
        self.reload_terms(weir, limits=[limit("5/1h")])
        refused = servers.wait_until(lambda: self.refused_by(clients), what="the new limit everywhere")
        self.assertEqual({refusal.count for refusal in refused}, {5})
        self.reload_terms(weir, limits=[limit("1000000/1h", name="other")])
        servers.wait_until(lambda: all(client.call("GET", "k") is None for client in clients), what="the next limit")
        self.reload_terms(weir)
        servers.wait_until(lambda: terms.sample(weir, "weir_limit_remaining", tenant="a", limit="other") is None)
        for client in clients:
            self.assertEqual(client.pipeline([("GET", "k")] * 50), [None] * 50)

    @staticmethod
    def refused_by(clients):
        replies = [client.call("GET", "k") for client in clients]
        return [terms.Refusal(reply) for reply in replies] if all(map(terms.is_refusal, replies)) else None

    def test_counts_of_metrics_go_on_over_a_reload(self):
        weir = self.start(tenants={"a": {"limits": [limit("10/1h")]}, "b": {}})
        client = self.client(weir)
        client.pipeline([("GET", "k")] * 15)
        self.reload_terms(weir, limits=[limit("20/1h")])
        servers.wait_until(lambda: client.call("GET", "k") is None, what="the higher limit")
        servers.wait_until(lambda: terms.decisions(weir, "a", "all")[0] == 11, what="the count of all that passed")
        self.assertGreaterEqual(terms.decisions(weir, "a", "all")[1], 5)
        self.assertEqual(terms.decisions(weir, "a", "all")[3], 9)

    def test_client_that_waits_is_looked_at_again(self):
        """An hour's delay is over when a reload brings a limit that lets it pass."""
        weir = self.start(tenants={"a": {"limits": [limit("2/1h", burst=1, action="delay", max_delay="1h")]}, "b": {}})
        client = self.client(weir)
        client.call("GET", "k")
        client.send("GET", "k")
        servers.wait_until(lambda: terms.decisions(weir, "a", "all")[2] == 1, what="the delay")
        self.reload_terms(weir)
        self.assertIsNone(client.read())

    def test_plans(self):
        """A plan that changes changes all its tenants, but what they set by themselves."""
        weir = self.start(plans={"small": {"limits": [limit("3/1h")]}, "large": {"limits": [limit("1000/1h")]}},
                          tenants={"a": {"plan": "small"}, "b": {"plan": "small", "limits": [limit("4/1h")]}})
        for tenant, count in (("a", 3), ("b", 4)):
            client = self.client(weir, tenant)
            self.assertEqual([terms.is_refusal(reply) for reply in client.pipeline([("GET", "k")] * 6)],
                             [False] * count + [True] * (6 - count))
        self.assertTrue(weir.reload(tenants={"a": {"plan": "large"}, "b": {"plan": "large"}}))
        for tenant in "ab":
            client = self.client(weir, tenant)
            servers.wait_until(lambda client=client: client.call("GET", "k") is None, what="the larger plan")
            self.assertGreater(terms.decisions(weir, tenant, "all")[3], 900)

    def test_quotas_and_permissions(self):
        weir = self.start(workers=1)
        client = self.client(weir)
        self.reload_terms(weir, quotas={"max_arguments": 3, "max_connections": 1}, read_only=True)
        servers.wait_until(lambda: isinstance(client.call("SET", "k", "1"), resp.Error), what="read_only")
        self.assertRegex(client.call("DEL", "a"), rb"^NOPERM ")
        self.assertRegex(client.call("MGET", *"abc"), rb"max_arguments allows \(3\)")
        with weir.client() as refused:
            self.assertEqual(refused.read_until_closed(), b"-ERR max number of clients reached\r\n")
        self.reload_terms(weir)
        servers.wait_until(lambda: client.call("SET", "k", "1") == b"OK", what="the old terms")
        self.assertEqual(client.call("MGET", *"kabc"), [b"1", None, None, None])


    def test_client_in_a_database_that_is_taken_away_is_closed(self):
        """It would see there what it may not see any more; those elsewhere stay."""
        weir = self.start()
        inside, outside = self.client(weir), self.client(weir)
        self.assertEqual(inside.pipeline([("SELECT", "3"), ("SET", "k", "1")]), [b"OK"] * 2)
        self.reload_terms(weir, databases=[0, 1])
        self.assertEqual(inside.read_until_closed(), b"")
        refused = servers.wait_until(lambda: isinstance(told := outside.call("SELECT", "3"), resp.Error) and told,
                                     what="the new terms at the other worker")
        self.assertRegex(refused, rb"^(NOPERM|ERR)")
        self.assertEqual(outside.call("SELECT", "1"), b"OK")

    def test_transaction_that_was_queued_under_other_terms_does_nothing(self):
        weir = self.start()
        client, watcher = self.client(weir), self.client(weir)
        self.assertEqual(client.pipeline([("WATCH", "k"), ("MULTI",), ("SET", "k", "1")]), [b"OK", b"OK", b"QUEUED"])
        self.reload_terms(weir, deny=["@write"])
        servers.wait_until(lambda: isinstance(watcher.call("DEL", "k"), resp.Error), what="the new terms")
        self.reload_terms(weir)
        servers.wait_until(lambda: watcher.call("DEL", "k") == 0, what="the old terms")
        self.assertRegex(client.call("EXEC"), rb"^EXECABORT ")
        self.assertEqual(client.pipeline([("MULTI",), ("GET", "k"), ("EXEC",)]), [b"OK", b"QUEUED", [None]])


class InvalidFileTest(ReloadTest):
    def test_invalid_file_changes_nothing(self):
        """Whatever is wrong with it, also in another tenant or section: it is logged with its place, and counted."""
        weir = self.start(tenants={"a": {"limits": [limit("5/1h")]}, "b": {}})
        client = self.client(weir)
        client.pipeline([("GET", "k")] * 2)
        generous = {"limits": [limit("1000/1h")]}
        bad_files = ({"tenants": {"a": generous, "b": {"limits": [limit("nonsense")]}}},
                     {"tenants": {"a": generous, "b": {"nosuch": 1}}}, {"tenants": {"a": generous}},
                     {"tenants": {"a": generous, "b": {"plan": "nosuch"}}},
                     {"tenants": {"a": generous, "b": {}}, "workers": -1},
                     {"tenants": {"a": {"limits": [limit("9/1h"), limit("9/1h")]}, "b": {}}})
        for turn, bad in enumerate(bad_files):
            with self.subTest(bad=bad):
                since = len(weir.lines)
                self.assertFalse(weir.reload(**bad))
                weir.wait_for(r"error .*configuration not taken.*weir-\w+\.yaml:\d+:\d+", since=since)
                self.assertEqual(terms.decisions(weir, "a", "all")[3], 3)
                self.assertEqual(terms.sample(weir, "weir_config_reloads_total", result="failed"), turn + 1)
        with open(weir.file, "w", encoding="ascii") as out:
            out.write("tenants: [")
        self.assertFalse(self.signal_only(weir))
        os.rename(weir.file, weir.file + ".away")
        self.assertFalse(self.signal_only(weir))
        self.assertEqual([terms.is_refusal(reply) for reply in client.pipeline([("GET", "k")] * 4)],
                         [False] * 3 + [True])
        self.assertTrue(weir.reload(tenants={"a": generous, "b": {}}))
        self.assertEqual(terms.sample(weir, "weir_config_reloads_total", result="ok"), 1)

    @staticmethod
    def signal_only(weir):
        since = len(weir.lines)
        weir.signal(servers.signal.SIGHUP)
        return weir.wait_for(r"configuration (loaded|not taken)", since=since)[1] == "loaded"

    def test_what_cannot_change_is_said_and_stays(self):
        weir = self.start()
        since = len(weir.lines)
        client = self.client(weir)
        self.assertEqual(client.call("SET", "k", "1"), b"OK")
        self.assertTrue(weir.reload(workers=3, drain_timeout="3s",
                                    tenants={"a": {"prefix": "another:", "read_only": True}, "b": {}}))
        for option in ("workers", "drain_timeout", "tenants.a.prefix"):
            weir.wait_for(rf"needs a restart.*option={re.escape(option)}", since=since)
        servers.wait_until(lambda: isinstance(client.call("DEL", "k"), resp.Error), what="what can change")
        self.assertEqual(client.call("GET", "k"), b"1")
        self.assertEqual(self.client(weir).call("GET", "k"), b"1")


class OutageReloadTest(ReloadTest):
    def test_the_breakers_options(self):
        weir = self.start(breaker={"open_for": "1s"})
        for mode, said in (("disabled", "breaker disabled"), ("enforce", "breaker closed")):
            since = len(weir.lines)
            self.assertTrue(weir.reload(breaker={"open_for": "1s", "mode": mode}), weir.tail())
            weir.wait_for(said, since=since)
        since = len(weir.lines)
        self.assertTrue(weir.reload(fallback={"order": ["memory"]}, upstream={**weir.config["upstream"], "retry": "never"}), weir.tail())
        for option in ("fallback.order", "upstream.retry"):
            weir.wait_for(rf"needs a restart.*option={re.escape(option)}", since=since)

    def test_a_tenants_rules_while_redis_is_away(self):
        redis = self.folder.redis()
        weir = self.folder.weir(redis, tenants={"a": {}, "b": {}}, fallback={"order": ["memory"]},
                                breaker={"consecutive_failures": 1, "open_for": "1h", "max_open_for": "1h"})
        client = self.client(weir)
        self.assertEqual(client.call("PING"), b"PONG")
        redis.kill()
        servers.wait_until(lambda: client.call("SET", "k", "1") == b"OK", what="the fallback")
        rules = [{"keys": ["k*"], "writes": False}]
        self.assertTrue(weir.reload(tenants={"a": {"fallback": rules}, "b": {}}), weir.tail())
        refused = servers.wait_until(lambda: isinstance(told := client.call("SET", "k", "2"), resp.Error) and told,
                                     what="the rules")
        self.assertRegex(str(refused), "FALLBACK breaker open: 'set' .*rules do not allow it")
        self.assertEqual(client.call("GET", "k"), b"1")
        self.assertEqual(client.call("SET", "other", "1"), b"OK")
        self.assertEqual(self.client(weir, "b").call("SET", "k", "1"), b"OK")


class ComingAndGoingTest(ReloadTest):
    """Tenants by password: those that the file does not have any more are gone, new ones can come."""

    LISTENERS = [{"bind": "127.0.0.1:0", "tenant_from": "auth"}]

    def passwords(self, name):
        file = os.path.join(self.folder.path, name + ".passwords")
        if not os.path.exists(file):
            with open(file, "w", encoding="ascii") as out:
                out.write(f"sha256:{hashlib.sha256(b'of ' + name.encode()).hexdigest()}\n")
        return file

    def declared(self, names, **more):
        return {name: {"passwords_file": self.passwords(name), **more} for name in names}

    def login(self, weir, name, protocol=2):
        client = self.client(weir, "auth")
        told = client.call("AUTH", name, "of " + name)
        if told == b"OK" and protocol != 2:
            client.call("HELLO", protocol)
        return client, told

    def test_clients_of_a_removed_tenant_are_closed(self):
        """Whatever they are at: idle, blocked, in a transaction, subscribed, tracking, delayed; others go on."""
        slow = [{"name": "slow", "commands": ["get"], "rate": "2/1h", "burst": 1, "action": "delay", "max_delay": "1h"}]
        weir = self.start(listeners=self.LISTENERS, tenants=self.declared("ab", limits=slow))
        states = ([], [("BLPOP", "list", "0")], [("WATCH", "k"), ("MULTI",)], [("SUBSCRIBE", "c")],
                  [("CLIENT", "TRACKING", "ON")], [("GET", "k"), ("GET", "k")])
        clients = {}
        for tenant in "ab":
            clients[tenant] = [self.login(weir, tenant, 3)[0] for _ in states]
            for client, commands in zip(clients[tenant], states):
                for number, command in enumerate(commands):
                    client.send(*command)
                    if command[0] != "BLPOP" and number + 1 < max(len(commands), 2) or command[0] in ("MULTI",):
                        client.read()
        servers.wait_until(lambda: terms.sample(weir, "weir_blocked_clients", tenant="a") == 1, what="a blocked client")
        self.assertTrue(weir.reload(tenants=self.declared("b", limits=slow)), weir.tail())
        for client in clients["a"]:
            client.read_until_closed()
        self.assertRegex(self.login(weir, "a")[1], rb"^WRONGPASS ")
        for client, commands in zip(clients["b"], states):
            if not commands:
                self.assertEqual(client.call("PING"), b"PONG")
        with self.login(weir, "b")[0] as pusher:
            pusher.call("RPUSH", "list", "x")
        self.assertEqual(clients["b"][1].read(), [b"list", b"x"])
        servers.wait_until(lambda: terms.sample(weir, "weir_client_connections", tenant="a") is None, what="a's end")

    def test_tenant_comes_back_anew(self):
        """With another prefix or limit, even; nothing of what was counted is left."""
        limits = [limit("3/1h")]
        weir = self.start(listeners=self.LISTENERS, tenants=self.declared("ab", limits=limits))
        client, _ = self.login(weir, "a")
        client.pipeline([("SET", "k", "1")] * 5)
        self.assertTrue(weir.reload(tenants=self.declared("b", limits=limits)))
        client.read_until_closed()
        self.assertTrue(weir.reload(tenants=self.declared("ab", limits=limits)))
        client, told = self.login(weir, "a")
        self.assertEqual(told, b"OK")
        self.assertEqual(client.pipeline([("GET", "k")] * 3), [b"1"] * 3)

    def test_new_passwords(self):
        weir = self.start(listeners=self.LISTENERS, tenants=self.declared("ab"))
        client, _ = self.login(weir, "a")
        with open(self.passwords("a"), "w", encoding="ascii") as out:
            out.write(f"sha256:{hashlib.sha256(b'another').hexdigest()}\n")
        self.assertTrue(weir.reload(), weir.tail())
        self.assertRegex(self.login(weir, "a")[1], rb"^WRONGPASS ")
        self.assertEqual(self.client(weir, "auth").call("AUTH", "a", "another"), b"OK")
        self.assertEqual(client.call("PING"), b"PONG")  # as with Redis: who is in stays in

    def test_quota_of_connections_holds_for_those_who_authenticate(self):
        weir = self.start(listeners=self.LISTENERS, tenants=self.declared("ab", quotas={"max_connections": 2}))
        first, second = self.login(weir, "a")[0], self.login(weir, "a")[0]
        third, told = self.login(weir, "a")
        self.assertRegex(told, rb"^ERR max number of clients reached")
        self.assertRegex(third.call("GET", "k"), rb"^NOAUTH ")
        self.assertEqual(third.call("AUTH", "b", "of b"), b"OK")
        self.assertEqual(first.call("AUTH", "b", "of b"), b"OK")
        self.assertEqual(self.login(weir, "a")[1], b"OK")
        self.assertEqual(second.call("PING"), b"PONG")

    def test_nothing_is_left_of_tenants_that_went(self):
        """Thousands come, use all kinds of things, and are removed: neither weir nor its connections grow."""
        weir = self.start(listeners=self.LISTENERS, tenants=self.declared("b"), binary=RELEASE,
                          upstream={"pool": {"idle_timeout": "1s"}})
        sizes = []
        for turn in range(8):
            generation = [f"t{turn}x{i}" for i in range(200)]
            self.assertTrue(weir.reload(tenants=self.declared(generation, limits=[limit("100/1h")])), weir.tail())
            for name in generation:
                with self.login(weir, name, 3)[0] as client:
                    client.pipeline([("SET", "k", "1"), ("EVAL", "return 1", "0"), ("SCRIPT", "LOAD", "return 2"),
                                     ("SUBSCRIBE", "c"), ("CLIENT", "TRACKING", "ON")])
            shown = [labels for name, labels in terms.samples(weir) if name == "weir_client_connections_total"]
            self.assertLessEqual(len(shown), 201)
            sizes.append(weir.rss_bytes())
        self.assertLess(sizes[-1] - sizes[3], (16 if RELEASE else 300) << 20, sizes)
        servers.wait_until(lambda: terms.sample(weir, "weir_upstream_shared_connections") <= 4, what="their lanes' end")
        with self.redis.client() as direct:
            servers.wait_until(lambda: direct.call("CLIENT", "LIST").count(b"\n") < 20, what="the end of idle connections")


class UnderWayTest(servers.ServerTest):
    """What was asked for when it was allowed, and is answered when it is not any more."""

    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis()

    def during_a_reload(self, weir, ask, **tenants):
        """Redis stands still while `ask` is sent and the configuration changes."""
        self.redis.signal(signal.SIGSTOP)
        try:
            ask()
            self.assertTrue(weir.reload(tenants=tenants))
        finally:
            self.redis.signal(signal.SIGCONT)

    def test_a_database_that_is_taken_away_is_not_entered(self):
        for asked in ([("SELECT", 1)], [("MULTI",), ("SELECT", 1), ("EXEC",)]):
            with self.subTest(asked):
                weir = self.folder.weir(self.redis, tenants={"a": {"databases": [0, 1]}, "b": {}})
                with weir.client() as client, weir.client("b") as other:
                    client.call("GET", "k")
                    request = b"".join(resp.encode(*words) for words in asked)
                    self.during_a_reload(weir, lambda: self.send_and_see(client, other, request), a={"databases": [0]}, b={})
                    client.read_until_closed()

    def test_a_connection_that_is_no_longer_needed_goes_back(self):
        weir = self.folder.weir(self.redis, admin={"bind": "127.0.0.1:0"}, upstream={"pool": {"max": 4}})
        with weir.client() as client, weir.client("b") as other:
            client.call("GET", "k")
            self.during_a_reload(weir, lambda: self.send_and_see(client, other, resp.encode("BLPOP", "k", "1")),
                                 a={"deny": ["blpop"]}, b={})
            reply = client.read()
            if isinstance(reply, resp.Error):  # it had not been sent when the configuration changed
                self.assertRegex(reply, rb"^NOPERM")
            servers.wait_until(lambda: sides.lent(weir)[0] == 0, what="the end of the loan")

    @staticmethod
    def send_and_see(client, other, request):
        """weir has read it: it answers another client's commands, which came behind it, itself."""
        client.send_raw(request)
        for _ in range(2):
            other.call("CLIENT", "GETNAME")


if __name__ == "__main__":
    unittest.main(verbosity=2)
