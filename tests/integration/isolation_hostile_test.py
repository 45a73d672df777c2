"""Isolation against a tenant that tries: patterns, lies about counts, names of others, options that name keys.

Tenants are chosen so that their prefixes run into each other, as text or as glob patterns; `b` is the victim.
"""
import unittest

import resp
import servers

PREFIXES = {"a": "tenant:a:", "ab": "tenant:ab:", "a.": "tenant:a.:", "b": "tenant:b:", "one": "tenant:?:",
            "set": "tenant:[ab]:",
            "not": "tenant:[^x]:", "escape": "tenant:\\a:", "dash": "tenant:a-b:"}
NUMKEYS_LIES = (b"0", b"-1", b"abc", b"", b"4294967297", b"18446744073709551617", b"9", b"1.5", b" 1", b"+1", b"01",
                b"2147483648")
PATTERNS = (b"*", b"**", b"?*", b"[a-z]*", b"[^x]*", b"*b:*", b"tenant:*", b"\\*", b"\\", b"[", b"[a", b"]*", b"*\\",
            b"",
            b"../*", b"\x00*", b"tenant:b:*", b"*]*", b"[[]*", b"*" * 200)


class HostileTest(servers.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.redis = cls.shared.redis()
        cls.private = cls.shared.redis("private")
        settings = {tenant: {"prefix": prefix} for tenant, prefix in PREFIXES.items()}
        cls.weir = cls.shared.weir(cls.redis, tuple(PREFIXES), tenants=settings)

    def setUp(self):
        super().setUp()
        self.direct, self.plain = self._open(self.redis.client()), self._open(self.private.client())
        for client in (self.direct, self.plain):
            client.call("FLUSHALL")
        self.clients = {tenant: self._open(self.weir.client(tenant)) for tenant in PREFIXES}
        for tenant, client in self.clients.items():
            client.pipeline(self._keys_of(tenant.encode()))
        self.plain.pipeline(self._keys_of(b"a"))
        self.direct.pipeline([("SET", "ncanary", "vcanary"), ("RPUSH", "list", "vcanary"), ("SET", "w_1", "-5"),
                              ("HSET", "tenant:a", "f", "vcanary")])
        self.a = self.clients["a"]

    def _open(self, client):
        self.addCleanup(client.close)
        return client

    @staticmethod
    def _keys_of(tenant):
        """Every tenant has the same names; values and one name tell whose they are."""
        return [("SET", "k", b"value-" + tenant), ("SET", b"of-" + tenant, "1"), ("RPUSH", "list", "3", "1", "2"),
                ("SET", "w_1", "30"), ("SET", "w_2", "10"), ("SET", "w_3", "20"), ("SET", "d_1", b"data-" + tenant),
                ("HSET", "hash_1", "f", b"field-" + tenant), ("GEOADD", "geo", "13", "38", b"place-" + tenant),
                ("XADD", "stream", "1-1", "f", b"entry-" + tenant), ("ZADD", "zset", "1", b"member-" + tenant)]

    def both(self, *args):
        """The reply to tenant a, which must be the one a private Redis gives."""
        mine, expected = self.a.call(*args), self.plain.call(*args)
        self.assertEqual(mine, expected, args)
        return mine

    def foreign(self):
        """All that is not a's, name and serialised value."""
        keys = sorted(key for key in self.direct.call("KEYS", "*") if not key.startswith(b"tenant:a:"))
        return list(zip(keys, self.direct.pipeline([("DUMP", key) for key in keys])))

    def test_raw_names_carry_each_tenants_prefix(self):
        for tenant, prefix in PREFIXES.items():
            self.assertEqual(self.direct.call("GET", prefix + "k"), b"value-" + tenant.encode())

    def test_patterns_see_own_keys_only(self):
        for pattern in PATTERNS:
            self.assertEqual(sorted(self.a.call("KEYS", pattern)), sorted(self.plain.call("KEYS", pattern)), pattern)
            found, cursor = set(), b"0"
            while True:
                cursor, keys = self.a.call("SCAN", cursor, "MATCH", pattern, "COUNT", "1000")
                found.update(keys)
                if cursor == b"0":
                    break
            self.assertEqual(sorted(found), sorted(self.plain.call("KEYS", pattern)), pattern)

    def test_every_tenant_sees_its_own_keys_and_no_other(self):
        for tenant, client in self.clients.items():
            keys = sorted(client.call("KEYS", "*"))
            expected = sorted([b"k", b"of-" + tenant.encode(), b"list", b"w_1", b"w_2", b"w_3", b"d_1", b"hash_1",
                               b"geo",
                               b"stream", b"zset"])
            self.assertEqual(keys, expected, tenant)

    def test_scan_with_odd_options_answers_as_redis(self):
        for options in ((), ("MATCH",), ("COUNT",), ("COUNT", "0"), ("COUNT", "-1"), ("COUNT", "abc"), ("NOSUCH", "1"),
                        ("TYPE",), ("MATCH", "*", "MATCH"), ("MATCH", "*", "COUNT", "x"), ("TYPE", "nosuch")):
            mine, expected = self.a.call("SCAN", "0", *options), self.plain.call("SCAN", "0", *options)
            if isinstance(expected, resp.Error):
                self.assertEqual(mine, expected, options)
        for cursor in ("abc", "", "-", "1x", "99999999999999999999"):
            expected = self.plain.call("SCAN", cursor)
            if isinstance(expected, resp.Error):
                self.assertEqual(self.a.call("SCAN", cursor), expected, cursor)

    def test_last_of_two_match_options_cannot_replace_the_prefix(self):
        _, keys = self.a.call("SCAN", "0", "MATCH", "of-a", "COUNT", "1000", "MATCH", "*", "MATCH", "of-*")
        self.assertEqual(keys, [b"of-a"])

    def test_sort_cannot_look_up_foreign_keys(self):
        before = self.foreign()
        for by in (b"w_*", b"tenant:b:w_*", b"*", b"of-b*", b"hash_*->f", b"nosort", b"x", b"tenant:b:hash_*->f",
                   b"->", b"*->"):
            for get in (b"#", b"d_*", b"tenant:b:d_*", b"*", b"hash_*->f", b"tenant:b:hash_*->f", b"ncanary", b"k"):
                self.both("SORT", "list", "BY", by, "GET", get)
                self.both("sort_ro", "list", "by", by, "get", get, "GET", "#", "DESC")
        self.both("SORT", "list", "GET", "d_*", "STORE", "list")
        self.both("SORT", "list", "ALPHA", "STORE", "tenant:b:list")
        self.both("SORT", "list", "STORE", "x", "STORE", "y", "ALPHA")
        self.assertEqual(self.foreign(), before)

    def test_georadius_store_stays_at_home(self):
        before = self.foreign()
        for option in ("STORE", "STOREDIST", "store", "StoreDist"):
            for name in (b"new", b"tenant:b:geo", b"geo", b"STORE"):
                self.both("GEORADIUS", "geo", "13", "38", "100", "km", option, name)
                self.both("GEORADIUSBYMEMBER", "geo", "place-a", "100", "km", option, name, "COUNT", "1")
        self.both("GEORADIUS", "geo", "13", "38", "100", "km", "STORE", "one", "STOREDIST", "two")
        self.both("GEORADIUS", "geo", "13", "38", "100", "km", "STORE")
        self.both("GEORADIUS_RO", "geo", "13", "38", "100", "km", "STORE", "x")
        self.assertEqual(self.foreign(), before)

    def test_lies_about_numkeys_get_redis_own_error(self):
        before = self.foreign()
        for lie in NUMKEYS_LIES:
            for keys in ((), ("zset",), ("zset", "tenant:b:zset")):
                for name in ("ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD", "SINTERCARD"):
                    self.both(name, lie, *keys)
                for name in ("ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"):
                    self.both(name, "dest", lie, *keys)
                self.both("LMPOP", lie, *keys, "LEFT")
                self.both("ZMPOP", lie, *keys, "MIN", "COUNT", "1")
        self.assertEqual(self.foreign(), before)

    def test_foreign_full_names_are_just_names(self):
        for name in (b"tenant:b:k", b"tenant:a:k", b"b:k", b":b:k", b"", b"tenant:", b"ncanary", b"\r\ntenant:b:k",
                     b"\x00"):
            self.both("GET", name)
            self.both("EXISTS", name)
            self.both("OBJECT", "ENCODING", name)
            self.both("DUMP", name)
            self.both("TYPE", name)
            self.both("MEMORY", "USAGE", name)
            self.both("XINFO", "STREAM", name)
        self.both("SET", "tenant:b:k", "mine")
        self.assertEqual(self.clients["b"].call("GET", "k"), b"value-b")
        self.assertEqual(self.direct.call("GET", "tenant:a:tenant:b:k"), b"mine")

    def test_rename_copy_and_move_stay_in_the_tenant(self):
        before = self.foreign()
        self.both("COPY", "k", "tenant:b:k")
        self.both("COPY", "k", "k", "DB", "3")
        self.both("COPY", "k", "new", "DB", "3", "REPLACE", "DB", "99")
        self.both("MOVE", "of-a", "3")
        self.both("RENAME", "w_1", "tenant:b:w_1")
        self.assertEqual(self.foreign(), before)
        self.direct.call("SELECT", "3")
        self.assertEqual(sorted(self.direct.call("KEYS", "*")), [b"tenant:a:k", b"tenant:a:of-a"])

    def test_flush_leaves_everybody_else_alone(self):
        before = self.foreign()
        for command in (("FLUSHDB",), ("FLUSHALL", "ASYNC"), ("FLUSHALL", "SYNC")):
            self.a.pipeline(self._keys_of(b"a"))
            self.assertEqual(self.a.call(*command), b"OK")
            self.assertEqual((self.a.call("DBSIZE"), self.a.call("KEYS", "*"), self.a.call("RANDOMKEY")), (0, [], None))
            self.assertEqual(self.foreign(), before)

    def test_streams_named_like_keywords(self):
        for client in (self.a, self.plain):
            client.call("XADD", "STREAMS", "1-1", "f", "own")
            client.call("XGROUP", "CREATE", "STREAMS", "GROUP", "0")
        self.both("XREAD", "STREAMS", "STREAMS", "0")
        self.both("XREAD", "COUNT", "1", "streams", "STREAMS", "stream", "0", "0")
        self.both("XREADGROUP", "GROUP", "GROUP", "STREAMS", "STREAMS", "STREAMS", ">")
        self.both("XREAD", "STREAMS", "STREAMS")
        self.both("XREAD", "STREAMS", "a", "b", "0")

    def test_error_texts_show_no_prefix(self):
        for command in (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", ">"), ("XPENDING", "stream", "g"),
                        ("XCLAIM", "stream", "g", "c", "0", "1-1"), ("XAUTOCLAIM", "stream", "g", "c", "0", "0"),
                        ("XINFO", "CONSUMERS", "stream", "g"), ("XINFO", "STREAM", "missing"),
                        ("XGROUP", "SETID", "stream", "g", "0"),
                        ("XGROUP", "CREATECONSUMER", "stream", "g", "c"),
                        ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "k", "missing", ">", ">"),
                        ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "tenant:a:stream", ">"),
                        ("XREADGROUP", "GROUP", "tenant:a:", "c", "STREAMS", "stream", ">"),
                        ("nosuchcommand", "tenant:a:k", "k"), ("get", "k", "k"), ("xgroup", "nosuch", "k"),
                        ("object", "nosuch", "k")):
            self.assertIsInstance(self.both(*command), resp.Error)

    def test_values_that_look_like_the_prefix_come_back_whole(self):
        for client in (self.a, self.plain):
            client.pipeline([("SET", "v", "tenant:a:k"), ("RPUSH", "l", "tenant:a:x"),
                             ("XADD", "s", "1-1", "tenant:a:f", "tenant:a:v"),
                             ("ZADD", "z", "1", "tenant:a:m"), ("SET", "tenant:a:k", "own"),
                             ("SADD", "t", "tenant:a:m")])
        for command in (("GET", "v"), ("MGET", "v", "k"), ("XREAD", "STREAMS", "s", "0"), ("LMPOP", "1", "l", "LEFT"),
                        ("ZMPOP", "1", "z", "MIN"), ("KEYS", "tenant:a:*"), ("SMEMBERS", "t"), ("SORT", "t", "ALPHA")):
            self.both(*command)

    def test_inline_commands_are_rewritten_too(self):
        for line in (b"GET k\r\n", b"  get   k  \r\n", b'SET "new key" "a b\\x41"\r\n', b"GET 'new key'\r\n",
                     b'GET "tenant:b:k"\n'):
            for client in (self.a, self.plain):
                client.send_raw(line)
            self.assertEqual(self.a.read(), self.plain.read(), line)
        self.assertEqual(self.direct.call("GET", "tenant:a:new key"), b"a bA")

    def test_command_getkeys_names_keys_as_the_tenant_knows_them(self):
        for command in (("GET", "k"), ("MSET", "a", "1", "b", "2"), ("ZUNION", "2", "x", "y"),
                        ("XREAD", "STREAMS", "s", "0"),
                        ("SORT", "l", "STORE", "d"), ("EVAL", "x", "1", "k"), ("PING",), ("GET",)):
            self.both("COMMAND", "GETKEYS", *command)

    def test_shared_server_commands_are_refused_and_the_connection_lives(self):
        for command in ("CONFIG SET maxmemory 1", "DEBUG SLEEP 0", "MONITOR", "SHUTDOWN NOSAVE", "SWAPDB 0 1",
                        "SLOWLOG GET",
                        "REPLICAOF NO ONE", "ACL SETUSER x", "SAVE", "BGSAVE", "MODULE LIST", "SCRIPT KILL",
                        "FUNCTION FLUSH",
                        "MIGRATE h 1 k 0 9", "CLIENT PAUSE 1", "LATENCY RESET", "SYNC", "PSYNC ? -1", "CLUSTER RESET"):
            self.assertRegex(self.a.call(*command.split()),
                             rb"^(NOPERM|ERR unknown|ERR weir|ERR This instance has cluster support disabled)", command)
            self.assertEqual(self.a.call("PING"), b"PONG", command)

    def test_info_tells_of_no_other_tenant(self):
        text = b"".join(self.a.call("INFO", *sections)
                        for sections in ((), ("everything",), ("commandstats", "keyspace", "clients")))
        for word in (b"cmdstat_", b"errorstat_", b"tenant", b"canary"):
            self.assertNotIn(word, text)
        for word in (b"redis_version:7", b"loading:0", b"role:", b"cluster_enabled:0"):
            self.assertIn(word, text)
        self.assertNotRegex(text, rb"db[1-9]:keys")


if __name__ == "__main__":
    unittest.main(verbosity=2)
