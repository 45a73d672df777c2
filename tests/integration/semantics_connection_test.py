"""What belongs to one connection belongs to it alone; pipelines, half-closes and protocol errors are Redis' own.

Each scenario runs against a private Redis first and then through weir (support/sides.py).
"""
import random
import re
import unittest

import reply_compare
import resp
import servers
import sides

HELLO_MASK = rb"\$2\r\nid\r\n:\d+|\$\d\r\n(?:redis|valkey)"


class StateTest(sides.SidesTest):
    def test_state_is_each_clients_own(self):
        """Database, protocol, name, MULTI, WATCH, tracking and subscriptions of some, turn by turn, show at no
        other."""
        def scenario(side):
            plain, named, other_db, multi, resp3, tracker, watcher, foreign = (side.client(tenant,
                                                                                           protocol) for tenant,
                                                                               protocol in (
                ("a", 2), ("a", 2), ("a", 2), ("a", 2), ("a", 3), ("a", 3), ("a", 2), ("b", 2)))
            named.call("CLIENT", "SETNAME", "mine")
            other_db.call("SELECT", 5)
            multi.call("MULTI")
            tracker.call("CLIENT", "TRACKING", "ON")
            watcher.call("WATCH", "k")
            for turn in range(4):
                for client in (plain, named, other_db, multi, resp3, tracker, watcher, foreign):
                    client.pipeline([("CLIENT", "GETNAME"), ("GET", "k"), ("INCR", f"n{turn}"),
                                     ("HGETALL", "missing"),
                                     ("XREAD", "STREAMS", "missing", "0"), ("CLIENT", "GETREDIR"),
                                     ("ZSCORE", "missing", "m")])
            multi.call("EXEC")
            watcher.pipeline([("MULTI",), ("GET", "k"), ("EXEC",)])
        self.same(scenario, protocols=(2,))

    def test_reset_leaves_nothing(self):
        """RESP2, database 0, no MULTI, no WATCH, no name, no subscription, tracking off, replies on."""
        def scenario(side):
            client, other = side.client(protocol=3), side.client()
            client.pipeline([("SET", "k", "1"), ("SELECT", 4), ("CLIENT", "SETNAME", "x"),
                             ("CLIENT", "TRACKING", "ON"), ("GET", "k"),
                             ("WATCH", "k"), ("MULTI",), ("SET", "k", "2")])
            client.call("RESET")
            client.pipeline([("CLIENT", "GETNAME"), ("HGETALL", "missing"), ("EXEC",), ("GET", "k"),
                             ("CLIENT", "TRACKINGINFO"),
                             ("CLIENT", "GETREDIR"), ("ZSCORE", "missing", "m"), ("MULTI",), ("GET", "k"), ("EXEC",)])
            other.call("SET", "k", "3")
            silenced = (("CLIENT", "REPLY", "OFF"), ("GET", "k"), ("RESET",), ("GET", "k"))
            client.send_raw(b"".join(resp.encode(*command) for command in silenced))
            client.read()
            client.pipeline([("RESET",), ("RESET", "x"), ("PING",)])
        self.same(scenario, protocols=(3,))

    def test_hello_in_its_forms(self):
        def scenario(side):
            client = side.client()
            client.mask = HELLO_MASK + rb"|\$\d+\r\n[78]\.\d+\.\d+"
            client.pipeline([("HELLO",), ("HELLO", "3"), ("HELLO", "2"), ("HELLO", "3", "SETNAME", "me"),
                             ("CLIENT", "GETNAME"), ("HELLO", "4"),
                             ("HELLO", "abc"), ("HELLO", "3", "SETNAME"), ("HELLO", "3", "NOSUCH"),
                             ("HELLO", "2", "SETNAME", "a b"),
                             ("HELLO", "1"), ("HELLO", ""), ("hello", "3", "setname", ""), ("CLIENT", "GETNAME"),
                             ("HGETALL", "missing"),
                             ("HELLO", "3", "AUTH", "default"), ("HELLO", "2"), ("HGETALL", "missing")])
        self.same(scenario)

    def test_connection_commands_in_redis_own_words(self):
        self.script([("AUTH",), ("AUTH", "x"), ("AUTH", "a", "b", "c"), ("PING",), ("PING", "x"), ("PING", "a", "b"),
                     ("ECHO",), ("ECHO", "a", "b"),
                     ("SELECT", "x"), ("CLIENT", "GETNAME", "x"), ("CLIENT", "SETNAME"),
                     ("CLIENT", "REPLY", "NOSUCH"), ("CLIENT", "REPLY"),
                     ("CLIENT", "KILL"), ("CLIENT", "KILL", "ID", "abc"), ("CLIENT", "KILL", "ID", "999999999"),
                     ("CLIENT", "KILL", "1.2.3.4:5"),
                     ("CLIENT", "KILL", "NOSUCH", "1"), ("CLIENT", "KILL", "TYPE", "nosuch"),
                     ("CLIENT", "KILL", "ADDR", "1.2.3.4:5"),
                     ("CLIENT", "KILL", "SKIPME", "maybe"), ("CLIENT", "KILL", "USER", "nosuch"),
                     ("CLIENT", "LIST", "NOSUCH"),
                     ("CLIENT", "LIST", "TYPE", "nosuch"), ("CLIENT", "LIST", "ID"), ("CLIENT", "LIST", "ID", "abc"),
                     ("CLIENT", "LIST", "ID", "999999999"), ("CLIENT", "LIST", "TYPE", "replica"),
                     ("CLIENT", "NO-EVICT"), ("CLIENT", "ID", "x"),
                     ("RESET", "x"), ("QUIT", "x")], protocols=(2,))

    def test_quit(self):
        """+OK, then closed; what was pipelined behind it is not executed."""
        def scenario(side):
            other = side.client()
            for size in (0, 200_000):
                client = side.client()
                client.send_in_background([resp.encode("SET", "k", "1") + resp.encode("QUIT") + resp.encode("SET",
                                                                                                            "k",
                                                                                                            "2") +
                                           resp.encode("SET", "k1", b"x" * size)]).join()
                client.read_until_closed()
                other.pipeline([("GET", "k"), ("EXISTS", "k1")])
        self.same(scenario)


class IdentityTest(sides.SidesTest):
    protocols = (2,)

    def test_client_id_is_the_number_that_all_others_take(self):
        """LIST, LIST ID, INFO, HELLO, KILL ID, UNBLOCK and TRACKING REDIRECT mean the same client by it."""
        def scenario(side):
            client = side.client()
            client.call("CLIENT", "SETNAME", "me")
            number = client.ask("CLIENT", "ID")
            other = side.client()
            self.assertGreater(other.ask("CLIENT", "ID"), number)
            self.assertEqual(client.ask("HELLO", 3).get(b"id"), number)
            self.assertIn(b"id=%d " % number, client.ask("CLIENT", "INFO"))
            line = next(line for line in other.ask("CLIENT",
                                                   "LIST").splitlines() if line.startswith(b"id=%d " % number))
            self.assertIn(b" name=me ", line)
            self.assertTrue(other.ask("CLIENT", "LIST", "ID", number).startswith(b"id=%d " % number))
            other.call("CLIENT", "TRACKING", "ON", "REDIRECT", number)
            other.call("CLIENT", "TRACKING", "OFF")
            client.send("BLPOP", "missing", "0")
            side.blocked()
            other.call("CLIENT", "UNBLOCK", number)
            client.read()
            other.call("CLIENT", "KILL", "ID", number)
            client.read_until_closed()
            other.call("CLIENT", "KILL", "ID", number)
            self.assertNotIn(b"name=me ", other.ask("CLIENT", "LIST"))
        self.same(scenario)

    def test_client_list_shows_what_each_is_at(self):
        def scenario(side):
            clients = []
            for _ in range(4):
                clients.append(side.client())
                clients[-1].ask("PING")  # ids are given when a client is accepted, by one worker or the other
            lister, subscriber, multi, third = clients
            subscriber.told("SUBSCRIBE", "c1", "c2", count=2)
            subscriber.told("PSUBSCRIBE", "p*")
            multi.pipeline([("CLIENT", "SETNAME", "multi"), ("SELECT", 3), ("MULTI",), ("GET", "k"), ("GET", "k")])
            third.ask("HELLO", 3, "SETNAME", "third")
            lines = [dict(pair.split(b"=", 1) for pair in line.split()) for line in lister.ask("CLIENT",
                                                                                               "LIST").splitlines()]
            if side.name == "weir":  # whose workers number clients as they accept them, not as these connected
                self.assertEqual(len(lines), 4)
            else:
                lines = [line for line in lines if int(line[b"id"]) >= lister.ask("CLIENT", "ID")]
            side.note([{field: line.get(field) for field in (b"name", b"db", b"sub", b"psub", b"multi", b"resp",
                                                             b"user", b"cmd")}
                       for line in sorted(lines, key=lambda line: (line[b"name"], line[b"sub"]))])
            side.note(set(lines[0]) >= {b"id", b"addr", b"laddr", b"fd", b"name", b"age", b"idle", b"flags", b"db",
                                        b"sub", b"psub", b"multi",
                                        b"cmd", b"user", b"resp"})
        self.same(scenario)

    def test_other_tenants_clients_are_out_of_sight_and_reach(self):
        if sides.DIRECT:
            self.skipTest("each tenant has its own server there")
        side = self.proxied()
        own, foreign, blocked = side.client(), side.client("b"), side.client("b")
        foreign.call("CLIENT", "SETNAME", "vcanary-name")
        number = foreign.ask("CLIENT", "ID")
        address = re.search(rb" addr=(\S+)", foreign.ask("CLIENT", "INFO"))[1]
        blocked.send("BLPOP", "k9", "0")
        side.blocked()
        for words in (("LIST",), ("LIST", "ID", number), ("LIST", "TYPE", "normal"), ("INFO",)):
            self.assertNotIn(b"canary", own.ask("CLIENT", *words))
        self.assertNotIn(b"id=%d " % number, own.ask("CLIENT", "LIST", "ID", number))
        for words in (("ID", number), ("ADDR", address), ("TYPE", "normal"), ("USER", "default"),
                      ("LADDR", "127.0.0.1:1"), ("TYPE", "pubsub"),
                      ("ID", number, "SKIPME", "no"), ("SKIPME", "yes")):
            reply = own.ask("CLIENT", "KILL", *words)
            self.assertTrue(reply == 0 or isinstance(reply, resp.Error), (words, reply))
        self.assertIsInstance(own.ask("CLIENT", "KILL", address), resp.Error)
        for guess in range(max(0, number - 50), number + 50):
            self.assertEqual(own.ask("CLIENT", "UNBLOCK", guess), 0)
        self.assertEqual(foreign.call("PING"), b"PONG")
        side.blocked()

    def test_client_kill_reaches_own_clients(self):
        def scenario(side):
            killer = side.client()
            for how in ("ID", "ADDR", "old", "many"):
                client = side.client()
                client.call("PING")
                number = client.ask("CLIENT", "ID")
                address = re.search(rb" addr=(\S+)", client.ask("CLIENT", "INFO"))[1]
                if side.name != "weir" and how in ("ADDR", "old"):
                    # All unix sockets look alike there.
                    killer.replies.append((b"", b":1\r\n" if how == "ADDR" else b"+OK\r\n"))
                    killer.ask("CLIENT", "KILL", "ID", number)
                elif how == "old":
                    killer.call("CLIENT", "KILL", address)
                elif how == "many":
                    killer.call("CLIENT", "KILL", "ID", number, "TYPE", "normal", "SKIPME", "yes")
                else:
                    killer.call("CLIENT", "KILL", how, number if how == "ID" else address)
                client.read_until_closed()
            killer.send("CLIENT", "KILL", "ID", killer.ask("CLIENT", "ID"), "SKIPME", "no")
            killer.read_until_closed()
        self.same(scenario)


class ReplySwitchTest(sides.SidesTest):
    def test_no_reply_comes_for_what_was_sent_while_off(self):
        """CLIENT REPLY OFF silences all up to ON, SKIP the next command alone; whoever answers it."""
        commands = [("SET", "k", "1"), ("CLIENT", "REPLY", "OFF"), ("INCR", "k"), ("PING",), ("nosuch",),
                    ("CONFIG", "SET", "a", "b"),
                    ("DBSIZE",), ("GET", "k"), ("ECHO", "x"), ("CLIENT", "REPLY", "ON"), ("GET", "k"),
                    ("CLIENT", "REPLY", "SKIP"),
                    ("INCR", "k"), ("GET", "k"), ("CLIENT", "REPLY", "SKIP"), ("PING",), ("PING", "seen"),
                    ("CLIENT", "REPLY", "SKIP"),
                    ("nosuch",), ("GET", "k"), ("CLIENT", "REPLY", "SKIP"), ("CLIENT", "REPLY", "SKIP"),
                    ("PING", "hidden"), ("PING", "seen"),
                    ("CLIENT", "REPLY", "SKIP"), ("CLIENT", "REPLY", "ON"), ("PING", "seen"),
                    ("CLIENT", "REPLY", "SKIP"), ("KEYS", "*"), ("GET", "k"),
                    ("CLIENT", "REPLY", "SKIP"), ("BLPOP", "missing", "0.01"), ("GET", "k"),
                    ("CLIENT", "REPLY", "SKIP"), ("SELECT", "3"),
                    ("GET", "k"), ("SELECT", "0"), ("CLIENT", "REPLY", "SKIP"), ("MULTI",), ("INCR", "k"), ("EXEC",),
                    ("CLIENT", "REPLY", "SKIP"),
                    ("DBSIZE",), ("GET", "k"), ("CLIENT", "REPLY", "OFF"), ("MULTI",), ("INCR", "k"), ("EXEC",),
                    ("SET", "big", b"x" * 200_000),
                    ("FLUSHDB",), ("SET", "k2", "after"), ("BLPOP", "missing", "0.01"),
                    ("CLIENT", "REPLY", "NOSUCH"), ("CLIENT", "REPLY", "ON"),
                    ("GET", "k2"), ("CLIENT", "REPLY", "SKIP"), ("SET", "big", b"x" * 200_000), ("STRLEN", "big"),
                    ("CLIENT", "REPLY", "OFF"),
                    ("CLIENT", "REPLY", "SKIP"), ("PING",), ("PING",), ("CLIENT", "REPLY", "ON"), ("DBSIZE",),
                    ("CLIENT", "REPLY", "SKIP"),
                    ("CLIENT", "REPLY", "OFF"), ("PING",), ("CLIENT", "REPLY", "ON")]

        def scenario(side):
            rng = random.Random(3)
            for cuts in (0, 5, 60, 60):
                client = side.client()
                data = b"".join(resp.encode(*command) for command in commands)
                for chunk in reply_compare.shuffled_chunks(rng, data, cuts):
                    client.send_raw(chunk)
                client.send_raw(resp.encode("ECHO", "the end"))
                while client.read() != b"the end":
                    pass
                client.call("FLUSHDB")
        self.same(scenario)

    def test_reset_is_silent_when_it_is_skipped_and_ends_off(self):
        def scenario(side):
            client = side.client()
            for switches in (("SKIP",), ("OFF",), ("OFF", "SKIP"), ("SKIP", "OFF")):
                for turn in range(2):
                    client.send_raw(b"".join(resp.encode(*command) for command in (
                        *(("CLIENT", "REPLY", switch) for switch in switches), ("RESET",), ("PING",), ("ECHO", "end"))))
                    while client.read() != b"end":
                        pass
        self.same(scenario)

    def test_pushes_while_replies_are_off(self):
        """As Redis 7: nothing at all is sent while off but what a subscriber is told in RESP3."""
        def scenario(side):
            client, other = side.client(protocol=3), side.client()
            client.told("SUBSCRIBE", "c1")
            client.send_raw(resp.encode("CLIENT", "REPLY", "SKIP") + resp.encode("GET", "k") + resp.encode("PING",
                                                                                                           "seen"))
            client.read()
            other.call("PUBLISH", "c1", "x")
            client.message()
        self.same(scenario, protocols=(3,))

    def test_many_silent_commands_do_not_stop_a_client(self):
        def scenario(side):
            client = side.client()
            client.send_in_background([resp.encode("CLIENT", "REPLY", "OFF") + resp.encode("INCR", "n") * 20_000 +
                                       resp.encode("CLIENT", "REPLY", "ON") + resp.encode("GET", "n")])
            client.read()
            client.read()
        self.same(scenario)


class StreamTest(sides.SidesTest):
    """Bytes: however they are cut, whatever comes between."""

    @staticmethod
    def mixed():
        return [("SET", "key", b"a\r\nb\x00c"), ("GET", "key"), ("nosuch", "x"), ("MULTI",), ("INCR", "n"),
                ("LPUSH", "l", "a", "b"),
                ("LMPOP", "1", "l", "LEFT"), ("EXEC",), ("GET",), ("BLPOP", "l", "0"), ("PING", "x"), ("HELLO", "3"),
                ("HSET", "h", "f", "v"), ("HGETALL", "h"), ("CONFIG",), ("KEYS", "ke*"), ("SELECT", "1"),
                ("DBSIZE",), ("WATCH", "k"), ("MULTI",),
                ("SELECT", "0"), ("GET", "key"), ("EXEC",), ("CLIENT", "REPLY", "SKIP"), ("GET", "key"),
                ("EVAL", "return redis.call('GET', KEYS[1])", "1", "key"), ("SUBSCRIBE", "c1"), ("PING", "y"),
                ("UNSUBSCRIBE", "c1"), ("GET", "key"),
                ("CLIENT", "TRACKING", "ON", "NOLOOP"), ("SET", "key", "1"), ("CLIENT", "TRACKING", "OFF"),
                ("MULTI",), ("nosuch",), ("EXEC",),
                ("FLUSHDB",), ("RESET",)]

    def test_requests_cut_anywhere(self):
        def scenario(side):
            data = b"".join(resp.encode(*command) for command in self.mixed())
            client, rng = side.client(), random.Random(11)
            client.mask = HELLO_MASK + rb"|\$\d+\r\n[78]\.\d+\.\d+"
            client.pipeline([("BLPOP", "missing", "0.001"), ("XREAD", "BLOCK", "1", "STREAMS", "missing", "0")])
            ways = [[data[i:i + 1] for i in range(len(data))]]
            ways += [[data[:place], data[place:]] for place in range(1, len(data), 7)]
            ways += [reply_compare.shuffled_chunks(rng, data, 30) for _ in range(20)]
            for chunks in ways:
                for chunk in chunks:
                    client.send_raw(chunk)
                client.send_raw(resp.encode("ECHO", "the end"))
                while client.read() != b"the end":
                    pass
        self.same(scenario, protocols=(2,))

    def test_replies_owed_are_sent_after_half_close(self):
        def scenario(side):
            for commands in ([command for command in self.mixed() if command[0] != "BLPOP"], [("GET", "k")],
                             [("MULTI",), ("GET", "k"), ("EXEC",)] * 300,
                             [("ECHO", i) for i in range(5000)] + [("KEYS", "*"), ("DBSIZE",)]):
                client = side.client(protocol=2)
                client.mask = HELLO_MASK + rb"|\$\d+\r\n[78]\.\d+\.\d+"
                client.send_in_background([b"".join(resp.encode(*command) for command in commands)]).join()
                client.half_close()
                client.read_until_closed()
        self.same(scenario, protocols=(2,))

    def test_what_is_ignored_without_a_reply(self):
        """Empty lines, *0 and negative counts, in transactions and in subscriber mode as well."""
        noise = b"\r\n\n*0\r\n*-10\r\n*-1\r\n"

        def scenario(side):
            client = side.client(protocol=2)
            for command in (("MULTI",), ("GET", "k"), ("EXEC",), ("BLPOP", "missing", "0.01"), ("SUBSCRIBE", "c1"),
                            ("PING",), ("UNSUBSCRIBE", "c1"),
                            ("PING", "seen")):
                client.send_raw(noise + resp.encode(*command) + noise)
                client.read()
        self.same(scenario, protocols=(2,))

    def test_protocol_errors_end_the_connection_behind_the_replies_owed(self):
        """Redis' own texts; also in the middle of a transaction, of which nothing happens then."""
        before = (b"", resp.encode("SET", "k", "v") + resp.encode("GET", "k"),
                  resp.encode("MULTI") + resp.encode("SET", "k", "never"),
                  resp.encode("SUBSCRIBE", "c1"), resp.encode("WATCH", "k"))
        bad = (b"*2147483648\r\n", b"*abc\r\n", b"*1\r\nfoo\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$abc\r\n",
               b"*1\r\n$536870913\r\n", b'GET "k\r\n',
               b"GET " + b"x" * 300_000, b"*" + b"1" * 300_000, b"*1\r\n$" + b"1" * 300_000,
               b"*2\r\n$3\r\nGET\r\n$-5\r\n", b"*1\r\n\r\n")

        def scenario(side):
            other = side.client()
            for start in before:
                for fault in bad:
                    client = side.client(protocol=2)
                    client.send_in_background([start + fault + resp.encode("SET", "after", "1")]).join()
                    client.read_until_closed()
                    other.pipeline([("EXISTS", "after"), ("GET", "k"), ("DEL", "k")])
        self.same(scenario, protocols=(2,))

    def test_http_is_hung_up_on(self):
        def scenario(side):
            other = side.client()
            for line in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"HOST: x\r\n"):
                client = side.client()
                client.send_raw((resp.encode("MULTI") if len(line) < 12 else b"") + line + resp.encode("SET",
                                                                                                       "after", "1"))
                side.note(client.read_until_closed()[:5] in (b"", b"+OK\r\n", b"-ERR "))
                client.replies.clear()
                other.call("EXISTS", "after")
        self.same(scenario, protocols=(2,))

    def test_large_requests_of_every_kind(self):
        """5000 keys in one MSET, 20 MB values, 20002 arguments, each in a row with small ones, in and out of MULTI."""
        def scenario(side):
            client, rng = side.client(), random.Random(1)
            pairs = [item for i in range(5000) for item in (f"key{i}", i)]
            big = rng.randbytes(20 << 20)
            commands = [("SET", "k", "1"), ("MSET", *pairs), ("MGET", *pairs[::2]), ("RPUSH", "l", *range(20_001)),
                        ("LLEN", "l"), ("SET", "big", big),
                        ("GET", "big"), ("STRLEN", "big"), ("MULTI",), ("SET", "big", big[:300_000]),
                        ("RPUSH", "l", *range(20_001)), ("GET", "big"),
                        ("DEL", *pairs[::2], "l"), ("EXEC",), ("GET", "k"), ("PUBLISH", "c1", big[:3_000_000]),
                        ("ECHO", big[:3_000_000]),
                        ("EVAL", "return #ARGV[1]", "0", big[:3_000_000]), ("BLPOP", "missing", "0.01"),
                        ("nosuch", big[:300]), ("GET", "k")]
            sender = client.send_in_background([resp.encode(*command) for command in commands])
            for _ in commands:
                client.read()
            sender.join()
        self.same(scenario, protocols=(2,))


@unittest.skipIf(sides.DIRECT, "about weir's own connections")
class UpstreamTest(sides.SidesTest):
    def test_connections_killed_at_any_time(self):
        """An operator's CLIENT KILL TYPE normal ends weir's own connections too: plain clients go on, those with
        state are
        closed, and everything works again for whoever comes next, again and again."""
        side = self.proxied()
        for turn in range(15):
            plain, blocked, multi, tracker = side.client(), side.client(), side.client(), side.client(protocol=3)
            plain.ask("SET", "k", turn)
            blocked.send("BLPOP", "k9", "0")
            multi.pipeline([("WATCH", "k"), ("MULTI",), ("GET", "k")])
            tracker.ask("CLIENT", "TRACKING", "ON")
            side.blocked()
            side.admin().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            side.blocked(0)
            self.assertTrue(tracker.closed())
            for client in (blocked,):
                try:
                    self.assertRegex(client.read(), rb"^UPSTREAM lost")
                except (resp.ConnectionClosed, ConnectionError):
                    pass
            servers.wait_until(lambda plain=plain: plain.ask("SET", "k", "x") == b"OK",
                               what="a plain client that goes on")
            self.assertEqual(plain.ask("GET", "k"), b"x")
            for client in (plain, blocked, multi, tracker):
                client.close()
        self.assert_nothing_held(side)

    def test_client_that_does_not_read_costs_bounded_memory_in_every_lane(self):
        """Transactions, scripts and blocking reads with long replies, thousands of them asked for and none read."""
        side = self.proxied()
        client, other = side.client(timeout=60), side.client()
        client.call("SET", "k", b"x" * 16_384)
        before = self.weir.rss_bytes()
        whole = b"".join(resp.encode(*command) for command in (("MULTI",), ("GET", "k"), ("GET", "k"), ("EXEC",),
                                                               ("GET", "k"), ("EVAL",
                         "return redis.call('GET', KEYS[1])", "1", "k"),
                                                               ("XREAD", "BLOCK", "1", "STREAMS", "missing", "0")))
        sender = client.send_in_background([whole] * 4000)
        for turn in range(200):
            self.assertEqual(other.call("INCR", "n"), turn + 1)
        self.assertLess(self.weir.rss_bytes("VmHWM") - before, 700 << 20)
        for _ in range(40):
            for _ in range(7):
                client.read_raw()
        client.close()
        sender.join()
        self.assertEqual(other.call("INCR", "n"), 201)


if __name__ == "__main__":
    unittest.main(verbosity=2)
