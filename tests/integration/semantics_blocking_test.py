"""Blocking commands block on the server itself, name their keys as the client does, and let go of everything in time.

Each scenario runs against a private Redis first and then through weir (support/sides.py).
"""
import signal
import time
import unittest

import resp
import servers
import sides

# A command that blocks, and what another client does to wake it.
WAITING = [
    (("BLPOP", "k8", "k9", "0"), ("RPUSH", "k9", "a", "b")),
    (("BRPOP", "k9", "k8", "0"), ("RPUSH", "k8", "a", "b")),
    (("BLMOVE", "k8", "k9", "LEFT", "RIGHT", "0"), ("RPUSH", "k8", "a", "b")),
    (("BRPOPLPUSH", "k8", "k8", "0"), ("RPUSH", "k8", "a", "b")),
    (("BLMPOP", "0", "2", "k8", "k9", "LEFT", "COUNT", "2"), ("RPUSH", "k9", "a", "b", "c")),
    (("BZPOPMIN", "k8", "k9", "0"), ("ZADD", "k9", "1", "a", "2", "b")),
    (("BZPOPMAX", "k8", "k9", "0"), ("ZADD", "k8", "1.5", "a", "2.5", "b")),
    (("BZMPOP", "0", "2", "k8", "k9", "MAX", "COUNT", "2"), ("ZADD", "k9", "1", "a", "2", "b", "3", "c")),
    (("XREAD", "BLOCK", "0", "STREAMS", "k8", "k9", "$", "$"), ("XADD", "k9", "5-1", "tenant:a:f", "tenant:a:v")),
    (("XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", "k8", "0"), ("XADD", "k8", "5-1", "f", "v")),
    (("blpop", "STREAMS", "", "tenant:a:k8", "0"), ("RPUSH", "", "a")),
    (("bLpOp", b"\r\n\x00", b"tenant:a:k8", "0.0"), ("RPUSH", b"tenant:a:k8", b"\r\n\x00")),
]
SERVED_AT_ONCE = [("BLPOP", "missing", "l1", "0"), ("BRPOP", "l2", "l1", "0"),
                  ("BLMOVE", "l1", "l2", "LEFT", "RIGHT", "0"),
                  ("BRPOPLPUSH", "l2", "l1", "0"), ("BLMPOP", "0", "2", "missing", "l1", "RIGHT", "COUNT", "9"),
                  ("BZPOPMIN", "z1", "0"), ("BZPOPMAX", "missing", "z1", "0"), ("BZMPOP", "0", "1", "z1", "MIN"),
                  ("XREAD", "BLOCK", "0", "STREAMS", "x1", "missing", "0", "0"),
                  ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x1", ">"),
                  ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x1", "0")]
TIMED_OUT = [("BLPOP", "missing", "0.01"), ("BRPOP", "missing", "k9", "0.01"),
             ("BLMOVE", "missing", "l", "LEFT", "LEFT",
             "0.01"), ("BRPOPLPUSH", "missing", "l", "0.01"), ("BLMPOP", "0.01", "1", "missing", "LEFT"),
             ("BZPOPMIN", "missing", "0.01"), ("BZPOPMAX", "missing", "0.01"),
             ("BZMPOP", "0.01", "1", "missing", "MAX"),
             ("XREAD", "BLOCK", "10", "STREAMS", "missing", "$"), ("XREAD", "BLOCK", "1", "COUNT", "1", "STREAMS",
             "missing", "0"), ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "10", "STREAMS", "x1", ">"),
             ("WAIT", "1", "10"), ("WAIT", "0", "0")]
FAULTY = [("BLPOP", "k9", "abc"), ("BLPOP", "k9", "-1"), ("BLPOP", "k9", ""), ("BLPOP", "k9", "inf"), ("BLPOP", "k9"),
          ("BLPOP", "k9", "1e400"), ("BLPOP", "k", "0"), ("BLPOP", "missing", "k", "0"),
          ("BLMPOP", "0", "0", "k9", "LEFT"),
          ("BLMPOP", "0", "abc", "k9", "LEFT"), ("BLMPOP", "0", "9", "k9", "LEFT"),
          ("BLMPOP", "0", "4294967297", "k9", "LEFT"),
          ("BLMPOP", "0", "1", "k9", "UP"), ("BLMPOP", "x", "1", "k9", "LEFT"), ("BZMPOP", "0", "-1", "k9", "MIN"),
          ("BZMPOP", "0", "1", "k9", "MIN", "COUNT", "0"), ("BLMOVE", "k9", "l", "UP", "LEFT", "0"),
          ("BLMOVE", "k9", "k", "LEFT", "LEFT", "x"), ("XREAD", "BLOCK", "-1", "STREAMS", "k9", "$"),
          ("XREAD", "BLOCK", "abc", "STREAMS", "k9", "$"), ("XREAD", "BLOCK", "0", "STREAMS", "k9"),
          ("XREAD", "BLOCK", "0", "STREAMS", "k", "$"), ("XREAD", "BLOCK"), ("XREAD", "BLOCK", "0"),
          ("XREADGROUP", "GROUP", "nosuch", "c", "BLOCK", "0", "STREAMS", "x1", ">"),
          ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "missing", ">"),
          ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x1", "$"),
          ("WAIT", "-1", "0"), ("WAIT", "0", "-1"), ("WAIT", "abc", "0"), ("WAIT", "0", "abc"), ("WAIT", "0"),
          ("WAITAOF", "0", "0", "-1"), ("WAITAOF", "0", "abc", "0"), ("CLIENT", "UNBLOCK"),
          ("CLIENT", "UNBLOCK", "abc"),
          ("CLIENT", "UNBLOCK", "999999999"), ("CLIENT", "UNBLOCK", "1", "NOSUCH"), ("CLIENT", "UNBLOCK", "-1")]
SEED = [("RPUSH", "l1", "a", "b", "c"), ("RPUSH", "l2", "tenant:a:l2"),
        ("ZADD", "z1", "1", "tenant:a:m", "2", "b", "3", "c"),
        ("XADD", "x1", "1-1", "tenant:a:f", "tenant:a:v"), ("XADD", "x1", "2-1", "f", "w"),
        ("XGROUP", "CREATE", "x1", "g", "0"), ("SET", "k", "text")]


class BlockedTest(sides.SidesTest):
    settings = {"upstream": {"command_timeout": "1s"}}

    def test_elements_that_are_there_already(self):
        def scenario(side):
            client = side.client()
            for command in SERVED_AT_ONCE:
                client.pipeline([("FLUSHDB",), *SEED, command])
        self.same(scenario)

    def test_nothing_comes_until_the_time_is_over(self):
        self.script([*SEED, ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x1", ">"), *TIMED_OUT, ("GET", "k")])

    def test_faults_are_told_at_once_in_redis_own_words(self):
        self.script([*SEED, *FAULTY, ("GET", "k"), ("DBSIZE",)])

    def test_blocked_until_another_client_brings_something(self):
        """The blocked client counts as blocked on the real server; tenant b's push to the same name wakes nobody."""
        def scenario(side):
            other, foreign = side.client(), side.client("b")
            for waiting, waker in WAITING:
                client = side.client()
                client.send(*waiting)
                side.blocked()
                foreign.call(*waker)
                foreign.call("DEL", waker[1])
                side.blocked()
                other.call(*waker)
                client.read()
                client.call("PING")
                other.call("DEL", "k8", "k9", "", "tenant:a:k8")
                client.close()
        self.same(scenario)

    def test_group_readers_are_woken_and_told_when_stream_or_group_go(self):
        def scenario(side):
            other = side.client()
            for waker in (("XADD", "x1", "9-1", "f", "v"), ("DEL", "x1"), ("XGROUP", "DESTROY", "x1", "g"),
                          ("SET", "x1", "text"), ("RENAME", "x1", "x2"), ("FLUSHDB",), ("FLUSHALL",)):
                client = side.client()
                other.pipeline([("FLUSHALL",), ("XGROUP", "CREATE", "x1", "g", "$", "MKSTREAM")])
                client.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x1", ">")
                side.blocked()
                other.call(*waker)
                if waker[0] == "RENAME":  # in Redis 7.0 it sleeps on
                    other.ask("XADD", "x1", "99-1", "f", "v")
                    other.ask("XGROUP", "CREATE", "x1", "g", "0")
                    other.ask("XADD", "x1", "99-2", "f", "v")
                    other.ask("DEL", "x1")
                client.read()
                client.close()
        self.same(scenario)

    def test_waits_longer_than_command_timeout(self):
        """The limit for a command's reply (a second here) is none for how long a client may block."""
        def scenario(side):
            client, clock, other = side.client(), side.client(), side.client()
            client.send("BLPOP", "k9", "0")
            start = time.monotonic()
            clock.call("BLPOP", "missing", "1.5")
            clock.call("XREAD", "BLOCK", "1500", "STREAMS", "missing", "$")
            self.assertGreater(time.monotonic() - start, 2.9)
            side.blocked()
            other.call("RPUSH", "k9", "late")
            client.read()
            client.call("GET", "k9")
        self.same(scenario, protocols=(3,))

    def test_time_out_is_the_clients_own(self):
        def scenario(side):
            client = side.client()
            for seconds in (0.05, 0.3):
                start = time.monotonic()
                client.call("BLPOP", "missing", seconds)
                self.assertGreater(time.monotonic() - start, seconds * 0.9)
                self.assertLess(time.monotonic() - start, seconds + 5)
        self.same(scenario, protocols=(2,))

    def test_first_blocked_is_first_served(self):
        def scenario(side):
            clients, other = [side.client() for _ in range(8)], side.client()
            for count, client in enumerate(clients):
                client.send("BLPOP", "k9", "0")
                side.blocked(count + 1)
            for i in range(4):
                other.call("RPUSH", "k9", f"one {i}", f"two {i}")
            for client in clients:
                client.read()
        self.same(scenario, protocols=(2,))

    def test_pipeline_waits_behind_a_blocking_command(self):
        """What was sent behind it is executed after it, also when all came in one write."""
        def scenario(side):
            client, other = side.client(), side.client()
            client.send_raw(b"".join(resp.encode(*args) for args in (
                ("SET", "k", "before"), ("BLPOP", "k9", "0"), ("GET", "k"), ("PING",), ("BLPOP", "k9", "0"),
                ("APPEND", "k", "!"), ("DBSIZE",), ("BLPOP", "missing", "0.01"), ("GET", "k"), ("CONFIG",),
                ("INCR", "n"))))
            side.blocked()
            other.pipeline([("GET", "k"), ("EXISTS", "n"), ("SET", "k", "changed"), ("RPUSH", "k9", "first")])
            for _ in range(4):
                client.read()
            side.blocked()
            other.pipeline([("GET", "k"), ("EXISTS", "n"), ("RPUSH", "k9", "second", "third")])
            for _ in range(7):
                client.read()
        self.same(scenario)

    def test_thousands_of_commands_behind_a_blocking_one(self):
        def scenario(side):
            client, other = side.client(), side.client()
            data = resp.encode("BLPOP", "k9", "0") + b"".join(resp.encode("INCR", "n") for _ in range(5000))
            sender = client.send_in_background([data])
            side.blocked()
            other.call("EXISTS", "n")
            other.call("RPUSH", "k9", "go")
            for _ in range(5001):
                client.read()
            sender.join()
        self.same(scenario, protocols=(2,))

    def test_database_of_a_blocked_client(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.call("SELECT", 9)
            client.send("BLPOP", "k9", "0")
            side.blocked()
            other.call("RPUSH", "k9", "in zero")
            side.blocked()
            other.pipeline([("SELECT", 9), ("RPUSH", "k9", "in nine")])
            client.read()
            client.pipeline([("LLEN", "k9"), ("SELECT", 0), ("BLPOP", "k9", "0"), ("LLEN", "k9")])
        self.same(scenario)

    def test_large_elements_and_many_keys(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.send("BLPOP", "k9", "0")
            side.blocked()
            other.call("RPUSH", "k9", b"x" * 400_000, b"y" * 3_000_000)
            client.read()
            client.call("BRPOP", "k9", "0")
            client.send("BLPOP", *(f"key number {i:05} of many" for i in range(5000)), "0")
            side.blocked()
            other.call("RPUSH", "key number 04999 of many", "found")
            client.read()
        self.same(scenario)

    def test_transaction_and_script_wake_a_blocked_client(self):
        def scenario(side):
            client, other = side.client(), side.client()
            for waker in ([("MULTI",), ("RPUSH", "k9", "a"), ("RPUSH", "k9", "b"), ("LLEN", "k9"), ("EXEC",)],
                          [("EVAL", "return redis.call('RPUSH', KEYS[1], 'c')", "1", "k9")],
                          [("RPUSH", "l9", "d"), ("RENAME", "l9", "k9")],
                          [("RPUSH", "l9", "e"), ("SORT", "l9", "ALPHA",
                                                                         "STORE", "k9")]):
                client.send("BRPOP", "k9", "0")
                side.blocked()
                other.pipeline(waker)
                client.read()
                other.call("DEL", "k9", "l9")
        self.same(scenario)

    def test_chain_of_moves(self):
        def scenario(side):
            first, second, other = side.client(), side.client(), side.client()
            first.send("BLMOVE", "k7", "k8", "LEFT", "RIGHT", "0")
            side.blocked(1)
            second.send("BRPOPLPUSH", "k8", "k9", "0")
            side.blocked(2)
            other.call("RPUSH", "k7", "goes on")
            first.read()
            second.read()
            other.call("LRANGE", "k9", 0, -1)
        self.same(scenario)


class UnblockTest(sides.SidesTest):
    def test_client_unblock_in_its_forms(self):
        """By the id that CLIENT ID gave; TIMEOUT is nil, ERROR is -UNBLOCKED; who is not blocked is not unblocked."""
        def scenario(side):
            client, other = side.client(), side.client()
            number = client.ask("CLIENT", "ID")
            for waiting, _ in WAITING[:10]:
                for form in ((), ("TIMEOUT",), ("ERROR",), ("error",)):
                    client.send(*waiting)
                    side.blocked()
                    other.call("CLIENT", "UNBLOCK", number, *form)
                    client.read()
                    client.call("PING")
            other.call("CLIENT", "UNBLOCK", number)
            other.call("CLIENT", "UNBLOCK", other.ask("CLIENT", "ID"))
        self.same(scenario, protocols=(2, 3))

    def test_nobody_unblocks_another_tenants_client(self):
        def scenario(side):
            client, foreign, other = side.client(), side.client("b"), side.client()
            number = client.ask("CLIENT", "ID")
            client.send("BLPOP", "k9", "0")
            side.blocked()
            guesses = [number] if side.name != "private Redis" else [999_999]
            for guess in (*guesses, *range(900_000, 900_040)):
                self.assertEqual(foreign.ask("CLIENT", "UNBLOCK", guess), 0)
                foreign.ask("CLIENT", "UNBLOCK", guess, "ERROR")
            if side.name == "weir":  # nor by the number that the server itself has for the connection
                for guess in range(1, 200):
                    self.assertEqual(foreign.ask("CLIENT", "UNBLOCK", guess), 0)
            side.blocked()
            other.call("RPUSH", "k9", "own")
            client.read()
        self.same(scenario, protocols=(2,))

    def test_client_kill_ends_a_blocked_client_of_the_same_tenant(self):
        def scenario(side):
            client, other = side.client(), side.client()
            number = client.ask("CLIENT", "ID")
            client.send("BLPOP", "k9", "0")
            side.blocked()
            other.call("CLIENT", "KILL", "ID", number)
            client.read_until_closed()
            side.blocked(0)
            other.pipeline([("RPUSH", "k9", "kept"), ("LLEN", "k9")])
        self.same(scenario, protocols=(2,))

    def test_client_that_disappears_while_blocked_loses_no_element(self):
        """Its connection to the server is gone at once; what comes after that waits for the next."""
        def scenario(side):
            other = side.client()
            for waiting, waker in WAITING[:7]:
                for leave in (lambda client: client.close(), lambda client: client.half_close()):
                    client = side.client()
                    client.send(*waiting)
                    side.blocked()
                    leave(client)
                    side.blocked(0)
                    other.pipeline([waker, ("LLEN" if waker[0] == "RPUSH" else "ZCARD", waker[1]),
                                    ("DEL", "k8", "k9")])
        self.same(scenario, protocols=(2,))

    def test_hundreds_gone_at_once_while_blocked(self):
        """Half of two hundred leave; the others get one element each, whoever gets which."""
        self._hundreds(self.reference())
        side = self.proxied()
        self._hundreds(side)
        self.assert_nothing_held(side)

    def _hundreds(self, side):
        other = side.client()
        clients = [side.client(protocol=2 + i % 2) for i in range(200)]
        for i, client in enumerate(clients):
            client.send_raw(resp.encode("INCR", "n") + resp.encode("BLPOP", f"list{i}", "k9", "0"))
        side.blocked(200)
        for client in clients[::2]:
            client.close()
        side.blocked(100)
        self.assertEqual(other.call("RPUSH", "k9", *range(150)), 150)
        got = []
        for client in clients[1::2]:
            client.read()
            key, element = client.read()
            self.assertEqual(key, b"k9")
            got.append(int(element))
        self.assertEqual(sorted(got), list(range(100)))
        self.assertEqual(other.call("LLEN", "k9"), 50)
        for client in side.talkers:
            client.close()


@unittest.skipIf(sides.DIRECT, "about weir's own connections")
class PoolTest(sides.SidesTest):
    def test_a_tenant_leaves_connections_for_others(self):
        """Three quarters, and of the rest its part: whoever blocks more clients waits, and another tenant does not."""
        weir = self.start_weir(self.folder, workers=1, upstream={"pool": {"max": 8, "acquire_timeout": "30s"}})
        side = self.proxied(2, weir)
        greedy = [side.client() for _ in range(12)]
        for client in greedy:
            client.send("BLPOP", "k9", "0")
        servers.wait_until(lambda: sides.lent(weir)[1] == 6, what="waiting clients")
        side.blocked(6)
        with weir.client("b") as other:
            other.call("RPUSH", "mine", "x")
            self.assertEqual(other.call("BLPOP", "mine", "0"), [b"mine", b"x"])
        for turn in range(12):
            with weir.client() as giver:
                giver.call("RPUSH", "k9", turn)
        self.assertEqual(sorted(int(client.read()[1]) for client in greedy), list(range(12)))

    def test_exhausted_pool_is_a_clear_error_after_acquire_timeout(self):
        """Nobody waits for ever, and the connection of who was told no stays usable; a place that becomes free is
        used."""
        weir = self.start_weir(self.folder, workers=1, upstream={"pool": {"max": 3, "acquire_timeout": "400ms"}})
        side = self.proxied(2, weir)
        holders = [side.client() for _ in range(3)]
        for count, client in enumerate(holders):
            client.send("BLPOP", "k9", "0")
            side.blocked(count + 1)
        late, start = side.client(), time.monotonic()
        fault = late.call("BLPOP", "k9", "0")
        self.assertIsInstance(fault, resp.Error)
        self.assertRegex(fault, rb"^UPSTREAM busy")
        self.assertGreater(time.monotonic() - start, 0.35)
        self.assertEqual(late.pipeline([("SET", "k", "1"), ("GET", "k")]), [b"OK", b"1"])
        late.send("BLPOP", "k9", "0")  # waits for a connection, and gets the one that comes back
        servers.wait_until(lambda: sides.lent(weir)[1] == 1, what="a waiting client")
        holders[0].close()
        side.blocked(3)
        with weir.client() as other:
            other.call("RPUSH", "k9", "1", "2", "3")
        got = sorted(client.read()[1] for client in (late, *holders[1:]))
        self.assertEqual(got, [b"1", b"2", b"3"])
        for client in side.talkers:
            client.close()
        self.assert_nothing_held(side, weir)

    def test_thousand_clients_want_to_block_on_a_pool_of_fifty(self):
        weir = self.start_weir(self.folder, upstream={"pool": {"max": 50, "acquire_timeout": "500ms"}})
        side = self.proxied(2, weir)
        clients = [side.client("ab"[i % 2]) for i in range(1000)]
        for client in clients:
            client.send("BLPOP", "k9", "0")
        told = {}

        def all_but_those_that_block():
            for number, client in enumerate(clients):
                if number not in told:
                    client.sock.settimeout(0.0005)
                    try:
                        told[number] = client.sock.recv(500)
                    except (TimeoutError, BlockingIOError):
                        pass
            return len(told) >= 950
        servers.wait_until(all_but_those_that_block, deadline=60, what="an answer to those that cannot block")
        self.assertEqual(len(told), 950)
        for text in told.values():
            self.assertRegex(text, rb"^-UPSTREAM busy[^\r]*\r\n$")
        side.blocked(50)
        rest = [client for number, client in enumerate(clients) if number not in told]
        with weir.client("a") as first, weir.client("b") as second:
            for pusher in (first, second):
                pusher.call("DEL", "k9")
                pusher.call("RPUSH", "k9", *range(50))
        for client in rest:
            client.sock.settimeout(30)
            self.assertEqual(client.read()[0], b"k9")
        for client in side.talkers:
            client.close()
        self.assert_nothing_held(side, weir)

    def test_server_gone_while_clients_are_blocked(self):
        """They hear of it or lose their connection; none waits on for ever."""
        redis = self.folder.redis("mortal")
        weir = self.folder.weir(redis, workers=1)
        clients = [weir.client("ab"[i % 2], 2 + i % 2) for i in range(10)]
        for client in clients:
            self.addCleanup(client.close)
            client.send("BLPOP", "k9", "0")
        with redis.client() as admin:
            servers.wait_until(lambda: b"blocked_clients:10\r" in admin.call("INFO", "clients"))
        redis.kill()
        for client in clients:
            try:
                self.assertRegex(client.read(), rb"^UPSTREAM lost")
            except (resp.ConnectionClosed, ConnectionError):
                pass

    def test_drain_ends_blocked_clients_in_time(self):
        weir = self.start_weir(self.folder, drain_timeout="1s")
        side = self.proxied(2, weir)
        clients = [side.client() for _ in range(20)]
        for client in clients:
            client.send("BLPOP", "k9", "0")
        side.blocked(20)
        weir.signal(signal.SIGTERM)
        for client in clients:
            client.sock.settimeout(20)
            client.read_until_closed()
        self.assertEqual(weir.wait(20), 0)
        side.blocked(0)

    def test_blocked_is_not_idle(self):
        """clients.idle_timeout closes who is silent, not who waits for an answer, just as Redis' timeout."""
        weir = self.start_weir(self.folder, clients={"idle_timeout": "1s"})
        side = self.proxied(2, weir)
        client, idle = side.client(), side.client()
        idle.ask("PING")
        client.send("BLPOP", "k9", "0")
        self.assertTrue(idle.closed())
        with weir.client() as clock:
            clock.call("BLPOP", "missing", "2.5")
            clock.call("RPUSH", "k9", "1")
        self.assertEqual(client.read(), [b"k9", b"1"])


class WaitTest(sides.SidesTest):
    """With a real replica, which is stopped while acknowledgements are counted."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.replicas = {}
        masters = {server.address: server for server in (cls.private["a"], cls.behind["a"])}
        for index, (address, master) in enumerate(masters.items()):
            port = servers.free_port()
            replica = cls.shared.redis(f"replica-{index}")
            with master.client() as admin, replica.client() as follower:
                for setting in (("port", port), ("repl-diskless-sync-delay", 0)):
                    assert admin.call("CONFIG", "SET", *setting) == b"OK"
                follower.call("REPLICAOF", "127.0.0.1", port)
                servers.wait_until(lambda: b"master_link_status:up" in follower.call("INFO", "replication"),
                                   what="the replica")
                servers.wait_until(lambda: b"state=online" in admin.call("INFO", "replication"), what="the replica")
            cls.replicas[address] = replica

    def replica(self, side):
        return self.replicas[side.server().address]

    def test_wait_counts_acknowledgements_of_the_clients_own_writes(self):
        """Also of those that went to the server over another connection than WAIT itself."""
        def scenario(side):
            client, replica = side.client(), self.replica(side)
            for write in (("SET", "k", "1"), ("MULTI",), ("BLPOP", "l1", "0"),
                          ("EVAL", "return redis.call('INCR', KEYS[1])",
                                                                              "1", "n"), ("SET", "k", b"x" * 100_000),
                          ("FLUSHDB",)):
                client.call("RPUSH", "l1", "a")
                client.call("WAIT", "1", "0")
                replica.signal(signal.SIGSTOP)
                try:
                    if write == ("MULTI",):
                        client.pipeline([write, ("SET", "k", "1"), ("EXEC",)])
                    else:
                        client.call(*write)
                    client.call("WAIT", "1", "100")
                    client.call("WAIT", "0", "0")
                finally:
                    replica.signal(signal.SIGCONT)
                client.call("WAIT", "1", "0")
                client.call("WAIT", "1", "1000")
            client.pipeline([("SET", "k", "1"), ("WAIT", "1", "0"), ("SET", "k", "2"), ("WAIT", "1", "0"),
                             ("GET", "k")])
        self.same(scenario)

    def test_wait_gives_up_after_its_time_and_longer_than_command_timeout(self):
        def scenario(side):
            client, replica = side.client(), self.replica(side)
            replica.signal(signal.SIGSTOP)
            try:
                client.call("SET", "k", "1")
                start = time.monotonic()
                client.call("WAIT", "1", "1500")
                self.assertGreater(time.monotonic() - start, 1.4)
                client.call("GET", "k")
            finally:
                replica.signal(signal.SIGCONT)
            client.call("WAIT", "1", "0")
            client.call("WAIT", "2", "50")
        self.same(scenario, protocols=(2,))

    def test_client_gone_while_it_waits(self):
        def scenario(side):
            client, other, replica = side.client(), side.client(), self.replica(side)
            replica.signal(signal.SIGSTOP)
            try:
                client.call("SET", "k", "1")
                client.send("WAIT", "1", "0")
                side.blocked()
                client.close()
                side.blocked(0)
                other.call("GET", "k")
            finally:
                replica.signal(signal.SIGCONT)
        self.same(scenario, protocols=(2,))


if __name__ == "__main__":
    unittest.main(verbosity=2)
