"""Commands on the whole keyspace mean the tenant's part of it, in every database, and what clients ask at their start.

Each scenario runs against a private Redis first and then through weir (support/sides.py).
"""
import re
import time
import unittest

import resp
import servers
import sides


class FlushTest(sides.SidesTest):
    def test_flush_is_complete_before_its_reply(self):
        """Every form; what another client of the tenant asks behind the reply finds nothing, and tenant b has all."""
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            for form in (("FLUSHDB",), ("FLUSHALL",), ("FLUSHDB", "ASYNC"), ("FLUSHALL", "ASYNC"),
                         ("flushdb", "sync"),
                         ("FLUSHALL", "SYNC")):
                client.pipeline([("SET", f"key{i}", "x") for i in range(3000)] + [("SELECT", 3),
                                                                                  ("SET", "k", "three"),
                                                                                  ("SELECT", 0)])
                client.call(*form)
                other.pipeline([("DBSIZE",), ("KEYS", "*"), ("RANDOMKEY",), ("SCAN", "0", "COUNT", "100000"),
                                ("EXISTS", "key1"),
                                ("SELECT", 3), ("GET", "k"), ("DBSIZE",), ("SELECT", 0)])
            foreign.call("GET", "k")
        self.same(scenario)

    def test_odd_forms_of_flush(self):
        self.script([("SET", "k", "1"), ("FLUSHDB", "NOSUCH"), ("FLUSHALL", "ASYNC", "SYNC"),
                     ("FLUSHDB", "ASYNC", "x"), ("GET", "k")])

    def test_flush_in_a_pipeline_keeps_its_place(self):
        self.script([("SET", "k", "1")])

        def scenario(side):
            client = side.client()
            commands = []
            for i in range(60):
                commands += [("SET", "k", i), ("DBSIZE",), ("FLUSHDB",), ("GET", "k"), ("DBSIZE",),
                             ("MSET", "k1", i, "k2", i), ("PING",)]
            client.pipeline(commands)
        self.same(scenario)

    def test_watched_and_tracked_keys_notice_a_flush(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.pipeline([("MSET", "k", "1", "k1", "1"), ("WATCH", "k")])
            other.call("FLUSHALL")
            client.pipeline([("MULTI",), ("SET", "k", "2"), ("EXEC",), ("GET", "k")])
        self.same(scenario)


class ScanTest(sides.SidesTest):
    protocols = (2,)

    def scan_all(self, client, *options):
        found, cursor = [], b"0"
        for _ in range(10_000):
            cursor, page = client.ask("SCAN", cursor, *options)
            found += page
            if cursor == b"0":
                return sorted(set(found))
        raise AssertionError("the cursor never came back to 0")

    def test_cursor_ends_and_every_key_came_once_at_least(self):
        """Pages may be short or empty; COUNT, TYPE and MATCH mean what they mean, among fifty times as many foreign
        keys."""
        def scenario(side):
            client, admin = side.client(), side.admin()
            if side.name == "weir":
                admin.pipeline([("SET", f"tenant:b:key{i}", "x") for i in range(20_000)])
            client.pipeline([("SET", f"key{i}", i) for i in range(400)] + [("RPUSH", f"list{i}",
                                                                            "x") for i in range(20)])
            for options in (("COUNT", "1000"), ("MATCH", "key1*"), ("TYPE", "list"),
                            ("MATCH", "*9", "COUNT", "7", "TYPE", "string"),
                            ("MATCH", "nosuch*"), ("COUNT", "50", "MATCH", "list1?"), ("MATCH", "tenant:*"),
                            ("type", "LIST")):
                side.note((options, self.scan_all(client, *options)))
            client.ask("FLUSHDB")
            self.assertIsNone(client.ask("RANDOMKEY"))
        side = self.reference()
        scenario(side)
        mine = self.proxied()
        scenario(mine)
        self.assertEqual(mine.notes, side.notes)

    def test_faulty_scans_in_redis_own_words(self):
        self.script([("SCAN", cursor) for cursor in ("abc", "-", "1x")] +
                    [("SCAN", "0", *options) for options in (("MATCH",), ("COUNT",), ("COUNT", "0"), ("COUNT", "-1"),
                                                             ("COUNT", "abc"),
                                                             ("NOSUCH", "1"), ("TYPE",), ("MATCH", "*", "MATCH"),
                                                             ("MATCH", "*", "COUNT", "x"))] +
                    [("SCAN",), ("KEYS",), ("KEYS", "a", "b"), ("DBSIZE", "x"), ("RANDOMKEY", "x"),
                     ("HSCAN", "h", "abc"), ("SSCAN", "t", "0", "COUNT")])

    def test_randomkey_of_an_empty_tenant_among_full_ones_is_nil_at_once(self):
        if sides.DIRECT:
            self.skipTest("about what weir adds")
        side = self.proxied()
        side.admin().pipeline([("SET", f"tenant:b:key{i}", "x") for i in range(50_000)])
        client, start = side.client(), time.monotonic()
        self.assertIsNone(client.call("RANDOMKEY"))
        self.assertLess(time.monotonic() - start, 5)
        client.call("SET", "only", "one")
        self.assertEqual(client.call("RANDOMKEY"), b"only")


class DatabaseTest(sides.SidesTest):
    def test_each_database_holds_the_tenants_own_keys(self):
        """Test suites SELECT 9 or 15 and go on there; what is out of range says so."""
        def scenario(side):
            client, other = side.client(), side.client()
            for database in (9, 15, 1, 0):
                client.pipeline([("SELECT", database), ("DBSIZE",), ("GET", "k"), ("SET", "k", database),
                                 ("KEYS", "*"), ("DBSIZE",),
                                 ("RANDOMKEY",), ("MULTI",), ("GET", "k"), ("EXEC",), ("BLPOP", "missing", "0.01")])
            other.call("GET", "k")
            client.pipeline([("SELECT", number) for number in ("16", "-1", "abc", "", "99999999999999999999", "1.5")])
            client.pipeline([("GET", "k"), ("SELECT",), ("SELECT", "1", "2"), ("SELECT", 9), ("FLUSHDB",),
                             ("SELECT", 15), ("GET", "k"),
                             ("SELECT", 9), ("GET", "k")])
        self.same(scenario)

    def test_move_and_copy_between_databases(self):
        self.script([("MSET", "k", "1", "j", "2"), ("MOVE", "k", "9"), ("MOVE", "k", "9"),
                     ("COPY", "j", "k", "DB", "15"),
                     ("COPY", "j", "k", "DB", "15"), ("COPY", "j", "k", "DB", "15", "REPLACE"), ("MOVE", "j", "0"),
                     ("MOVE", "j", "abc"),
                     ("COPY", "j", "j"), ("COPY", "j", "x", "DB", "99"), ("SELECT", "9"), ("GET", "k"),
                     ("KEYS", "*"), ("SELECT", "15"),
                     ("GET", "k"), ("DBSIZE",)])

    def test_swapdb_is_refused(self):
        if sides.DIRECT:
            self.skipTest("a private Redis swaps")
        side = self.proxied()
        client = side.client()
        client.call("SET", "k", "1")
        self.assertRegex(client.call("SWAPDB", "0", "9"), rb"^NOPERM")
        self.assertEqual(client.call("GET", "k"), b"1")

    def test_clients_of_one_tenant_in_different_databases_at_once(self):
        def scenario(side):
            clients = [side.client(protocol=2 + i % 2) for i in range(8)]
            for i, client in enumerate(clients):
                client.call("SELECT", i)
            for turn in range(10):
                for i, client in enumerate(clients):
                    client.pipeline([("SET", "k", f"{i}-{turn}"), ("GET", "k"), ("INCR", "n"), ("DBSIZE",)])
        self.same(scenario)


class InfoTest(sides.SidesTest):
    def test_info_as_client_libraries_read_it(self):
        """redis-py's suite, phpredis, hiredis and ioredis' ready check ask for it before anything else."""
        def scenario(side):
            client = side.client()
            text = client.ask("INFO").decode()
            found = dict(re.findall(r"^(\w+):([^\r\n]*)\r$", text, re.M))
            side.note({name: found.get(name) for name in ("redis_version", "redis_mode", "arch_bits", "loading",
                                                          "role", "cluster_enabled",
                                                          "connected_slaves", "async_loading")})
            for section in ("server", "SERVER", "clients", "memory", "persistence", "stats", "replication", "cpu",
                            "cluster", "keyspace",
                            "everything", "all", "default", "nosuch"):
                text = client.ask("INFO", section).decode()
                side.note((section, re.findall(r"^# (\w+)\r$", text, re.M)[:1] if section not in ("everything",
                                                                                                  "all",
                                                                                                  "default") else 0))
            for line in client.ask("INFO").split(b"\r\n"):
                self.assertRegex(line, rb"^($|# \w+$|[\w-]+:)")
            client.ask("INFO", "server", "replication")
        self.same(scenario)

    def test_info_tells_nothing_of_others(self):
        if sides.DIRECT:
            self.skipTest("about what weir leaves out")
        side = self.proxied()
        foreign, client = side.client("b"), side.client()
        foreign.pipeline([("CLIENT", "SETNAME", "vcanary"), ("LPUSH", "l9", "x"), ("nosuch-vcanary",)])
        for sections in ((), ("everything",), ("all",), ("commandstats", "errorstats", "latencystats"),
                         ("keyspace",), ("clients",)):
            text = client.ask("INFO", *sections)
            for word in (b"canary", b"cmdstat_", b"errorstat_", b"tenant:"):
                self.assertNotIn(word, text)
            self.assertNotRegex(text, rb"db(0|9):keys=\d{2,}")

    def test_blocked_clients_are_counted_on_the_real_server(self):
        """Test suites wait for that in INFO before they go on."""
        def scenario(side):
            clients = [side.client() for _ in range(3)]
            for count, client in enumerate(clients):
                client.send("BLPOP", "k9", "0")
                side.blocked(count + 1)
        self.same(scenario, protocols=(2,))

    def test_what_libraries_ask_at_start(self):
        def scenario(side):
            client = side.client()
            self.assertGreater(client.ask("COMMAND", "COUNT"), 150)
            rows = client.ask("COMMAND", "INFO", "get", "nosuch", "SET")
            side.note([row[:6] if row else None for row in rows])
            self.assertGreater(len(client.ask("COMMAND")), 150)
            for command in (("CLUSTER", "INFO"), ("ROLE",), ("TIME",), ("LOLWUT",), ("CONFIG", "GET", "databases"),
                            ("ACL", "WHOAMI"),
                            ("CLIENT", "INFO"), ("CLIENT", "LIST"), ("MEMORY", "USAGE", "k"),
                            ("COMMAND", "DOCS", "get"), ("COMMAND", "LIST"),
                            ("INFO", "all")):
                reply = client.ask(*command)
                self.assertTrue(not isinstance(reply, resp.Error) or command[0] == "CLUSTER", (command, reply))
            client.pipeline([("CLUSTER", "INFO"), ("CLUSTER", "KEYSLOT", "k"), ("READONLY",), ("READWRITE",),
                             ("ASKING",), ("CONFIG", "GET", "databases"), ("CONFIG", "GET", "nosuch"),
                             ("OBJECT", "HELP"), ("XINFO", "HELP"),
                             ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "conn"), ("CLIENT", "GETNAME"),
                             ("CLIENT", "SETNAME", "a b"),
                             ("CLIENT", "SETNAME", ""), ("CLIENT", "GETNAME"), ("CLIENT", "NO-EVICT", "on"),
                             ("CLIENT", "NO-EVICT", "x")])
        self.same(scenario)


if __name__ == "__main__":
    unittest.main(verbosity=2)
