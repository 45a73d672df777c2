"""Rate limits as clients and a real server see them. How the algorithms count is shown by their unit tests, with a
clock of their own; here periods are long, so that next to nothing comes back while a test runs.
"""
import random
import select
import signal
import threading
import time
import unittest

import resp
import servers
import terms

ADMIN = {"bind": "127.0.0.1:0"}


def limit(name="all", rate="5/1h", commands=("*",), **more):
    return {"name": name, "commands": list(commands), "rate": rate, **more}


class LimitTest(servers.SharedRedisTest):
    """Redis is shared by all tests of a class; each has a weir with the limits that it is about."""

    def start(self, *limits, workers=1, tenants=None, **sections):
        """Tenant a with these limits, b without; or `tenants`, each with its limits."""
        declared = {name: {"limits": list(own)} for name, own in (tenants or {"a": limits, "b": ()}).items()}
        return self.folder.weir(self.redis, tuple(declared), workers=workers, admin=ADMIN, tenants=declared, **sections)

    def client(self, weir, tenant="a", protocol=2):
        client = weir.client(tenant, protocol)
        self.addCleanup(client.close)
        return client

    def assert_refused(self, replies, by="all"):
        for reply in replies:
            self.assertEqual(terms.Refusal(reply).limit, by)

    def assert_counted(self, weir, tenant, name, wanted):
        """Allowed, refused, delayed, remaining, or the first of these. A worker counts at the end of its turn, which may be after its reply."""
        def counted():
            return terms.decisions(weir, tenant, name)[:len(wanted)]
        try:
            servers.wait_until(lambda: counted() == wanted, deadline=10)
        except AssertionError:
            self.assertEqual(counted(), wanted)


class RefusalTest(LimitTest):
    def test_text_says_limit_tenant_rate_and_when(self):
        """To the letter, but for the time that has passed meanwhile."""
        for algorithm, retry, reset in (("gcra", 36_000, 3_600_000), ("sliding_window", None, None),
                                        ("fixed_window", None, None)):
            for protocol in (2, 3):
                with self.subTest(algorithm=algorithm, protocol=protocol):
                    weir = self.start(limit("writes", "100/1h", ["@write"], algorithm=algorithm))
                    client, started = self.client(weir, protocol=protocol), time.monotonic()
                    self.assertEqual(client.pipeline([("SET", "k", i) for i in range(100)]), [b"OK"] * 100)
                    told = client.call("SET", "k", "never")
                    passed = (time.monotonic() - started) * 1000 + 1
                    refusal = terms.Refusal(told)
                    self.assertEqual((refusal.limit, refusal.tenant, refusal.rate), ("writes", "a", "100 per 1h"))
                    self.assertEqual((refusal.count, refusal.remaining), (100, 0))
                    if retry is None:  # the window's end is at the full hour
                        left = 3_600_000 - time.time() * 1000 % 3_600_000
                        self.assertLess(abs(refusal.reset - left), passed + 1000)
                        self.assertGreaterEqual(refusal.retry + 1, refusal.reset)
                    else:
                        self.assertTrue(retry - passed <= refusal.retry <= retry, told)
                        self.assertTrue(reset - passed <= refusal.reset <= reset, told)
                    self.assertEqual(client.pipeline([("GET", "k"), ("PING",), ("EXISTS", "k")]), [b"99", b"PONG", 1])

    def test_periods_are_named_as_they_were_configured(self):
        for rate, text in (("1/250ms", "1 per 250ms"), ("3/60s", "3 per 1m"), ("1/1s", "1 per 1s"),
                           ("7/1d", "7 per 1d"), ("1000/24h", "1000 per 1d"), ("5/90m", "5 per 90m")):
            with self.subTest(rate=rate):
                count = int(rate.split("/")[0])
                client = self.client(self.start(limit(rate=rate, commands=["get"], cost={"get": count})))
                replies = client.pipeline([("GET", "k")] * 50)  # more than one period
                self.assertEqual({terms.Refusal(reply).rate for reply in replies if reply is not None}, {text})

    def test_all_limits_must_pass_and_a_refused_call_counts_nowhere(self):
        weir = self.start(limit("writes", "5/1h", ["@write"]), limit("total", "8/1h"))
        client = self.client(weir)
        self.assertEqual(client.pipeline([("SET", "k", "1")] * 5), [b"OK"] * 5)
        self.assert_refused(client.pipeline([("SET", "k", "2")] * 20), by="writes")
        self.assertEqual(client.pipeline([("GET", "k")] * 3), [b"1"] * 3)
        self.assert_refused(client.pipeline([("GET", "k"), ("PING",), ("DBSIZE",)]), by="total")
        self.assert_counted(weir, "a", "writes", (5, 20, 0, 0))
        self.assert_counted(weir, "a", "total", (8, 3, 0, 0))

    def test_whichever_order_they_stand_in(self):
        weir = self.start(limit("total", "8/1h"), limit("writes", "5/1h", ["@write"]))
        client = self.client(weir)
        client.pipeline([("SET", "k", "1")] * 5)
        self.assert_refused(client.pipeline([("SET", "k", "2")] * 20), by="writes")
        self.assertEqual(client.pipeline([("GET", "k")] * 3), [b"1"] * 3)
        self.assert_counted(weir, "a", "total", (8, 0, 0, 0))

    def test_cost_is_that_of_the_most_exact_word(self):
        cost = {"*": 2, "@read": 3, "mget": 10, "object": 4, "object|encoding": 7}
        for command, units in ((("SET", "k", "1"), 2), (("GET", "k"), 3), (("MGET", "k", "l"), 10),
                               (("OBJECT", "FREQ", "k"), 4), (("OBJECT", "ENCODING", "k"), 7), (("PING",), 2)):
            with self.subTest(command=command):
                weir = self.start(limit(rate="100/1h", cost=cost))
                client = self.client(weir)
                client.call(*command)
                self.assert_counted(weir, "a", "all", (1, 0, 0, 100 - units))

    def test_call_that_costs_more_than_is_left_leaves_it_to_others(self):
        client = self.client(self.start(limit(rate="25/1h", cost={"mget": 10})))
        self.assertEqual(client.pipeline([("MGET", "k")] * 2), [[None]] * 2)
        refusal = terms.Refusal(client.call("MGET", "k"))
        self.assertEqual((refusal.remaining, refusal.count), (5, 25))
        self.assertEqual(client.pipeline([("GET", "k")] * 5), [None] * 5)
        self.assert_refused([client.call("GET", "k")])

    def test_tenants_and_limits_of_the_same_name_count_apart(self):
        weir = self.start(tenants={"a": [limit(rate="3/1h")], "b": [limit(rate="4/1h")]})
        for tenant, count in (("a", 3), ("b", 4)):
            client = self.client(weir, tenant)
            self.assertEqual(client.pipeline([("GET", "k")] * count), [None] * count)
            self.assertEqual(terms.Refusal(client.call("GET", "k")).tenant, tenant)

    def test_clients_on_all_workers_share_one_count(self):
        """Exactly as many pass as the limit allows, whoever asks where; and the metrics have counted the same."""
        weir = self.start(limit(rate="3000/1h"), limit("reads", "100000/1h", ["@read"]), workers=3)
        passed, refused = [], []

        def ask(number):
            rng, mine = random.Random(number), []
            with weir.client() as client:
                for _ in range(25):
                    batch = [("GET", "k") if rng.random() < 0.5 else ("INCR", "n")] * rng.randrange(1, 40)
                    mine += [terms.is_refusal(reply) for reply in client.pipeline(batch)]
            passed.append(mine.count(False))
            refused.append(mine.count(True))
        threads, began = [threading.Thread(target=ask, args=(number,)) for number in range(12)], time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
        self.assertGreater(sum(refused), 0)
        # Units that came back while it lasted: fewer than one in a second.
        self.assertTrue(3000 <= sum(passed) <= 3001 + took, (sum(passed), took))
        self.assert_counted(weir, "a", "all", (sum(passed), sum(refused), 0))
        self.assertLess(terms.decisions(weir, "a", "all")[3], 5 + time.monotonic() - began)
        self.assertEqual(terms.calls(self.redis, "get") + terms.calls(self.redis, "incr"), sum(passed))
        self.assert_counted(weir, "a", "reads", (terms.calls(self.redis, "get"),))


# One of each way that a command can take, and the same command when it is over the limit.
WAYS = [
    ("forwarded", ("GET", "k")), ("inline", None), ("answered by weir", ("CLIENT", "GETNAME")), ("echoed", ("PING",)),
    ("emulated", ("DBSIZE",)), ("flush", ("FLUSHDB",)), ("all names", ("KEYS", "*")), ("listing", ("CLIENT", "LIST")),
    ("blocking", ("BLPOP", "missing", "0.01")), ("waiting", ("WAIT", "0", "10")),
    ("streamed", ("SET", "k", b"x" * 300_000)),
    ("script", ("EVAL", "return 1", "0")), ("loading", ("SCRIPT", "LOAD", "return 1")), ("watching", ("WATCH", "k")),
    ("transaction", ("MULTI",)), ("subscription", ("SUBSCRIBE", "c")), ("publication", ("PUBLISH", "c", "x")),
    ("tracking", ("CLIENT", "TRACKING", "ON")), ("selection", ("SELECT", "1")), ("database", ("MOVE", "k", "1")),
    ("subscribers", ("PUBSUB", "CHANNELS")), ("server", ("COMMAND", "COUNT")),
    ("configuration", ("CONFIG", "GET", "port")),
]
# By which a client says who it is, or ends what it began; and what weir says of itself.
FREE = [("HELLO",), ("AUTH", "default", "x"), ("DISCARD",), ("EXEC",), ("UNWATCH",), ("WEIR", "LIMITS"),
        ("WEIR", "TENANT"), ("WEIR", "HELP"), ("RESET",), ("QUIT",)]


class WayTest(LimitTest):
    def test_every_kind_of_command_is_counted_once(self):
        tenants = {f"t{i}": [limit(rate="1/1h")] for i in range(len(WAYS))}
        weir = self.start(tenants=tenants)
        for tenant, (way, command) in zip(tenants, WAYS):
            with self.subTest(way), weir.client(tenant, 3) as client, weir.client(tenant, 3) as other:
                for one, refused in ((client, False), (other, True), (client, True)):
                    one.send_raw(b"GET k\r\n" if command is None else resp.encode(*command))
                    self.assertEqual(terms.is_refusal(one.read()), refused)
                self.assert_counted(weir, tenant, "all", (1, 2, 0, 0))
                self.assertEqual(other.call("RESET"), b"RESET")

    def test_some_commands_are_free(self):
        weir = self.start(limit(rate="1/1h"))
        self.client(weir).call("GET", "k")
        for command in FREE:
            with self.subTest(command=command):
                client = self.client(weir)
                self.assertFalse(terms.is_refusal(client.call(*command)))
                if command[0] not in ("QUIT", "RESET"):
                    self.assert_refused([client.call("GET", "k")])
        self.assert_counted(weir, "a", "all", (1,))

    def test_refused_command_never_reaches_the_server(self):
        """Ten of each pass, in whatever way, and the server was asked for ten."""
        ways = {"set": ("SET", "k", "v"), "get": ("GET", "k"), "eval": ("EVAL", "return 1", "0"),
                "blpop": ("BLPOP", "missing", "0.001"), "publish": ("PUBLISH", "c", "x"), "keys": ("KEYS", "x*"),
                "setrange": ("SETRANGE", "big", "0", b"x" * 200_000), "subscribe": None}
        del ways["subscribe"]
        weir = self.start(*(limit(name, "10/1h", [name]) for name in ways))
        client = self.client(weir)
        for command in ways.values():
            client.call(*command)  # makes the connections that it needs
        terms.forget_calls(self.redis)
        for name, command in ways.items():
            with self.subTest(name):
                replies = client.pipeline([command] * 60)
                self.assertEqual([terms.is_refusal(reply) for reply in replies], [False] * 9 + [True] * 51)
                self.assertEqual(terms.calls(self.redis, name), 9)
                self.assert_counted(weir, "a", name, (10, 51, 0))
                self.assertEqual(client.call("ECHO", "goes on"), b"goes on")

    def test_refused_flush_and_listing_do_nothing(self):
        weir = self.start(limit("flush", "1/1h", ["flushdb", "flushall"]))
        client = self.client(weir)
        self.assertEqual(client.pipeline([("FLUSHDB",), ("SET", "k", "1")]), [b"OK"] * 2)
        self.assert_refused(client.pipeline([("FLUSHDB",), ("FLUSHALL",), ("FLUSHALL", "ASYNC")]), by="flush")
        self.assertEqual(client.call("GET", "k"), b"1")

    def test_replies_keep_their_order_among_refusals(self):
        """Every third command is over its limit; those of all ways stand between."""
        weir = self.start(limit("gets", "1/1h", ["get"]))
        client = self.client(weir)
        client.call("GET", "k")
        commands, wanted = [], []
        for i in range(300):
            commands += [("ECHO", i), ("GET", "k"),
                         *((("APPEND", "log", "x"),) if i % 2 else (("DBSIZE",), ("PING",)))]
            wanted += [b"%d" % i, "refused", *([i // 2 + 1] if i % 2 else [int(i > 1), b"PONG"])]
        sender = client.send_in_background([b"".join(resp.encode(*command) for command in commands)])
        told = [client.read() for _ in commands]
        sender.join()
        self.assertEqual(["refused" if terms.is_refusal(reply) else reply for reply in told], wanted)

    def test_silenced_refusals_are_counted_and_not_said(self):
        weir = self.start(limit("gets", "1/1h", ["get"]))
        client = self.client(weir)
        client.send_raw(b"".join(resp.encode(*command) for command in (
            ("CLIENT", "REPLY", "OFF"), ("GET", "k"), ("GET", "k"), ("CLIENT", "REPLY", "ON"),
            ("CLIENT", "REPLY", "SKIP"), ("GET", "k"), ("PING",))))
        self.assertEqual([client.read(), client.read()], [b"OK", b"PONG"])
        self.assert_counted(weir, "a", "gets", (1, 2, 0, 0))


class WeirCommandTest(LimitTest):
    """What weir tells a client of its tenant: a map in RESP3, and in RESP2 the same as a flat array."""

    NUMBERS = [b"limit", b"burst", b"remaining", b"reset_ms", b"retry_ms"]

    @staticmethod
    def as_map(reply):
        if isinstance(reply, resp.Map):
            return dict(reply)
        return dict(zip(reply[::2], reply[1::2], strict=True))

    def test_limits(self):
        weir = self.start(limit("writes", "100/1h", ["@write"]),
                          limit("slow", "2/10m", ["get"], action="delay", burst=1),
                          limit("daily", "1000/1d", algorithm="fixed_window"),
                          limit("hourly", "50/1h", algorithm="sliding_window"))
        for protocol, shape in ((2, list), (3, resp.Map)):
            client = self.client(weir, protocol=protocol)
            if protocol == 2:
                client.pipeline([("SET", "k", i) for i in range(10)])
                client.call("GET", "k")
            told = client.call("WEIR", "LIMITS")
            self.assertEqual([type(one) for one in told], [shape] * 4)
            writes, slow, daily, hourly = map(self.as_map, told)
            self.assertEqual(list(writes), [b"name", b"rate", b"algorithm", b"scope", b"action", *self.NUMBERS])
            self.assertEqual([writes[name] for name in list(writes)[:8]],
                             [b"writes", b"100 per 1h", b"gcra", b"local", b"refuse", 100, 100, 90])
            self.assertTrue(300_000 < writes[b"reset_ms"] <= 360_000, writes)
            self.assertEqual(writes[b"retry_ms"], 0)
            self.assertEqual([slow[name] for name in list(slow)[:8]],
                             [b"slow", b"2 per 10m", b"gcra", b"local", b"delay", 2, 1, 0])
            self.assertTrue(200_000 < slow[b"retry_ms"] <= 300_000, slow)
            self.assertEqual((daily[b"algorithm"], daily[b"remaining"]), (b"fixed_window", 989))
            self.assertLess(abs(daily[b"reset_ms"] - (86_400 - time.time() % 86_400) * 1000), 5000)
            self.assertEqual((hourly[b"algorithm"], hourly[b"remaining"]), (b"sliding_window", 39))

    def test_without_limits(self):
        weir = self.start()
        for tenant in "ab":
            self.assertEqual(self.client(weir, tenant).call("WEIR", "LIMITS"), [])

    def test_tenant(self):
        weir = self.folder.weir(self.redis, admin=ADMIN, plans={"small": {"quotas": {"max_connections": 7}}}, tenants={
            "a": {"plan": "small", "databases": [0, 3], "deny": ["keys"], "keys": ["k*"]},
            "b": {"read_only": True, "quotas": {"received": "1MiB/2s", "max_arguments": 9}}})
        for protocol in (2, 3):
            first, _ = self.client(weir, "a", protocol), self.client(weir, "a", protocol)
            told = self.as_map(first.call("WEIR", "TENANT"))
            quotas = self.as_map(told.pop(b"quotas"))
            wanted = {b"name": b"a", b"plan": b"small", b"databases": [0, 3], b"read_only": 0, b"deny": [b"keys"],
                      b"keys": [b"k*"]}
            self.assertEqual({name: told[name] for name in wanted}, wanted)
            self.assertGreaterEqual(told[b"connections"], 2)
            self.assertEqual((quotas[b"max_connections"], quotas[b"max_arguments"]), (7, None))
            told = self.as_map(self.client(weir, "b", protocol).call("WEIR", "TENANT"))
            quotas = self.as_map(told[b"quotas"])
            self.assertEqual((told[b"name"], told[b"plan"], told[b"read_only"]), (b"b", None, 1))
            self.assertEqual((quotas[b"received_per_second"], quotas[b"max_arguments"], quotas[b"max_connections"]),
                             (524_288, 9, None))

    def test_help_and_faults_in_the_words_of_other_containers(self):
        client = self.client(self.start())
        self.assertEqual(client.call("WEIR", "HELP")[0],
                         b"WEIR <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
        self.assertEqual(client.call("WEIR"), b"ERR wrong number of arguments for 'weir' command")
        self.assertEqual(client.call("weir", "nosuch"), b"ERR unknown subcommand 'nosuch'. Try WEIR HELP.")
        self.assertEqual(client.call("WEIR", "LIMITS", "x"), b"ERR wrong number of arguments for 'weir|limits' command")

    def test_between_other_commands_and_in_transactions(self):
        """In its place, and with what was counted until then."""
        client = self.client(self.start(limit(rate="100/1h")))
        told = client.pipeline([("SET", "k", "1"), ("WEIR", "LIMITS"), ("GET", "k"), ("MULTI",), ("GET", "k"),
                                ("WEIR", "LIMITS"), ("EXEC",)])
        self.assertEqual((told[0], told[2], told[3:6]), (b"OK", b"1", [b"OK", b"QUEUED", b"QUEUED"]))
        self.assertEqual([self.as_map(limits[0])[b"remaining"] for limits in (told[1], told[6][1])], [99, 96])


class TransactionTest(LimitTest):
    def test_refused_command_flags_the_transaction(self):
        """Nothing of it is done, and nothing of it has reached the server; EXEC says so, and a new one can begin."""
        weir = self.start(limit("writes", "3/1h", ["@write"]))
        for protocol in (2, 3):
            with self.subTest(protocol=protocol), weir.client("a", protocol) as client:
                client.pipeline([("MULTI",), ("SET", "k", "1"), ("EXEC",)])
                client.pipeline([("MULTI",), ("SET", "k", "1"), ("SET", "l", "1")])
                client.call("DISCARD")
                terms.forget_calls(self.redis)
                self.assertEqual(client.call("MULTI"), b"OK")
                self.assert_refused([client.call("SET", "k", "2")], by="writes")
                self.assertEqual(client.call("GET", "k"), b"QUEUED")
                self.assertEqual(client.call("EXEC"), b"EXECABORT Transaction discarded because of previous errors.")
                self.assertEqual([terms.calls(self.redis, name) for name in ("multi", "set", "exec")], [0] * 3)
                self.assertEqual(client.pipeline([("MULTI",), ("GET", "k"), ("EXEC",)]), [b"OK", b"QUEUED", [b"1"]])

    def test_refused_multi_leaves_its_commands_outside(self):
        """As with any MULTI that fails: what follows is no transaction, and EXEC has none."""
        weir = self.start(limit("transactions", "1/1h", ["multi"]))
        client = self.client(weir)
        self.assertEqual(client.pipeline([("MULTI",), ("INCR", "n"), ("EXEC",)]), [b"OK", b"QUEUED", [1]])
        told = client.pipeline([("MULTI",), ("INCR", "n"), ("EXEC",)])
        self.assert_refused(told[:1], by="transactions")
        self.assertEqual(told[1:], [2, b"ERR EXEC without MULTI"])

    def test_watched_keys_survive_a_refusal(self):
        weir = self.start(limit("gets", "1/1h", ["get"]))
        client, other = self.client(weir), self.client(weir)
        client.call("GET", "k")
        client.call("WATCH", "k")
        self.assert_refused([client.call("GET", "k")], by="gets")
        other.call("SET", "k", "changed")
        self.assertEqual(client.pipeline([("MULTI",), ("SET", "k", "lost"), ("EXEC",)]), [b"OK", b"QUEUED", None])


class DelayTest(LimitTest):
    """`action: delay`: the client waits instead, for max_delay at most."""

    def delayed(self, rate="1/100ms", burst=1, max_delay="20s", commands=("get", "blpop", "set", "eval"), **more):
        return limit("slow", rate, commands, burst=burst, action="delay", max_delay=max_delay, **more)

    def test_client_waits_and_gets_all_replies_in_order(self):
        weir = self.start(self.delayed())
        client, started = self.client(weir), time.monotonic()
        replies = client.pipeline([("ECHO", "0"), *(command for i in range(1, 12)
                                                    for command in (("GET", "k"), ("ECHO", i)))])
        self.assertEqual(replies, [b"0", *(reply for i in range(1, 12) for reply in (None, b"%d" % i))])
        self.assertGreaterEqual(time.monotonic() - started, 0.99)
        self.assert_counted(weir, "a", "slow", (11, 0))
        delayed = terms.decisions(weir, "a", "slow")[2]
        self.assertTrue(1 <= delayed <= 10, delayed)

    def test_every_way_of_a_command_waits(self):
        weir = self.start(self.delayed())
        client, started = self.client(weir), time.monotonic()
        told = client.pipeline([("SET", "k", b"x" * 200_000), ("GET", "missing"), ("BLPOP", "missing", "0.01"),
                                ("EVAL", "return 7", "0"), ("MULTI",), ("GET", "missing"), ("EXEC",),
                                ("SET", "k", "1")])
        self.assertEqual(told, [b"OK", None, None, 7, b"OK", b"QUEUED", [None], b"OK"])
        self.assertGreaterEqual(time.monotonic() - started, 0.49)

    def test_others_do_not_wait(self):
        """Another tenant, the same tenant's other commands, and other connections go on while one waits."""
        weir = self.start(self.delayed(rate="1/30m", max_delay="1h"), drain_timeout="500ms")
        client, same_tenant, other = self.client(weir), self.client(weir), self.client(weir, "b")
        client.call("GET", "k")
        client.send_raw(resp.encode("GET", "k") + resp.encode("ECHO", "behind"))
        servers.wait_until(lambda: terms.decisions(weir, "a", "slow")[2] == 1, what="the delay")
        for turn in range(100):
            self.assertEqual(same_tenant.call("INCR", "n"), turn + 1)
            self.assertEqual(other.call("INCR", "n"), turn + 1)
        self.assertEqual(select.select([client.sock], [], [], 0)[0], [], "it has half an hour to wait")

    def test_what_would_wait_longer_than_max_delay_is_refused_at_once(self):
        weir = self.start(self.delayed(rate="1/1h", max_delay="30m"))  # which nobody here would wait for
        client = self.client(weir)
        client.call("GET", "k")
        refusal = terms.Refusal(client.call("GET", "k"))
        self.assertGreater(refusal.retry, 3_000_000)
        self.assertEqual(client.call("PING"), b"PONG")
        self.assert_counted(weir, "a", "slow", (1, 1, 0, 0))

    def test_queue_of_clients_is_bounded_by_max_delay(self):
        """Many that wait for the same budget: each is served within max_delay or refused, and none forgotten."""
        weir = self.start(self.delayed(rate="1/50ms", max_delay="400ms"), workers=2)
        clients = [self.client(weir) for _ in range(30)]
        started = time.monotonic()
        for client in clients:
            client.send("GET", "k")
        served = [client.read() is None for client in clients]
        took = time.monotonic() - started
        self.assertTrue(1 < served.count(True) <= 10 + took / 0.05, (served.count(True), took))
        self.assertIn(False, served)
        self.assert_counted(weir, "a", "slow", (served.count(True), served.count(False)))

    def test_client_that_is_killed_while_it_waits(self):
        weir = self.start(self.delayed(rate="2/1h", max_delay="1h"))
        client, other = self.client(weir), self.client(weir)
        number = client.call("CLIENT", "ID")
        client.send_raw(resp.encode("GET", "k") * 2)
        self.assertIsNone(client.read())
        servers.wait_until(lambda: terms.decisions(weir, "a", "slow")[2] == 1, what="the delay")
        self.assertEqual(other.call("CLIENT", "KILL", "ID", number), 1)
        self.assertEqual(client.read_until_closed(), b"")
        servers.wait_until(lambda: terms.sample(weir, "weir_client_connections", tenant="a") == 1, what="its end")
        self.assertEqual(other.call("PING"), b"PONG")

    def test_clients_that_hang_up_while_they_wait_are_gone_when_it_is_over(self):
        """As a client may half-close and still want its replies, that is when weir finds out."""
        weir = self.start(self.delayed(rate="20/1s"))
        clients, other = [self.client(weir) for _ in range(20)], self.client(weir)
        for client in clients:
            client.send("GET", "k")
        servers.wait_until(lambda: terms.decisions(weir, "a", "slow")[2] > 10, what="the delays")
        for client in clients:
            client.close()
        servers.wait_until(lambda: terms.sample(weir, "weir_client_connections", tenant="a") == 1, what="their ends")
        self.assertEqual(other.call("PING"), b"PONG")

    def test_half_closed_client_gets_its_delayed_replies(self):
        weir = self.start(self.delayed(rate="1/200ms"))
        client = self.client(weir)
        client.send_raw(resp.encode("GET", "k") * 4 + resp.encode("ECHO", "last"))
        client.half_close()
        self.assertEqual(client.read_until_closed(), b"$-1\r\n" * 4 + b"$4\r\nlast\r\n")
        servers.wait_until(lambda: terms.decisions(weir, "a", "slow")[2] == 3, what="the count of the delays")

    def test_drain_does_not_wait_for_ever(self):
        weir = self.start(self.delayed(rate="2/1h", max_delay="1h"), drain_timeout="500ms")
        client = self.client(weir)
        client.call("GET", "k")
        client.send("GET", "k")
        servers.wait_until(lambda: terms.decisions(weir, "a", "slow")[2] == 1, what="the delay")
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(), 0)


class StormTest(servers.ServerTest):
    """What weir answers itself costs it as much as to forward: of a tenant with limits that is answered at a bounded pace,
    counted or not. 100 at once and 1,000 a second."""

    def test_what_no_limit_counts_is_answered_at_a_bounded_pace(self):
        redis = self.folder.redis()
        limits = [{"name": "calls", "rate": "10/1s"}]
        weir = self.folder.weir(redis, tenants={"a": {"limits": limits, "deny": ["append"]}, "b": {}})
        for words in (("NONSENSE",), ("APPEND", "k", "v"), ("AUTH", "x", "y"), ("WEIR", "TENANT")):
            with self.subTest(words), weir.client("a") as client, weir.client("b") as other:
                began = time.monotonic()
                client.send_raw(resp.encode(*words) * 700)
                for _ in range(700):
                    client.read()
                self.assertGreater(time.monotonic() - began, 0.4, "700 answers and no pause")
                began = time.monotonic()
                sender = other.send_in_background([resp.encode("NONSENSE") * 6000])
                for _ in range(6000):
                    other.read()
                sender.join()
                self.assertLess(time.monotonic() - began, 5.8, "a tenant without limits is not slowed down")


if __name__ == "__main__":
    unittest.main(verbosity=2)
