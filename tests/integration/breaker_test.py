"""The breaker in front of a real Redis that is killed, stopped, restarted, slow, read-only, full, loading: it opens, it
becomes half-open by the probe alone, it closes. Each scenario prints when, and what clients saw.

Shown besides: exact histories of both presets, what the application's own errors do not do, and the operator's ways in.
"""
import datetime
import re
import select
import signal
import threading
import time
import unittest

import outages
import relay
import resp
import servers
import sides
import terms

SCENARIO = {"open_for": "300ms", "probe_interval": "50ms"}
TIMEOUT = {"command_timeout": "300ms"}  # where Redis is there and does not answer
# Nothing but what clients say opens these, and nothing closes them.
FAR = {"probe_interval": "1h", "open_for": "30m", "max_open_for": "1h"}
RATE = {"window": "10s", "failure_rate": "50%", "minimum_calls": 5, "consecutive_failures": 0, "successes_to_close": 1}
CONSECUTIVE = {"failure_rate": "0%", "consecutive_failures": 5, "successes_to_close": 2}
PRESETS = {"50 % of 5 calls": {**RATE, "open_for": "300ms"}, "5 in a row": {**CONSECUTIVE, "open_for": "600ms"}}


def half_writes(index, turn):
    return ("SET", f"k{index}", turn) if turn % 2 else ("GET", f"k{index}")


def writes(index, turn):
    return "SET", f"k{index}", turn


class ScenarioTest(outages.OutageTest):
    """A fault is made under load, the breaker opens; the fault is repaired, it closes; and a line about it is printed."""

    def play(self, name, fault, repair, weir, script=half_writes, allowed=(), needed=()):
        """`allowed`: what clients may see beside answers and -FALLBACK; `needed`: what they must."""
        load = outages.Load(weir, script, rest=0.005)
        try:
            load.served(20)
            since, began = len(weir.lines), time.monotonic()
            fault()
            weir.wait_for("breaker opened", since=since)
            opened = time.monotonic() - began
            self.assertEqual(outages.state(weir), "open")
            self.while_open(weir)
            since_repair, repaired = len(weir.lines), time.monotonic()
            self.assertFalse([line for line in weir.lines[since:since_repair] if re.search("breaker (half-open|closed)", line)],
                             "half-open with nothing to close for")
            repair()
            weir.wait_for("breaker closed", since=since_repair)
            closed = time.monotonic() - repaired
            self.assertEqual(outages.state(weir), "closed")
            load.served(5)
        finally:
            load.stop()
        seen = load.kinds(since=began)
        order = [match[1] for line in weir.lines[since:] if (match := re.search(r"breaker (opened|half-open|closed)", line))]
        self.assertEqual(order[0], "opened")
        self.assertEqual(order[-2:], ["half-open", "closed"])
        print(f"{name}: open after {opened * 1000:.0f} ms, closed {closed * 1000:.0f} ms after the repair; clients saw {seen}")
        self.assertLessEqual(set(seen), {"ok", "FALLBACK open", "FALLBACK half_open", *allowed})
        for one in needed:
            self.assertIn(one, seen)
        return load

    def while_open(self, weir):
        """As long as the fault lasts it stays open, over several times open_for; and all that tells of it agrees."""
        said = weir.wait_for(r"breaker opened.*")[0]
        self.assertRegex(said, r"reason=.*open_for_ms=")
        self.agree(weir)
        ending = time.monotonic() + 0.7
        servers.wait_until(lambda: outages.state(weir) != "open" or time.monotonic() > ending, what="the end of it")
        self.assertEqual(outages.state(weir), "open")

    def agree(self, weir):
        """WEIR STATUS, WEIR BREAKER, /health, /breaker and the metrics tell of the same state."""
        state = outages.state(weir)
        code, health = outages.page(weir, "/health")
        self.assertNotEqual(health["status"], "healthy")
        self.assertTrue(health["reason"])
        self.assertEqual(health["circuitBreaker"]["state"], state)
        for protocol in (2, 3):
            with weir.client("b", protocol) as client:
                told = outages.status(client)
                self.assertEqual(told[b"breaker"].decode(), state)
                self.assertEqual(told[b"status"].decode(), health["status"])
                self.assertTrue(told[b"reason"])
                breaker = outages.as_map(client.call("WEIR", "BREAKER"))
                self.assertEqual(breaker[b"state"].decode(), state)
                self.assertTrue(breaker[b"reason"])
                self.assertGreaterEqual(breaker[b"failures"], 0)
                self.assertLessEqual(breaker[b"retry_in_ms"], 300_000)
        self.assertEqual(outages.post(weir, "", "GET")[1]["state"], state)
        self.assertEqual(code, 503 if health["status"] == "down" else 200)

    def start(self, breaker=SCENARIO, fallback=None, **sections):
        return super().start(breaker, fallback, **{"workers": 2, **sections})

    def test_killed(self):
        for name, preset in PRESETS.items():
            with self.subTest(name):
                weir = self.start({**preset, "probe_interval": "50ms"})
                self.play(f"killed ({name})", self.redis.kill, self.restart, weir,
                          allowed=("UPSTREAM lost", "UPSTREAM down"))

    def test_killed_with_memory(self):
        """With a fallback that answers, clients see errors only until it is open."""
        weir = self.start(fallback=outages.MEMORY)
        load = self.play("killed, with memory", self.redis.kill, self.restart, weir,
                         allowed=("UPSTREAM lost", "UPSTREAM down"))
        self.assertFalse({"FALLBACK open", "FALLBACK half_open"} & set(load.kinds()))

    def test_stopped(self):
        for name, preset in PRESETS.items():
            with self.subTest(name):
                weir = self.start({**preset, "probe_interval": "50ms"}, upstream=TIMEOUT)
                try:
                    self.play(f"stopped ({name})", lambda: self.redis.signal(signal.SIGSTOP),
                              lambda: self.redis.signal(signal.SIGCONT), weir,
                              allowed=("UPSTREAM timeout", "UPSTREAM lost", "UPSTREAM down", "UPSTREAM busy"))
                finally:
                    self.redis.signal(signal.SIGCONT)

    def test_restarted_at_once(self):
        """Whether it opens is a race; what counts is that it is closed, and serves, soon after."""
        weir = self.start()
        load = outages.Load(weir, half_writes, rest=0.001)
        load.served(20)
        began = time.monotonic()
        self.redis.kill()
        self.restart()
        load.served(20)
        outages.wait_for_state(weir, "closed")
        took = time.monotonic() - began
        load.stop()
        print(f"restarted: closed and serving after {took * 1000:.0f} ms, opened {outages.transitions(weir, 'open'):.0f} times; "
              f"clients saw {load.kinds(since=began)}")
        self.assertLess(took, 15)

    def test_slow_by_a_command_that_takes_long(self):
        """DEBUG SLEEP again and again: commands time out, and the probe as well."""
        weir = self.start(upstream=TIMEOUT)
        ending = threading.Event()

        def sleep():
            with self.redis.client() as direct:
                while not ending.is_set():
                    direct.call("DEBUG", "SLEEP", "0.5")
        sleeper = threading.Thread(target=sleep)

        def repair():
            ending.set()
            sleeper.join()
        try:
            self.play("asleep", sleeper.start, repair, weir,
                      allowed=("UPSTREAM timeout", "UPSTREAM lost", "UPSTREAM down", "UPSTREAM busy"))
        finally:
            ending.set()

    def test_slow_and_yet_within_the_time_out(self):
        """By slow_over: no call fails, all are late."""
        weir = self.start({**SCENARIO, "slow_over": "150ms", "slow_rate": "60%", "window": "3s"},
                          upstream={"command_timeout": "5s"})
        ending, done = threading.Event(), []

        def sleep():
            with self.redis.client() as direct:
                while not ending.is_set():
                    direct.call("DEBUG", "SLEEP", "0.3")
            done.append(True)
        load = outages.Load(weir, half_writes, rest=0.005)
        sleeper = threading.Thread(target=sleep)
        try:
            load.served(20)
            since, began = len(weir.lines), time.monotonic()
            sleeper.start()
            opened = weir.wait_for("breaker opened.*", since=since)[0]
            took = time.monotonic() - began
            ending.set()
            sleeper.join()
            repaired = time.monotonic()
            outages.wait_for_state(weir, "closed")
            load.served(5)
        finally:
            ending.set()
            load.stop()
        self.assertRegex(opened, r"calls (were slower|took longer) than 150ms")
        seen = load.kinds(since=began)
        self.assertLessEqual(set(seen), {"ok", "FALLBACK open", "FALLBACK half_open"})
        print(f"slow calls: open after {took * 1000:.0f} ms, closed {(time.monotonic() - repaired) * 1000:.0f} ms after the repair; "
              f"clients saw {seen}")

    def test_busy_with_a_script(self):
        """Asked to take BUSY for a failure."""
        with self.redis.client() as direct:
            direct.call("CONFIG", "SET", "busy-reply-threshold", "50")
        weir = self.start({**SCENARIO, "failure_replies": ["LOADING", "BUSY"]}, upstream=TIMEOUT)
        busy = self.redis.client()
        self.addCleanup(busy.close)

        def kill():
            with self.redis.client() as direct:
                servers.wait_until(lambda: direct.call("SCRIPT", "KILL") == b"OK", what="the script's end")
        self.play("busy", lambda: busy.send("EVAL", "while true do end", "0"), kill, weir, needed=("BUSY",),
                  allowed=("BUSY", "UPSTREAM timeout", "UPSTREAM lost", "UPSTREAM down"))

    def replicate(self, host="127.0.0.1", port=None):
        with self.redis.client() as direct:
            self.assertEqual(direct.call("REPLICAOF", host, port or servers.free_port()), b"OK")

    def test_read_only(self):
        """A replica takes no writes; half of the calls are some."""
        weir = self.start({**SCENARIO, "failure_rate": "30%"})
        self.play("read-only", self.replicate, lambda: self.replicate("NO", "ONE"), weir, allowed=("READONLY",),
                  needed=("READONLY",))

    def test_read_only_and_who_only_reads(self):
        """READONLY is said to writes; the probe's own write is told it as well."""
        weir = self.start(outages.BY_HAND)
        self.replicate()
        client = self.client(weir)
        for _ in range(50):
            self.assertIsNone(client.call("GET", "k"))
        self.assertEqual(outages.state(weir), "closed")
        self.replicate("NO", "ONE")

    def test_replica_without_its_master(self):
        with self.redis.client() as direct:
            direct.call("CONFIG", "SET", "replica-serve-stale-data", "no")
        weir = self.start()
        self.play("without its master", self.replicate, lambda: self.replicate("NO", "ONE"), weir,
                  allowed=("MASTERDOWN", "READONLY"), needed=("MASTERDOWN",))

    def fill(self, limit="1mb"):
        with self.redis.client() as direct:
            self.assertEqual(direct.call("CONFIG", "SET", "maxmemory", limit), b"OK")

    def test_full(self):
        weir = self.start({**SCENARIO, "failure_replies": ["OOM"]})
        self.play("full", lambda: self.fill("1"), lambda: self.fill("0"), weir, writes, allowed=("OOM",), needed=("OOM",))

    def test_full_is_the_applications_affair_unless_told_otherwise(self):
        weir = self.start({**SCENARIO, "minimum_calls": 1, "consecutive_failures": 1})
        self.fill("1")
        client = self.client(weir)
        replies = [client.call("SET", "k", "v") for _ in range(100)]
        self.assertEqual({outages.kind(reply) for reply in replies}, {"OOM"})
        self.probed(weir, 5)
        self.assertEqual(outages.state(weir), "closed")
        self.assertEqual(outages.transitions(weir, "open"), 0)
        self.fill("0")

    def probed(self, weir, turns):
        """Waits until the probe has asked so many more times."""
        asked = terms.calls(self.redis, "info") + terms.calls(self.redis, "ping")
        servers.wait_until(lambda: terms.calls(self.redis, "info") + terms.calls(self.redis, "ping") >= asked + 3 * turns,
                           what="the probe")

    def test_loading(self):
        """It is killed, and takes seconds to read its file when it comes again: connections succeed, commands do not."""
        with self.redis.client() as direct:
            for start in range(0, 3000, 500):
                direct.pipeline([("SET", f"filler{i}", "x" * 50) for i in range(start, start + 500)])
            self.assertEqual(direct.call("SAVE"), b"OK")
        self.redis.kill()
        weir = self.start()
        self.assertEqual(outages.state(weir) in ("closed", "open"), True)
        self.restart()
        outages.wait_for_state(weir, "closed")
        load = outages.Load(weir, half_writes, rest=0.005)
        try:
            load.served(20)
            outages.post(weir, "dry-run")  # so that LOADING is what clients hear, and not that Redis was away before
            self.redis.kill()
            self.restart(key_load_delay=2000, loading_process_events_interval_bytes=1024, ready="Loading RDB")
            began = time.monotonic()
            self.wait_for_kind(load, "LOADING", began)
            since, began = len(weir.lines), time.monotonic()
            outages.post(weir, "reset")
            weir.wait_for("breaker opened", since=since)
            opened = time.monotonic() - began
            self.assertTrue(self.is_loading(), "too quick for this test")
            self.assertEqual(outages.state(weir), "open")
            self.redis.wait_for("[Rr]eady to accept connections")
            loaded = time.monotonic()
            weir.wait_for("breaker closed", since=since)
            closed = time.monotonic() - loaded
            load.served(5)
        finally:
            load.stop()
        seen = load.kinds(since=began)
        print(f"loading: open after {opened * 1000:.0f} ms, closed {closed * 1000:.0f} ms after it had loaded; clients saw {seen}")
        self.assertIn("LOADING", seen)
        self.assertLessEqual(set(seen), {"ok", "LOADING", "UPSTREAM down", "FALLBACK open", "FALLBACK half_open"})

    @staticmethod
    def wait_for_kind(load, kind, since):
        servers.wait_until(lambda: kind in load.kinds(since), what=kind)

    def is_loading(self):
        with self.redis.client() as direct:
            return b"loading:1" in direct.call("INFO", "persistence")


class HistoryTest(outages.OutageTest):
    """Which calls open it, one by one: a replica says READONLY to every write, so a test has successes and failures as it
    likes. The probe has asked once, while all was well, and does not again."""

    def start(self, *args, replica=True, **sections):
        self.redis_is_replica(False)
        terms.forget_calls(self.redis)
        weir = super().start(*args, **sections)
        servers.wait_until(lambda: terms.calls(self.redis, "get") >= 1, what="the probe")
        servers.wait_until(lambda: outages.page(weir, "/health")[1]["status"] == "healthy", what="its word")
        self.redis_is_replica(replica)
        return weir

    def redis_is_replica(self, yes):
        with self.redis.client() as direct:
            direct.call("REPLICAOF", *(("127.0.0.1", servers.free_port()) if yes else ("NO", "ONE")))

    def tell(self, client, history):
        """`+` a success, `-` a failure; what came is checked as well."""
        for sign in history:
            reply = client.call("GET", "k") if sign == "+" else client.call("SET", "k", "v")
            self.assertEqual(outages.kind(reply), "ok" if sign == "+" else "READONLY", history)

    def check(self, breaker, stays, opens):
        """After `stays` it is closed still, with `opens` it is not."""
        with self.subTest(stays=stays, opens=opens):
            weir = self.start({**FAR, **breaker}, fallback=None)
            with weir.client() as client:
                self.tell(client, stays)
                self.assertEqual(outages.state(weir), "closed")
                self.tell(client, opens)
                outages.wait_for_state(weir, "open")
                self.assert_fallback(client.call("GET", "k"), "get")

    def test_half_of_at_least_five_calls(self):
        for stays, opens in (("----", "-"), ("++--", "+-"), ("+" * 20 + "-" * 19, "-"), ("-+-+", "-")):
            self.check(RATE, stays, opens)

    def test_five_in_a_row(self):
        for stays, opens in (("----", "-"), ("----+----", "-"), ("-+" * 30 + "----", "-")):
            self.check(CONSECUTIVE, stays, opens)

    def test_the_window_forgets(self):
        """Failures that are older than the window do not count any more."""
        weir = self.start({**FAR, **RATE, "window": "400ms", "buckets": 4}, fallback=None)
        client = self.client(weir)
        self.tell(client, "----")
        servers.wait_until(lambda: outages.as_map(client.call("WEIR", "BREAKER"))[b"calls"] == 0, what="an empty window")
        self.tell(client, "----")
        self.assertEqual(outages.state(weir), "closed")
        # Of a row on a slow machine some may be too old as well: it goes on until there are enough.
        servers.wait_until(lambda: outages.kind(client.call("SET", "k", "v")) == "FALLBACK open", what="an end to it")

    def test_the_applications_own_errors_are_successes(self):
        weir = self.start({**FAR, **RATE, "consecutive_failures": 5}, fallback=None, replica=False)
        client = self.client(weir)
        client.call("SET", "k", "text")
        wrong = [("LPUSH", "k", "v"), ("INCR", "k"), ("GET",), ("NOSUCH", "k"), ("EVAL", "return redis.call('nosuch')", "0"),
                 ("SET", "k", "v", "NOSUCH"), ("GETRANGE", "k", "a", "b"), ("XGROUP", "CREATE", "k", "g", "0"),
                 ("EVALSHA", "0" * 40, "0"), ("EXEC",), ("CONFIG", "SET", "maxmemory", "1")]
        for _ in range(10):
            for command in wrong:
                self.assertIsInstance(client.call(*command), resp.Error)
            for reply in client.pipeline(wrong):
                self.assertIsInstance(reply, resp.Error)
            self.assertIsInstance(client.pipeline([("MULTI",), ("LPUSH", "k", "v"), ("EXEC",)])[-1][0], resp.Error)
        self.assertEqual(outages.state(weir), "closed")
        servers.wait_until(lambda: terms.sample(weir, "weir_breaker_calls_total", result="success") >= 100, what="successes")
        for result in ("connect", "lost", "timeout", "reply"):
            self.assertEqual(terms.sample(weir, "weir_breaker_calls_total", result=result), 0, result)

    def test_error_replies_within_a_transaction_count(self):
        """EXEC's own, which weir sends as one piece."""
        weir = self.start({**FAR, **CONSECUTIVE}, fallback=None)
        client = self.client(weir)
        for _ in range(5):
            client.pipeline([("MULTI",), ("SET", "k", "v"), ("EXEC",)])
        outages.wait_for_state(weir, "open")

    def test_a_tenant_cannot_make_up_failures(self):
        """A script's error has the text that its author likes; that Redis is away is not for a tenant to say."""
        weir = self.start({**FAR, **RATE, "consecutive_failures": 5, "failure_replies": ["LOADING", "READONLY", "OOM"]},
                          fallback=None, replica=False)
        client = self.client(weir)
        for code in ("LOADING", "READONLY", "OOM"):
            for script in (f"return redis.error_reply('{code} made up')", f"return {{err='{code} made up'}}",
                           f"error('{code} made up')", f"error({{err='{code} made up'}})",
                           f"return {{redis.error_reply('{code} made up')}}"):
                for command in ("EVAL", "EVAL_RO"):
                    for _ in range(6):
                        client.call(command, script, "0")
                    for _ in range(6):
                        client.pipeline([("MULTI",), (command, script, "0"), ("EXEC",)])
        self.assertEqual(outages.state(weir), "closed")

    def test_clients_of_all_workers_count_together(self):
        weir = self.start({**FAR, **CONSECUTIVE}, fallback=None, workers=2)
        clients = [self.client(weir, protocol=2 + index % 2) for index in range(5)]
        for client in clients[:-1]:
            self.tell(client, "-")
        self.assertEqual(outages.state(weir), "closed")
        self.tell(clients[-1], "-")
        outages.wait_for_state(weir, "open")
        for client in clients:
            self.assert_fallback(client.call("GET", "k"), "get")

    def test_which_kind_of_failure(self):
        """By the metrics, each of them."""
        weir = self.start({**FAR, "mode": "dry_run"}, fallback=None, upstream={"command_timeout": "500ms"}, replica=False)
        client = self.client(weir)

        def count(result):
            return terms.sample(weir, "weir_breaker_calls_total", result=result)
        client.call("SET", "k", "v")
        self.redis.signal(signal.SIGSTOP)
        self.assertEqual(outages.kind(client.call("GET", "k")), "UPSTREAM timeout")
        servers.wait_until(lambda: count("timeout") >= 1, what="a time-out that counts")
        self.redis.signal(signal.SIGCONT)
        servers.wait_until(lambda: client.call("GET", "k") == b"v", what="Redis")
        self.redis_is_replica(True)
        self.tell(client, "-")
        servers.wait_until(lambda: count("reply") >= 1, what="a reply that counts")
        self.redis.signal(signal.SIGSTOP)
        client.send("INCR", "k")
        with weir.client("b") as later:
            later.call("CLIENT", "GETNAME")
            later.call("CLIENT", "GETNAME")
        self.redis.kill()
        client.read()
        servers.wait_until(lambda: count("lost") + count("timeout") >= 2, what="a loss that counts")
        client.call("GET", "k")
        servers.wait_until(lambda: count("connect") >= 1, what="a failure to connect that counts")


class HalfOpenTest(outages.OutageTest):
    """The relay cuts the connections of some commands: so clients fail as they like while the probe is content."""

    BREAKER = {"failure_rate": "0%", "consecutive_failures": 1, "open_for": "100ms", "max_open_for": "400ms",
               "probe_interval": "50ms", "half_open_commands": 3, "successes_to_close": 1000}

    def setUp(self):
        super().setUp()
        self.relay = relay.Relay(self.redis)
        self.addCleanup(self.relay.close)
        self.relay.cut_at(b"cut-me", times=1000)

    def start(self, breaker=None, **sections):
        return super().start({**self.BREAKER, **(breaker or {})}, None, upstream={"url": self.relay.url}, **sections)

    def provoke(self, client):
        """One failure, as soon as weir tries it."""
        return servers.wait_until(lambda: outages.kind(reply := client.call("INCR", "cut-me")) == "UPSTREAM lost" and reply,
                                  what="a command that is let through")

    def opened(self, weir, client):
        servers.wait_until(lambda: client.call("EXISTS", "k") == 0, what="Redis")
        self.provoke(client)
        outages.wait_for_state(weir, "open", "half_open")

    def half_open(self, weir, client):
        self.opened(weir, client)
        outages.wait_for_state(weir, "half_open")

    def test_stays_open_longer_each_time(self):
        weir = self.start()
        client, told = self.client(weir), []
        servers.wait_until(lambda: client.call("EXISTS", "k") == 0, what="Redis")
        for _ in range(4):
            since = len(weir.lines)
            self.provoke(client)
            opened = weir.wait_for(r"(\S+) .*breaker opened.*open_for_ms=(\d+)", since=since)
            told.append(int(opened[2]))
            half_open = weir.wait_for(r"(\S+) .*breaker half-open", since=since)
            lasted = datetime.datetime.fromisoformat(half_open[1]) - datetime.datetime.fromisoformat(opened[1])
            self.assertGreaterEqual(lasted / datetime.timedelta(milliseconds=1), told[-1] - 1)
        self.assertEqual(told, [100, 200, 400, 400])
        self.assertEqual(outages.post(weir, "reset")[0], 200)
        since = len(weir.lines)
        servers.wait_until(lambda: client.call("EXISTS", "k") == 0, what="Redis")
        self.provoke(client)
        self.assertEqual(int(weir.wait_for(r"breaker opened.*open_for_ms=(\d+)", since=since)[1]), 100)

    def test_lets_a_few_commands_through_at_a_time(self):
        weir = self.start(workers=2)
        clients = [self.client(weir, protocol=2 + index % 2) for index in range(12)]
        self.half_open(weir, clients[0])
        for client in clients:  # so that each has a connection to go by
            servers.wait_until(lambda client=client: client.call("EXISTS", "k") == 0, what="an answer of Redis")
        self.redis.signal(signal.SIGSTOP)
        try:
            for client in clients:
                client.send("STRLEN", "k")
            early = []
            while len(early) < len(clients) - 3:
                ready, _, _ = select.select([client.sock for client in clients if client not in early], [], [], 10)
                self.assertTrue(ready, "more of them wait than are let through")
                early += [client for client in clients if client.sock in ready]
            for client in early:
                self.assert_fallback(client.read(), "strlen", ("half_open", "open"))
        finally:
            self.redis.signal(signal.SIGCONT)
        for client in clients:
            if client not in early:
                self.assertEqual(client.read(), 0)

    def test_none_but_the_probe(self):
        weir = self.start({"half_open_commands": 0, "successes_to_close": 20})
        client, seen = self.client(weir), []
        self.half_open(weir, client)
        before = terms.calls(self.redis, "strlen")

        def closed():
            seen.append(outages.kind(client.call("STRLEN", "k")))
            return seen[-1] == "ok"
        servers.wait_until(closed, what="the end of it")
        self.assertEqual(set(seen[:-1]), {"FALLBACK half_open"})
        self.assertEqual(terms.calls(self.redis, "strlen") - before, 1)

    def test_successes_of_commands_and_of_the_probe_close_it(self):
        weir = self.start({"successes_to_close": 50, "half_open_commands": 10, "probe_interval": "500ms"})
        client = self.client(weir)
        self.half_open(weir, client)
        since = time.monotonic()
        servers.wait_until(lambda: client.call("STRLEN", "k") == 0 and outages.state(weir) == "closed", what="its end")
        self.assertLess(time.monotonic() - since, 50 * 0.5, "the probe alone did it")

    def test_a_failure_opens_it_again(self):
        weir = self.start()
        client = self.client(weir)
        self.half_open(weir, client)
        opened = outages.transitions(weir, "open")
        self.provoke(client)
        servers.wait_until(lambda: outages.transitions(weir, "open") == opened + 1, what="the next opening")

    def test_the_applications_own_errors_close_it_too(self):
        with self.redis.client() as direct:
            direct.call("SET", "tenant:a:text", "v")
        weir = self.start({"successes_to_close": 50, "probe_interval": "500ms"})
        client = self.client(weir)
        self.half_open(weir, client)
        since = time.monotonic()
        servers.wait_until(lambda: outages.kind(client.call("LLEN", "text")) == "WRONGTYPE" and outages.state(weir) == "closed",
                           what="its end")
        self.assertLess(time.monotonic() - since, 50 * 0.5, "the probe alone did it")


class OperatorTest(outages.OutageTest):
    def test_forced_open_stays_so_until_it_is_reset(self):
        weir = self.start()
        client = self.client(weir)
        client.call("SET", "k", "v")
        self.begin(weir)
        weir.wait_for("breaker forced open")
        before = terms.calls(self.redis, "ping")
        servers.wait_until(lambda: terms.calls(self.redis, "ping") >= before + 15, what="the probe")  # longer than open_for
        self.assertEqual(outages.state(weir), "forced_open")
        self.assert_fallback(client.call("XLEN", "k"), "xlen", ("forced_open",))
        self.assertIsNone(client.call("GET", "k"))
        self.assertEqual(self.direct().call("GET", "tenant:a:k"), b"v")
        self.end(weir)
        self.assertEqual(client.call("GET", "k"), b"v")

    def test_disabled_never_opens(self):
        weir = self.start()
        client = self.client(weir)
        self.assertEqual(outages.post(weir, "disable")[0], 200)
        weir.wait_for("breaker disabled")
        self.assertEqual(outages.state(weir), "disabled")
        self.redis.kill()
        for _ in range(50):
            self.assertRegex(client.call("GET", "k"), rb"^UPSTREAM ")
        self.assertEqual(outages.state(weir), "disabled")
        outages.post(weir, "reset")
        outages.wait_for_state(weir, "open")

    def test_dry_run_counts_and_never_opens(self):
        for by_hand in (False, True):
            with self.subTest(by_hand=by_hand):
                weir = self.start({**outages.QUICK, "mode": "enforce" if by_hand else "dry_run"})
                client = self.client(weir)
                client.call("SET", "k", "v")
                if by_hand:
                    self.assertEqual(outages.post(weir, "dry-run")[0], 200)
                self.redis.kill()
                for _ in range(30):
                    self.assertRegex(client.call("GET", "k"), rb"^UPSTREAM ")
                weir.wait_for(r"breaker would open \(dry run\)")
                self.assertEqual(outages.state(weir), "closed")
                self.assertGreaterEqual(terms.sample(weir, "weir_breaker_dry_run_openings_total"), 1)
                self.assertEqual(outages.transitions(weir, "open"), 0)
                self.restart()
                servers.wait_until(lambda: client.call("GET", "k") is None, what="Redis")

    def test_disabled_by_the_configuration(self):
        weir = self.start({**outages.QUICK, "mode": "disabled"})
        self.assertEqual(outages.state(weir), "disabled")
        client = self.client(weir)
        client.call("GET", "k")
        self.redis.kill()
        for _ in range(30):
            self.assertRegex(client.call("GET", "k"), rb"^UPSTREAM ")
        self.assertEqual(outages.state(weir), "disabled")

    def test_answers_of_the_admin_listener(self):
        weir = self.start()
        for action, state in (("force-open", "forced_open"), ("disable", "disabled"), ("reset", "closed"),
                              ("dry-run", "closed"), ("reset", "closed")):
            with self.subTest(action):
                self.assertEqual(outages.post(weir, action, "GET")[0], 405)
                code, told = outages.post(weir, action)
                self.assertEqual((code, told["state"]), (200, state))
                self.assertEqual(outages.post(weir, "", "GET"), (200, told))
                self.assertEqual(outages.state(weir), state)
        self.assertEqual(outages.post(weir, "nosuch")[0], 404)
        self.assertEqual(outages.state(weir), "closed")

    def test_without_a_breaker(self):
        weir = self.start(None, None)
        for action in ("force-open", "disable", "dry-run", "reset"):
            code, told = outages.post(weir, action)
            self.assertEqual((code, type(told)), (404, dict))
        self.assertEqual(outages.post(weir, "", "GET")[0], 404)
        client = self.client(weir)
        told = outages.status(client)
        self.assertIsNone(told[b"breaker"])
        self.assertEqual(told[b"store"], b"redis")
        self.redis.kill()
        for _ in range(30):
            self.assertRegex(client.call("GET", "k"), rb"^UPSTREAM ")

    def test_a_fallback_brings_a_breaker(self):
        """`fallback` alone: with all defaults."""
        weir = self.start(None, outages.MEMORY)
        client = self.client(weir)
        client.call("SET", "k", "v")
        self.redis.kill()
        servers.wait_until(lambda: outages.kind(client.call("GET", "k")) == "ok", what="the fallback")
        outages.wait_for_state(weir, "open")

    def test_a_permitted_tenant(self):
        weir = self.start(tenants={"a": {"allow": ["*", "weir|breaker"]}, "b": {}})
        client, other = self.client(weir), self.client(weir, "b", 3)
        for action, state in (("FORCE-OPEN", "forced_open"), ("disable", "disabled"), ("Dry-Run", "closed"),
                              ("RESET", "closed")):
            with self.subTest(action):
                reply = client.call("WEIR", "BREAKER", action)
                self.assertNotIsInstance(reply, resp.Error, action)
                self.assertEqual(outages.state(weir), state)
                before = outages.post(weir, "", "GET")
                self.assertRegex(other.call("WEIR", "BREAKER", action), rb"^NOPERM ")
                self.assertEqual(outages.post(weir, "", "GET")[1]["state"], before[1]["state"])
                self.assertEqual(outages.as_map(other.call("WEIR", "BREAKER"))[b"state"].decode(), state)
        self.assertRegex(client.call("WEIR", "BREAKER", "NOSUCH"), rb"^ERR ")

    def test_told_of_a_healthy_redis(self):
        weir = self.start()
        client = self.client(weir, protocol=3)
        client.pipeline([("SET", "k", "v")] * 20)
        servers.wait_until(lambda: outages.page(weir, "/health")[1]["status"] == "healthy", what="health")
        told = outages.status(client)
        self.assertEqual((told[b"status"], told[b"reason"], told[b"breaker"], told[b"store"], told[b"fallback_answers"],
                          told[b"journal"], told[b"replaying"]), (b"healthy", None, b"closed", b"redis", 0, 0, 0))
        breaker = outages.as_map(client.call("WEIR", "BREAKER"))
        self.assertEqual((breaker[b"state"], breaker[b"failures"], breaker[b"retry_in_ms"]), (b"closed", 0, 0))
        health = outages.page(weir, "/health")[1]
        self.assertEqual(health["status"], "healthy")

    def test_the_store_in_use(self):
        weir = self.start()
        client = self.client(weir)
        self.begin(weir)
        client.call("GET", "k")
        told = outages.status(client)
        self.assertEqual((told[b"breaker"], told[b"store"], told[b"status"]), (b"forced_open", b"memory", b"degraded"))
        servers.wait_until(lambda: outages.status(client)[b"fallback_answers"] >= 1, what="an answer that counts")
        self.assertEqual(outages.status(self.client(weir, "b"))[b"fallback_answers"], 0)
        weir = self.start(fallback=None)
        self.begin(weir)
        self.assertEqual(outages.status(self.client(weir))[b"store"], b"none")

    def test_reload_changes_the_breaker(self):
        weir = self.start({**FAR, **CONSECUTIVE}, None)
        client = self.client(weir)
        client.call("GET", "k")
        servers.wait_until(lambda: outages.page(weir, "/health")[1]["status"] == "healthy", what="the probe's word")
        with self.redis.client() as direct:
            direct.call("REPLICAOF", "127.0.0.1", servers.free_port())
        self.assertTrue(weir.reload(breaker={**FAR, **CONSECUTIVE, "consecutive_failures": 3}), weir.tail())
        for _ in range(2):
            self.assertEqual(outages.kind(client.call("SET", "k", "v")), "READONLY")
        self.assertEqual(outages.state(weir), "closed")
        client.call("SET", "k", "v")
        outages.wait_for_state(weir, "open")
        self.assertTrue(weir.reload(breaker={**FAR, "mode": "disabled"}), weir.tail())
        outages.wait_for_state(weir, "disabled")
        self.assertEqual(outages.kind(client.call("SET", "k", "v")), "READONLY")


class NothingHeldTest(outages.OutageTest):
    def test_no_connection_is_left_in_a_state(self):
        """After outages under every kind of load each connection behind weir is clean."""
        weir = self.start()
        clients = [self.client(weir, protocol=2 + index % 2) for index in range(6)]
        for _ in range(5):
            clients[0].send_raw(resp.encode("MULTI") + resp.encode("INCR", "n"))
            clients[1].send("BLPOP", "l", "0.05")
            clients[2].send_raw(resp.encode("WATCH", "k") + resp.encode("GET", "k"))
            clients[3].send("EVAL", "return 1", "0")
            clients[4].send("SET", "k", b"x" * 100_000)
            self.redis.kill()
            for client, count in zip(clients, (2, 1, 2, 1, 1)):
                for _ in range(count):
                    client.read()
            clients[0].call("DISCARD")
            clients[2].call("UNWATCH")
            outages.wait_for_state(weir, "open", "half_open", "closed")
            self.restart()
            servers.wait_until(lambda: outages.state(weir) == "closed" and clients[0].call("SET", "k", "v") == b"OK",
                               what="Redis again")
        with self.redis.client() as admin:
            sides.nothing_held(admin, weir)


if __name__ == "__main__":
    unittest.main(verbosity=2)
