"""What a server tells of its clients and of itself, with two tenants and two workers: CLIENT LIST, KILL and UNBLOCK, the
listings of COMMAND, INFO, CONFIG GET, CLUSTER. Each tenant sees what a Redis of its own would show it, and no more.

Which worker accepts a connection is the kernel's choice; of the dozens of clients that a test connects, both get some.
"""
import signal
import threading
import unittest

import relay
import resp
import servers

PROTOCOLS = (2, 3)
NOTHING = (b"*-1\r\n", b"_\r\n")  # by protocol
UNBLOCKED = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
MANY = 24  # clients of one tenant: that all of them meet the same worker happens once in 2^23 runs


def lines_of(text):
    """CLIENT LIST's lines as dicts; the fields keep their order."""
    return [dict(field.split("=", 1) for field in line.split(" ")) for line in text.decode().splitlines()]


def is_closed(client):
    return client.read_until_closed() == b""


class ClientCommandTest(servers.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.redis = cls.shared.redis()
        cls.private = cls.shared.redis("private")
        cls.weir = cls.shared.weir(cls.redis, workers=2)
        with cls.weir.client() as client:
            servers.wait_until(lambda: client.call("CONFIG", "GET", "databases"), what="the first look at the server")

    def client(self, tenant="a", protocol=2):
        client = self.weir.client(tenant, protocol)
        self.addCleanup(client.close)
        return client

    def clients(self, tenant, count=MANY):
        """Connected, in both protocols, each with its name."""
        found = [self.client(tenant, PROTOCOLS[i % 2]) for i in range(count)]
        for i, client in enumerate(found):
            self.assertEqual(client.call("CLIENT", "SETNAME", f"{tenant}-{i}"), b"OK")
        return found

    def private_client(self, protocol=2):
        client = self.private.client(protocol)
        self.addCleanup(client.close)
        return client

    def both(self, *args, protocol=2, tenant="a"):
        """The reply through weir, byte for byte that of a private Redis."""
        mine, expected = self.client(tenant, protocol).call_raw(*args), self.private_client(protocol).call_raw(*args)
        self.assertEqual(mine, expected, args)
        return mine

    def only_these(self, clients):
        """Waits until none but these of their tenant are left over from other tests."""
        ids = {client.call("CLIENT", "ID") for client in clients}
        servers.wait_until(lambda: {int(line["id"]) for line in lines_of(clients[0].call("CLIENT", "LIST"))} == ids,
                           what="the end of other clients")
        return ids


class ListTest(ClientCommandTest):
    def test_shows_every_client_of_the_tenant_in_order_and_no_other(self):
        mine, foreign = self.clients("a"), self.clients("b")
        for all_of_one, tenant in ((mine, "a"), (foreign, "b")):
            ids = self.only_these(all_of_one)
            for client in all_of_one[:6]:
                lines = lines_of(client.call("CLIENT", "LIST"))
                self.assertEqual([int(line["id"]) for line in lines], sorted(ids))
                self.assertEqual({line["name"] for line in lines}, {f"{tenant}-{i}" for i in range(MANY)})

    def test_is_verbatim_text_in_resp3(self):
        self.assertIs(type(self.client(protocol=2).call("CLIENT", "LIST")), bytes)
        self.assertIs(type(self.client(protocol=3).call("CLIENT", "LIST")), resp.Verbatim)
        self.assertIs(type(self.client(protocol=3).call("CLIENT", "INFO")), resp.Verbatim)

    def test_has_the_fields_of_redis_and_the_library_of_the_client(self):
        theirs = lines_of(self.private_client().call("CLIENT", "LIST"))[0]
        for command in ("LIST", "INFO"):
            mine = lines_of(self.client().call("CLIENT", command))[-1]
            self.assertEqual([name for name in mine if name in theirs], [name for name in theirs if name in mine])
            self.assertLessEqual(set(mine) - set(theirs), {"lib-name", "lib-ver"})  # of Redis 7.2
            self.assertLessEqual(set(theirs) - set(mine), {"watch", "tot-net-in", "tot-net-out", "tot-cmds"})  # of Valkey 8

    def test_tells_the_truth(self):
        watcher = self.client()
        for protocol in PROTOCOLS:
            client = self.client(protocol=protocol)
            client.pipeline([("CLIENT", "SETNAME", "truth"), ("CLIENT", "SETINFO", "LIB-NAME", "lib"),
                             ("CLIENT", "SETINFO", "LIB-VER", "1.2"), ("SELECT", "3"), ("CLIENT", "NO-EVICT", "ON")])
            number = client.call("CLIENT", "ID")
            for command, last in ((("GET", "k"), "get"), (("CONFIG", "GET", "x"), "config|get"), (("nosuch",), "NULL"),
                                  (("DBSIZE",), "dbsize")):
                client.call(*command)
                line, = lines_of(watcher.call("CLIENT", "LIST", "ID", number))
                self.assertEqual(line["cmd"], last)
            expected = {"addr": "%s:%d" % client.sock.getsockname(), "laddr": "%s:%d" % client.sock.getpeername(),
                        "name": "truth", "db": "3", "resp": str(protocol), "lib-name": "lib", "lib-ver": "1.2",
                        "flags": "e", "multi": "-1", "sub": "0", "user": "default", "redir": "-1", "events": "r"}
            self.assertEqual({name: line[name] for name in expected}, expected)
            self.assertLess(int(line["idle"]), servers.DEADLINE)
            self.assertLessEqual(int(line["idle"]), int(line["age"]))

    def test_spells_the_address_of_a_unix_socket_as_redis_does(self):
        path = self.folder.path + "/listen.sock"
        weir = self.folder.weir(self.redis, ("a",), workers=2, listeners=[{"bind": "unix:" + path, "tenant": "a"}])
        with weir.client() as client:
            line, = lines_of(client.call("CLIENT", "LIST"))
        self.assertEqual((line["addr"], line["laddr"], line["flags"]), (path + ":0", path + ":0", "U"))

    def test_by_id_keeps_the_order_asked_for_and_shows_nobody_elses(self):
        mine, foreign = self.clients("a", 8), self.clients("b", 4)
        ids = [client.call("CLIENT", "ID") for client in mine]
        strange = [client.call("CLIENT", "ID") for client in foreign]
        wanted = [ids[5], strange[0], ids[1], 0, -1, 999999999, ids[5], *strange, ids[3]]
        shown = [int(line["id"]) for line in lines_of(mine[0].call("CLIENT", "LIST", "ID", *wanted))]
        self.assertEqual(shown, [ids[5], ids[1], ids[3]])
        self.assertEqual(mine[0].call("CLIENT", "LIST", "ID", *strange), b"")

    def test_by_type(self):
        mine = self.clients("a", 4)
        ids = self.only_these(mine)
        for name in ("normal", "NoRmAl"):
            self.assertEqual({int(line["id"]) for line in lines_of(mine[0].call("CLIENT", "LIST", "TYPE", name))}, ids)
        for name in ("master", "replica", "slave", "pubsub"):
            self.assertEqual(mine[1].call("CLIENT", "LIST", "TYPE", name), b"")

    def test_complains_as_redis_does(self):
        for rest in (("TYPE",), ("TYPE", "foo"), ("TYPE", b"fo\0o"), ("TYPE", "a\r\nb"), ("TYPE", "normal", "x"), ("ID",),
                     ("ID", "abc"), ("ID", "-"), ("FOO",), ("FOO", "bar"), ("TYPE", "normal", "ID", "1")):
            for protocol in PROTOCOLS:
                self.assertTrue(self.both("CLIENT", "LIST", *rest, protocol=protocol).startswith(b"-"), rest)

    def test_stands_in_its_place_among_pipelined_commands(self):
        client = self.client()
        replies = client.pipeline([("SET", "k", "v"), ("CLIENT", "LIST", "ID", "0"), ("GET", "k"), ("CLIENT", "ID")] * 50)
        number = client.call("CLIENT", "ID")
        self.assertEqual(replies, [b"OK", b"", b"v", number] * 50)

    def test_a_client_that_leaves_before_its_answer_harms_nobody(self):
        for _ in range(50):
            with self.weir.client() as client:
                client.send_raw(resp.encode("CLIENT", "LIST") * 20 + resp.encode("CLIENT", "KILL", "ID", "999999999"))
        self.assertEqual(self.client().call("PING"), b"PONG")


    def test_shows_what_lasts_from_one_command_to_the_next(self):
        watcher = self.client()
        for commands, expected in (
                ((("MULTI",),), {"flags": "x", "multi": "0", "cmd": "multi"}),
                ((("MULTI",), ("SET", "k", "v"), ("DEL", "k")), {"flags": "x", "multi": "2", "cmd": "del"}),
                ((("MULTI",), ("DISCARD",)), {"flags": "N", "multi": "-1", "multi-mem": "0"}),
                ((("SUBSCRIBE", "c"), ("PSUBSCRIBE", "p*"), ("SSUBSCRIBE", "s")),
                 {"flags": "P", "sub": "1", "psub": "1", "ssub": "1"}),
                ((("CLIENT", "TRACKING", "ON"),), {"flags": "t", "redir": "0"}),
                ((("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k"),), {"flags": "tB", "redir": "0"}),
                ((("CLIENT", "TRACKING", "ON"), ("CLIENT", "TRACKING", "OFF")), {"flags": "N", "redir": "-1"})):
            client = self.client(protocol=3)
            number = client.call("CLIENT", "ID")
            client.pipeline(commands)
            line, = lines_of(watcher.call("CLIENT", "LIST", "ID", number))
            self.assertEqual({name: line[name] for name in expected}, expected, commands)
            if "P" in line["flags"]:
                self.assertIn(line["id"], {one["id"] for one in lines_of(watcher.call("CLIENT", "LIST", "TYPE", "pubsub"))})
                self.assertEqual(watcher.call("CLIENT", "KILL", "TYPE", "pubsub", "ID", number), 1)
                self.assertTrue(is_closed(client))


class KillTest(ClientCommandTest):
    def test_reaches_own_clients_on_every_worker_and_no_others(self):
        mine, foreign = self.clients("a"), self.clients("b")
        self.only_these(mine)
        self.assertEqual(mine[0].call("CLIENT", "KILL", "TYPE", "normal"), MANY - 1)
        self.assertEqual([line["name"] for line in lines_of(mine[0].call("CLIENT", "LIST"))], ["a-0"])
        self.assertTrue(all(is_closed(client) for client in mine[1:]))
        self.assertEqual({client.call("PING") for client in foreign}, {b"PONG"})

    def test_each_filter_and_all_of_them_together(self):
        killer = self.client()
        for filters in (lambda line: ("ID", line["id"]), lambda line: ("ADDR", line["addr"]),
                        lambda line: ("USER", "default", "ID", line["id"]),
                        lambda line: ("LADDR", line["laddr"], "ID", line["id"], "type", "Normal", "SKIPME", "no"),
                        lambda line: ("ID", line["id"], "ADDR", line["addr"], "LADDR", line["laddr"], "USER", "default")):
            victim, witness = self.client(), self.client()
            line, = lines_of(victim.call("CLIENT", "INFO"))
            self.assertEqual(killer.call("CLIENT", "KILL", *filters(line)), 1)
            self.assertTrue(is_closed(victim))
            self.assertEqual(killer.call("CLIENT", "KILL", *filters(line)), 0)
            self.assertEqual(witness.call("PING"), b"PONG")

    def test_old_form(self):
        killer, victim = self.client(), self.client(protocol=3)
        address = lines_of(victim.call("CLIENT", "INFO"))[0]["addr"]
        self.assertEqual(killer.call("CLIENT", "KILL", address), b"OK")
        self.assertTrue(is_closed(victim))
        self.assertEqual(killer.call("CLIENT", "KILL", address), b"ERR No such client")

    def test_nothing_of_another_tenant_can_be_killed(self):
        killer, victim = self.client("a"), self.client("b")
        line, = lines_of(victim.call("CLIENT", "INFO"))
        self.assertEqual(killer.call("CLIENT", "KILL", line["addr"]), b"ERR No such client")
        for filters in (("ID", line["id"]), ("ADDR", line["addr"]), ("LADDR", line["laddr"]),
                        ("ID", line["id"], "USER", "default", "SKIPME", "no")):
            self.assertEqual(killer.call("CLIENT", "KILL", *filters), 0)
        self.assertEqual(victim.call("PING"), b"PONG")

    def test_oneself_gets_the_reply_before_the_end_and_nothing_behind_it_happens(self):
        for protocol in PROTOCOLS:
            client = self.client(protocol=protocol)
            client.call("DEL", "after")
            line, = lines_of(client.call("CLIENT", "INFO"))
            client.send_raw(resp.encode("CLIENT", "KILL", "ID", line["id"], "SKIPME", "no") +
                            resp.encode("SET", "after", "1"))
            self.assertEqual(client.read_until_closed(), b":1\r\n")
            client = self.client(protocol=protocol)
            client.send_raw(resp.encode("CLIENT", "KILL", lines_of(client.call("CLIENT", "INFO"))[0]["addr"]) +
                            resp.encode("SET", "after", "1"))
            self.assertEqual(client.read_until_closed(), b"+OK\r\n")
        self.assertEqual(self.client().call("EXISTS", "after"), 0)

    def test_a_client_in_the_middle_of_its_commands(self):
        killer, victim = self.client(), self.client()
        number = victim.call("CLIENT", "ID")
        victim.call("SET", "large", b"x" * 100_000)
        writer = victim.send_in_background([resp.encode("GET", "large") * 100] * 5)
        servers.wait_until(lambda: victim.sock.recv(1), what="a reply under way")
        self.assertEqual(killer.call("CLIENT", "KILL", "ID", number), 1)
        victim.read_until_closed()
        writer.join(servers.DEADLINE)
        self.assertFalse(writer.is_alive())
        self.assertEqual(killer.call("STRLEN", "large"), 100_000)

    def test_complains_as_redis_does(self):
        for rest in ((), ("foo",), ("ID",), ("ID", "abc"), ("ID", "0"), ("ID", "-1"), ("TYPE", "foo"), ("TYPE", b"f\0o"),
                     ("USER", "nosuch"), ("SKIPME", "foo"), ("SKIPME", "yes", "foo"), ("foo", "bar"),
                     ("ADDR", "1.2.3.4:5", "ID"), ("ID", "99999999999999999999"), ("1.2.3.4:5",)):
            for protocol in PROTOCOLS:
                self.assertTrue(self.both("CLIENT", "KILL", *rest, protocol=protocol).startswith(b"-"), rest)
        for rest in (("ID", "999999999"), ("ADDR", "1.2.3.4:5"), ("LADDR", "1.2.3.4:5"), ("TYPE", "pubsub"),
                     ("TYPE", "master")):
            self.assertEqual(self.both("CLIENT", "KILL", *rest), b":0\r\n")

    def test_by_age(self):
        killer, victim = self.client(), self.client()
        number = victim.call("CLIENT", "ID")
        self.assertEqual(killer.call("CLIENT", "KILL", "MAXAGE", "100000"), 0)
        self.assertEqual(killer.call("CLIENT", "KILL", "MAXAGE", "x"), b"ERR maxage is not an integer or out of range")
        servers.wait_until(lambda: killer.call("CLIENT", "KILL", "MAXAGE", "1", "ID", number) == 1, what="a second's age")
        self.assertTrue(is_closed(victim))


class UnblockTest(ClientCommandTest):
    def blocked(self, tenant, count):
        """Clients that the server has blocked, and their ids."""
        with self.redis.client() as direct:
            before = self._blocked_clients(direct)
            clients = [self.client(tenant, PROTOCOLS[i % 2]) for i in range(count)]
            ids = [client.call("CLIENT", "ID") for client in clients]
            for client in clients:
                client.send("BLPOP", "nothing-comes", 0)
            servers.wait_until(lambda: self._blocked_clients(direct) == before + count, what="clients blocked at the server")
        return clients, ids

    @staticmethod
    def _blocked_clients(client):
        text = client.call("INFO", "clients").decode()
        return int(next(line for line in text.split("\r\n") if line.startswith("blocked_clients:")).split(":")[1])

    def test_unblocks_own_clients_on_every_worker_and_no_others(self):
        (mine, ids), (foreign, strange) = self.blocked("a", 12), self.blocked("b", 12)
        other = self.client()
        self.assertEqual(self._blocked_clients(other), 12)
        self.assertEqual({line["flags"] for line in lines_of(other.call("CLIENT", "LIST", "ID", *ids))}, {"b"})
        for number in strange:
            self.assertEqual(other.call("CLIENT", "UNBLOCK", number), 0)
        for i, (client, number) in enumerate(zip(mine, ids, strict=True)):
            reason = ((), ("TIMEOUT",), ("ERROR",))[i % 3]
            self.assertEqual(other.call("CLIENT", "UNBLOCK", number, *reason), 1)
            self.assertEqual(client.read_raw(), UNBLOCKED if i % 3 == 2 else NOTHING[i % 2])
            self.assertEqual(other.call("CLIENT", "UNBLOCK", number), 0)
            self.assertEqual(client.call("PING"), b"PONG")
        self.assertEqual(self._blocked_clients(other), 0)
        self.assertEqual(self._blocked_clients(self.client("b")), 12)
        self.assertEqual(self.client("b").call("RPUSH", "nothing-comes", *range(12)), 12)
        self.assertEqual(sorted(int(client.read()[1]) for client in foreign), list(range(12)))

    def test_unblocks_a_client_as_soon_as_it_is_seen_blocked(self):
        """The word for the server may be there before the command that is to be unblocked."""
        between = relay.Relay(self.redis)
        self.addCleanup(between.close)
        weir = self.folder.weir(self.redis, upstream={"url": between.url})
        with weir.client() as client, weir.client() as other:
            number = client.call("CLIENT", "ID")
            between.hold(b"overtaken", until=b"UNBLOCK")
            client.send("BLPOP", "overtaken", 0)
            servers.wait_until(lambda: self._blocked_clients(other) == 1, what="a blocked client")
            self.assertEqual(other.call("CLIENT", "UNBLOCK", number), 1)
            self.assertEqual(client.read_raw(), NOTHING[0])

    def test_a_connection_that_was_asked_for_serves_nobody_else(self):
        """The server is told to unblock by a connection's id: were that lent on, the word could meet its next client."""
        (client,), (number,) = self.blocked("a", 1)
        with self.redis.client() as direct:
            held = {line["id"] for line in lines_of(direct.call("CLIENT", "LIST")) if "b" in line["flags"]}
            self.assertEqual(len(held), 1)
            self.assertEqual(self.client().call("CLIENT", "UNBLOCK", number), 1)
            self.assertEqual(client.read_raw(), NOTHING[0])
            servers.wait_until(lambda: not held & {line["id"] for line in lines_of(direct.call("CLIENT", "LIST"))},
                               what="the end of the connection")

    def test_a_blocked_client_can_be_killed(self):
        (client,), (number,) = self.blocked("a", 1)
        other = self.client()
        self.assertEqual(other.call("CLIENT", "KILL", "ID", number), 1)
        self.assertTrue(is_closed(client))
        self.assertEqual(self._blocked_clients(other), 0)
        with self.redis.client() as direct:
            servers.wait_until(lambda: self._blocked_clients(direct) == 0, what="the server letting go of it")
        self.assertEqual(other.call("RPUSH", "nothing-comes", "x"), 1)
        self.assertEqual(other.call("LPOP", "nothing-comes"), b"x")

    def test_nobody_to_unblock(self):
        for rest in (("0",), ("-1",), ("999999999",), ("999999999", "TIMEOUT"), ("999999999", "error")):
            self.assertEqual(self.both("CLIENT", "UNBLOCK", *rest), b":0\r\n")
        mine, foreign = self.client(), self.client("b")
        for one in (mine, foreign):
            self.assertEqual(mine.call("CLIENT", "UNBLOCK", one.call("CLIENT", "ID"), "ERROR"), 0)

    def test_complains_as_redis_does(self):
        for rest in ((), ("abc",), ("abc", "foo"), ("1", "foo"), ("1", "ERROR", "x")):
            self.assertTrue(self.both("CLIENT", "UNBLOCK", *rest).startswith(b"-"))


class OwnStateTest(ClientCommandTest):
    def test_what_concerns_one_connection_is_answered_as_redis_does(self):
        for args in (("GETREDIR",), ("NO-EVICT", "on"), ("NO-EVICT", "OFF"), ("NO-EVICT", "foo"), ("HELP",), ("INFO", "x"),
                     ("FOO",), ("ID", "x")):
            for protocol in PROTOCOLS:
                self.both("CLIENT", *args, protocol=protocol)
        self.assertEqual(self.client().call("CLIENT", "CAPA", "redirect"), b"OK")
        self.assertEqual(self.client().call("CLIENT", "NO-TOUCH", "on"), b"OK")


class CommandListingTest(ClientCommandTest):
    HIDDEN = (b"shutdown", b"debug", b"monitor", b"migrate", b"slaveof", b"swapdb", b"save")
    SHOWN = (b"get", b"sort", b"client", b"client|list", b"config", b"config|get", b"command", b"cluster|info", b"hello")

    def server(self, protocol, *args):
        with self.redis.client(protocol) as direct:
            return direct.call(*args)

    def test_every_listing_names_the_same_commands(self):
        for protocol in PROTOCOLS:
            client = self.client(protocol=protocol)
            listed = client.call("COMMAND", "LIST")
            top = {name for name in listed if b"|" not in name}
            whole = client.call("COMMAND")
            self.assertEqual({row[0] for row in whole}, top)
            self.assertEqual(client.call("COMMAND", "INFO"), whole)
            self.assertEqual(client.call("COMMAND", "COUNT"), len(top))
            docs = client.call("COMMAND", "DOCS")
            self.assertEqual(set(docs[::2]) if protocol == 2 else {name for name, _ in docs}, top)
            subcommands = {sub[0] for row in whole for sub in row[9]}
            self.assertEqual(subcommands, set(listed) - top)
            self.assertGreater(len(top), 150)

    def test_what_is_listed_is_served_and_the_rest_is_not(self):
        listed = set(self.client().call("COMMAND", "LIST"))
        everything = self.server(2, "COMMAND")
        for name, arity, *_ in everything + [sub for row in everything for sub in row[9]]:
            if any(row[0] == name and row[9] for row in everything) and name != b"command":
                continue  # a container is nothing by itself
            words = name.split(b"|")
            with self.weir.client() as client:
                reply = client.call(*words, *[b"x"] * (abs(arity) - len(words)))
            refused = isinstance(reply, resp.Error) and reply.startswith((b"NOPERM", b"ERR weir does not serve"))
            self.assertEqual(name in listed, not refused, name)
        for name in self.HIDDEN + (b"config|set", b"module|load", b"function|load"):
            self.assertNotIn(name, listed)
        for name in self.SHOWN:
            self.assertIn(name, listed)

    def test_what_is_shown_is_what_the_server_says(self):
        for protocol in PROTOCOLS:
            theirs = {row[0]: row for row in self.server(protocol, "COMMAND")}
            for row in self.client(protocol=protocol).call("COMMAND"):
                expected = theirs[row[0]]
                self.assertEqual(row[:9], expected[:9])
                self.assertTrue(all(sub in expected[9] for sub in row[9]), row[0])
                self.assertEqual(type(row[2]), type(expected[2]))

    def test_info_of_what_is_hidden_is_null_in_its_place(self):
        for protocol in PROTOCOLS:
            client = self.client(protocol=protocol)
            names = ("get", "shutdown", "GET", "nosuch", "config|set", "config|get", "debug", "config|nosuch")
            got, theirs = client.call("COMMAND", "INFO", *names), self.server(protocol, "COMMAND", "INFO", *names)
            for name, mine, expected in zip(names, got, theirs, strict=True):
                hidden = name in ("shutdown", "config|set", "debug")
                self.assertEqual(mine, None if hidden else expected, name)
            raw = client.call_raw("COMMAND", "INFO", "shutdown")
            self.assertEqual(raw, b"*1\r\n$-1\r\n" if protocol == 2 else b"*1\r\n_\r\n")

    def test_docs_and_filters(self):
        for protocol in PROTOCOLS:
            client = self.client(protocol=protocol)
            for args in (("DOCS", "get"), ("DOCS", "nosuch"), ("DOCS", "get", "set", "get"), ("LIST", "FILTERBY", "PATTERN", "ge*"),
                         ("LIST", "FILTERBY", "MODULE", "m"), ("LIST", "FILTERBY"), ("LIST", "x"), ("foo",), ("HELP",),
                         ("COUNT", "x"), ("LIST", "FILTERBY", "x", "y"), ("GETKEYS", "mset", "a", "1", "b", "2"),
                         ("GETKEYSANDFLAGS", "get", "k"), ("GETKEYS", "foo", "a")):
                self.assertEqual(client.call_raw("COMMAND", *args), self._raw(protocol, *args), args)
            self.assertEqual(list(client.call("COMMAND", "DOCS", "shutdown", "debug", "config|set")), [])
            self.assertEqual(client.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "*shut*"), [])
            self.assertNotIn(b"config|set", client.call_raw("COMMAND", "DOCS", "config"))
            self.assertIn(b"config|get", client.call_raw("COMMAND", "DOCS", "config"))

    def _raw(self, protocol, *args):
        with self.redis.client(protocol) as direct:
            return direct.call_raw("COMMAND", *args)

    def test_stands_in_its_place_among_pipelined_commands(self):
        client = self.client()
        count = client.call("COMMAND", "COUNT")
        replies = client.pipeline([("SET", "k", "v"), ("COMMAND", "COUNT"), ("GET", "k"), ("COMMAND", "LIST", "x")] * 20)
        self.assertEqual(replies, [b"OK", count, b"v", b"ERR syntax error"] * 20)

    def test_a_reply_that_would_have_no_bound_is_refused(self):
        client = self.client()
        reply = client.call("COMMAND", "DOCS", *["sort", "xadd", "set", "zadd"] * 10_000)
        self.assertEqual(reply, b"ERR weir: the list is too long, ask for fewer commands at once")
        self.assertEqual(client.call("PING"), b"PONG")


class ServerViewTest(ClientCommandTest):
    # What the own tests of phpredis, redis-rb, redis-py, hiredis and ioredis look for.
    FIELDS = ("redis_version", "arch_bits", "uptime_in_seconds", "uptime_in_days", "connected_clients", "connected_slaves",
              "used_memory", "total_connections_received", "total_commands_processed", "role", "loading", "cluster_enabled",
              "blocked_clients", "tracking_clients", "pubsub_channels", "pubsub_patterns", "maxmemory_policy")

    def info(self, client, *sections):
        text = client.call("INFO", *sections).decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)

    def test_info_has_what_clients_look_for(self):
        theirs = self.info(self.private_client())
        for protocol in PROTOCOLS:
            mine = self.info(self.client(protocol=protocol))
            for field in self.FIELDS:
                self.assertIn(field, mine)
            invented = set(mine) - set(theirs)
            self.assertLessEqual(invented, {"pubsub_clients"})  # of Redis 7.4 and Valkey 8

    def test_info_counts_the_tenants_own_clients_on_all_workers(self):
        mine, foreign = self.clients("a"), self.clients("b", 5)
        self.only_these(mine)
        self.only_these(foreign)
        self.assertEqual(self.info(mine[0], "clients")["connected_clients"], str(MANY))
        self.assertEqual(self.info(foreign[0], "clients")["connected_clients"], "5")
        before = int(self.info(foreign[0], "stats")["total_commands_processed"])
        for client in mine:
            client.pipeline([("SET", "k", "v")] * 10)
        after = int(self.info(foreign[0], "stats")["total_commands_processed"])
        self.assertEqual(after, before + 1)

    def test_info_counts_what_the_tenants_clients_do(self):
        for tenant, other in (("a", "b"), ("b", "a")):
            mine, foreign = self.client(tenant), self.client(other)
            before = self.info(mine)
            busy = [self.client(tenant, protocol=3) for _ in range(4)]
            for client in busy[:3]:
                client.call("CLIENT", "TRACKING", "ON")
            busy[1].call("CLIENT", "TRACKING", "OFF")
            busy[2].close()
            busy[3].pipeline([("SUBSCRIBE", "c1"), ("SUBSCRIBE", "c2"), ("PSUBSCRIBE", "p*")])
            expected = {"tracking_clients": "1", "pubsub_clients": "1", "pubsub_channels": "2", "pubsub_patterns": "1",
                        "blocked_clients": "0"}
            servers.wait_until(lambda m=mine, e=expected: {name: self.info(m)[name] for name in e} == e)
            nothing = dict.fromkeys(expected, "0")
            self.assertEqual({name: self.info(foreign)[name] for name in nothing}, nothing)
            self.assertEqual({name: before[name] for name in nothing}, nothing)
            for client in busy:
                client.close()
            servers.wait_until(lambda m=mine, n=nothing: {name: self.info(m)[name] for name in n} == n,
                               what="the gauges' return to zero")

    def test_a_server_without_cluster_says_so(self):
        for args in (("CLUSTER",), ("CLUSTER", "INFO"), ("CLUSTER", "INFO", "x"), ("CLUSTER", "KEYSLOT"),
                     ("CLUSTER", "KEYSLOT", "k"), ("CLUSTER", "KEYSLOT", "k", "x"), ("CLUSTER", "MYID"), ("CLUSTER", "SLOTS"),
                     ("CLUSTER", "SHARDS"), ("CLUSTER", "NODES"), ("CLUSTER", "LINKS"), ("CLUSTER", "COUNTKEYSINSLOT", "1"),
                     ("CLUSTER", "COUNTKEYSINSLOT"), ("CLUSTER", "GETKEYSINSLOT", "1", "2"), ("CLUSTER", "HELP"),
                     ("CLUSTER", "FOO"), ("CLUSTER", "REPLICAS", "x"), ("CLUSTER", "SLAVES", "x"), ("CLUSTER", "ADDSLOTS", "1"),
                     ("CLUSTER", "ADDSLOTS"), ("CLUSTER", "RESET"), ("CLUSTER", "MEET", "127.0.0.1", "1"),
                     ("CLUSTER", "FORGET", "x"), ("CLUSTER", "FAILOVER"), ("CLUSTER", "SETSLOT", "1", "STABLE"),
                     ("CLUSTER", "BUMPEPOCH"), ("CLUSTER", "FLUSHSLOTS"), ("CLUSTER", "SAVECONFIG"),
                     ("CLUSTER", "COUNT-FAILURE-REPORTS", "x"), ("READONLY",), ("READONLY", "x"), ("READWRITE",), ("ASKING",),
                     ("ROLE",), ("ROLE", "x"), ("LOLWUT",), ("LOLWUT", "VERSION"), ("TIME", "x")):
            for protocol in PROTOCOLS:
                self.both(*args, protocol=protocol)
        seconds, microseconds = self.client().call("TIME")
        self.assertTrue(seconds.isdigit() and microseconds.isdigit())

    def test_config_get_answers_what_libraries_ask(self):
        for names in (("save",), ("appendonly",), ("maxmemory",), ("maxmemory-policy",), ("databases",), ("SAVE", "timeout"),
                      ("notify-keyspace-events",), ("slowlog-log-slower-than",), ("slowlog-max-len",), ("nosuch",),
                      ("hash-max-listpack-entries",), ("list-max-listpack-size",), ("timeout",), ("save", "save", "sav?"),
                      ("maxmemory*samples",), ("nosuch*",), ("x", "y"), ("",), ("[x",)):
            for protocol in PROTOCOLS:
                mine = self.client(protocol=protocol).call("CONFIG", "GET", *names)
                theirs = self.private_client(protocol).call("CONFIG", "GET", *names)
                self.assertIs(type(mine), type(theirs))
                self.assertEqual(sorted(mine), sorted(theirs), names)  # Redis keeps them in no order
        self.both("CONFIG", "GET")
        mine = self.client(protocol=3).call("CONFIG", "GET", "*")
        theirs = self.private_client(3).call("CONFIG", "GET", "*")
        self.assertLessEqual({name for name, _ in mine}, {name for name, _ in theirs})
        self.assertGreater(len(mine), 30)
        for secret in (b"requirepass", b"masterauth", b"dir", b"dbfilename", b"bind", b"port", b"unixsocket", b"logfile"):
            self.assertIsNone(mine.get(secret))
            self.assertEqual(self.client().call("CONFIG", "GET", secret), [])

    def test_config_get_with_too_many_patterns_is_refused(self):
        client = self.client()
        self.assertEqual(client.call("CONFIG", "GET", *["s*"] * 65), b"ERR weir: too many patterns in one CONFIG GET")
        self.assertEqual(client.call("CONFIG", "GET", *["save"] * 5000), [b"save", b""])


class RaceTest(servers.ServerTest):
    """Everybody asks, kills, connects and leaves at once."""
    ROUNDS = 60

    def test_tenants_that_kill_each_other_never_meet(self):
        redis = self.folder.redis()
        weir = self.folder.weir(redis, workers=2)
        faults = []
        threads = [threading.Thread(target=self._run, args=(weir, "ab"[i % 2], faults)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)
            self.assertFalse(thread.is_alive())
        self.assertEqual(faults, [])

    def _run(self, weir, tenant, faults):
        try:
            for round_ in range(self.ROUNDS):
                self._round(weir, tenant, round_)
        except Exception as fault:  # whatever it is, it is this test's to report
            faults.append(f"{tenant}: {fault!r}")

    @staticmethod
    def _round(weir, tenant, round_):
        """Connections die here at any time, as others of the tenant kill them."""
        clients = []
        try:
            for protocol in (2, 3, 2):
                clients.append(weir.client(tenant))
                clients[-1].call("HELLO", protocol, "SETNAME", tenant)
            for line in lines_of(clients[0].call("CLIENT", "LIST")):
                if line["name"] not in ("", tenant):
                    raise AssertionError(f"{tenant} sees {line}")
            clients[1].send_raw(resp.encode("CLIENT", "LIST") * 5)
            if round_ % 4 == 0:
                clients[2].call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no" if round_ % 8 else "yes")
            clients[1].call("COMMAND", "COUNT")
        except (resp.ConnectionClosed, OSError):
            pass
        finally:
            for client in clients:
                client.close()

    def test_the_process_ends_while_questions_are_asked(self):
        redis = self.folder.redis()
        for _ in range(5):
            weir = self.folder.weir(redis, workers=2)
            clients = [weir.client("ab"[i % 2]) for i in range(12)]
            writers = [client.send_in_background([resp.encode("CLIENT", "LIST") * 100] * 20) for client in clients]
            for client in clients:
                client.read()
            weir.signal(signal.SIGTERM)
            for client in clients:
                client.read_until_closed()
                client.close()
            for writer in writers:
                writer.join(servers.DEADLINE)
            self.assertEqual(weir.wait(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
