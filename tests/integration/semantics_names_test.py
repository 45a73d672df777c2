"""Names, as the client chose them: in requests, in replies, in errors; and any bytes may be one.

Each scenario runs against a private Redis first and then through weir (support/sides.py).
"""
import unittest

import resp
import sides

SEED = [
    ("RPUSH", "l1", "3", "1", "2"), ("RPUSH", "l2", "tenant:a:l2", "b"),
    ("ZADD", "z1", "1", "tenant:a:m", "2", "b", "3", "c"),
    ("ZADD", "z2", "5", "b", "6", "d"), ("XADD", "x1", "1-1", "tenant:a:f", "tenant:a:v"),
    ("XADD", "x1", "2-1", "f", "w"),
    ("XADD", "x2", "1-1", "f", "v"), ("XGROUP", "CREATE", "x1", "g", "0"), ("XGROUP", "CREATE", "x2", "g", "0"),
    ("MSET", "w_1", "9", "w_2", "3", "w_3", "5", "d_1", "data 1", "d_2", "data 2", "k", "10", "k1", "tenant:a:k"),
    ("HSET", "hash_1", "f", "field 1"), ("HSET", "hash_2", "f", "field 2"), ("HSET", "h", "f", "v"),
    ("SADD", "t1", "1", "2", "3"), ("SADD", "t2", "2", "3", "4"),
    ("GEOADD", "geo", "13", "38", "here", "13.1", "38", "there"),
    ("XADD", "STREAMS", "1-1", "f", "own"), ("XGROUP", "CREATE", "STREAMS", "GROUP", "0"), ("PFADD", "p1", "a"),
]
LIES = ("0", "-1", "abc", "", "4294967297", "18446744073709551617", "9", "1.5", " 1", "+1", "01", "2147483648")


class ReplyTest(sides.SidesTest):
    def test_keys_of_the_whole_keyspace_come_back_bare(self):
        def scenario(side):
            client = side.client()
            client.pipeline(SEED)
            for pattern in ("*", "k*", "tenant:*", "[kl]*", "*:*", "?"):
                side.note(sorted(client.ask("KEYS", pattern)))
            names = client.ask("KEYS", "*")
            for _ in range(20):
                self.assertIn(client.ask("RANDOMKEY"), names)
            found, cursor = [], b"0"
            while not found or cursor != b"0":
                cursor, page = client.ask("SCAN", cursor, "COUNT", "3")
                found += page + [b""][:not found]
            side.note(sorted(set(found)))
        self.same(scenario)

    def test_popped_key_is_named(self):
        self.script([*SEED, ("LMPOP", "2", "missing", "l1", "LEFT"), ("LMPOP", "1", "l2", "RIGHT", "COUNT", "9"),
                     ("ZMPOP", "2", "missing", "z1", "MIN", "COUNT", "2"), ("BLPOP", "missing", "l1", "0"),
                     ("BRPOP", "l1", "0"),
                     ("BZPOPMIN", "missing", "z1", "0"), ("BZPOPMAX", "z2", "0"), ("BZMPOP", "0", "1", "z2", "MAX"),
                     ("RPUSH", "l1", "a"), ("BLMPOP", "0", "2", "missing", "l1", "LEFT"),
                     ("LMPOP", "1", "missing", "LEFT"),
                     ("BLPOP", "missing", "0.01"), ("ZPOPMIN", "z2"), ("LPOP", "l1", "2"), ("SPOP", "t1", "0")])

    def test_stream_reads_name_each_stream(self):
        """An array of pairs in RESP2, a map in RESP3; entries are untouched, also such that look like the prefix."""
        self.script([*SEED, ("XREAD", "STREAMS", "x1", "x2", "missing", "0", "0", "0"),
                     ("XREAD", "COUNT", "1", "STREAMS", "x1", "0"),
                     ("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "x1", "x2", ">", ">"),
                     ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x2", "x1", "0", "0"),
                     ("XREAD", "STREAMS", "x1", "$"),
                     ("XREADGROUP", "GROUP", "g", "c", "NOACK", "BLOCK", "1", "STREAMS", "x1", ">"),
                     ("XREAD", "BLOCK", "1", "STREAMS", "x1", "x2", "0", "9"), ("XRANGE", "x1", "-", "+"),
                     ("XREAD", "STREAMS", "STREAMS", "0"), ("XREAD", "streams", "STREAMS", "x1", "0", "0"),
                     ("XREADGROUP", "GROUP", "GROUP", "STREAMS", "STREAMS", "STREAMS", ">"),
                     ("XREADGROUP", "GROUP", "GROUP", "c", "STREAMS", "STREAMS", ">"),
                     ("XREAD", "STREAMS", "STREAMS"),
                     ("XREAD", "COUNT", "STREAMS", "STREAMS", "x1", "0"), ("XREAD", "STREAMS", "x1", "x2", "0")])

    def test_values_are_never_touched(self):
        """Also when they begin with the tenant's own prefix, at the place where another command has a name."""
        values = ("tenant:a:k", "tenant:b:k", "tenant:a:")
        commands = []
        for value in values:
            commands += [("SET", "v", value), ("GET", "v"), ("MGET", "v", "v"), ("GETRANGE", "v", "0", "-1"),
                         ("ECHO", value),
                         ("PING", value), ("RPUSH", "l9", value), ("LRANGE", "l9", "0", "-1"),
                         ("HSET", "h9", value, value),
                         ("HGETALL", "h9"), ("SADD", "t9", value), ("SMEMBERS", "t9"), ("SRANDMEMBER", "t9"),
                         ("ZADD", "z9", "1", value),
                         ("ZRANGE", "z9", "0", "-1", "WITHSCORES"), ("ZMPOP", "1", "z9", "MIN"),
                         ("LMPOP", "1", "l9", "LEFT"),
                         ("XADD", "x9", "9-*", value, value), ("XREAD", "STREAMS", "x9", "0"),
                         ("SORT", "t9", "ALPHA"), ("HRANDFIELD", "h9"), ("HSCAN", "h9", "0"), ("SSCAN", "t9", "0"),
                         ("SPOP", "t9"), ("GETSET", "v", "x"), ("SET", "v", value, "GET"), ("LCS", "v", "v"),
                         ("EVAL", "return ARGV[1]", "0", value), ("CLIENT", "SETNAME", value),
                         ("CLIENT", "GETNAME"), ("XGROUP", "CREATE", "x9", value, "0"), ("XINFO", "GROUPS", "x9"),
                         ("XREADGROUP", "GROUP", value, value, "STREAMS", "x9", ">"), ("XPENDING", "x9", value),
                         ("DEL", "v", "l9", "h9", "t9", "z9", "x9")]
        self.script(commands)

    def test_command_getkeys_names_them_without_prefix(self):
        self.script([("COMMAND", "GETKEYS", *command) for command in (
            ("GET", "k"), ("MSET", "a", "1", "b", "2"), ("ZUNION", "2", "x", "y"),
            ("XREAD", "STREAMS", "s", "t", "0", "0"),
            ("SORT", "l", "STORE", "d"), ("EVAL", "x", "2", "k", "j"), ("PING",), ("GET",), ("nosuch",),
            ("BLMPOP", "0", "1", "l", "LEFT"),
            ("MIGRATE", "h", "1", "", "0", "9", "KEYS", "a", "b"),
            ("GEORADIUS", "g", "1", "1", "1", "km", "STORE", "d"),
            ("tenant:a:k",), ("GET", "tenant:a:k"), ("LMPOP", "9", "a", "LEFT"))] +
                    [("COMMAND", "GETKEYSANDFLAGS", "SET", "k", "v"), ("COMMAND", "GETKEYS")])


class ErrorTest(sides.SidesTest):
    protocols = (2,)

    def test_texts_that_name_keys(self):
        self.script([*SEED, ("XREADGROUP", "GROUP", "nosuch", "c", "STREAMS", "x1", ">"),
                     ("XPENDING", "x1", "nosuch"),
                     ("XREADGROUP", "GROUP", "nosuch", "c", "STREAMS", "missing", ">"), ("XPENDING", "missing", "g"),
                     ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x1", "missing", ">", ">"),
                     ("XCLAIM", "x1", "nosuch", "c", "0", "1-1"), ("XAUTOCLAIM", "x1", "nosuch", "c", "0", "0"),
                     ("XCLAIM", "missing", "g", "c", "0", "1-1"), ("XAUTOCLAIM", "missing", "g", "c", "0", "0"),
                     ("XINFO", "CONSUMERS", "x1", "nosuch"), ("XINFO", "CONSUMERS", "missing", "g"),
                     ("XINFO", "STREAM", "missing"),
                     ("XGROUP", "SETID", "x1", "nosuch", "0"), ("XGROUP", "CREATECONSUMER", "x1", "nosuch", "c"),
                     ("XGROUP", "DELCONSUMER", "missing", "g", "c"), ("XGROUP", "CREATE", "missing", "g", "0"),
                     ("XGROUP", "CREATE", "x1", "g", "0"), ("XACK", "k", "g", "1-1"), ("RENAME", "missing", "k9"),
                     ("XREADGROUP", "GROUP", "tenant:a:", "c", "STREAMS", "tenant:a:x", ">"), ("OBJECT", "FREQ", "k"),
                     ("OBJECT", "ENCODING", "missing"), ("LSET", "missing", "0", "x"), ("DEBUG",),
                     ("RESTORE", "k", "0", "x"),
                     ("XREADGROUP", "GROUP", "nosuch", "c", "STREAMS", b"\r\n-ERR", ">")])

    def test_unknown_commands_arity_and_subcommands_in_the_clients_own_spelling(self):
        commands = [("NoSuchCommand", "tenant:a:k", "k", "third"), ("nosuch",), ("NOSUCH", "x" * 200), ("get",),
                    ("GeT", "a", "b"),
                    ("Object", "NoSuch", "k"), ("xGroup", "nosuch", "k"), ("XINFO",), ("OBJECT",),
                    ("object", "encoding"),
                    ("CLIENT", "NoSuch"), ("client",), ("Config",), ("config", "nosuch"), ("PUBSUB", "nosuch"),
                    ("SCRIPT", "nosuch"),
                    ("MEMORY", "nosuch"), ("MEMORY", "USAGE"), ("COMMAND", "nosuch"), ("FUNCTION", "nosuch"),
                    ("CLUSTER", "nosuch"),
                    ("ACL", "nosuch"), ("LATENCY", "nosuch"), ("mset", "k"), ("MSET", "k", "v", "j"),
                    ("hset", "h", "f"), ("BLPOP", "k"),
                    ("XADD", "x"), ("Eval", "x"), ("SET", "k", "v", "NoSuch"), ("nosuch", "", "\r\n", "'quoted'"),
                    ("multi", "x"),
                    ("", "k"), (b"a\x00b", "k"), (b"\r\n",), ("nosuch", *("argument",) * 40), ("QUITx",),
                    ("subscribe",)]
        self.script(commands)


class RequestTest(sides.SidesTest):
    protocols = (2,)

    def test_commands_that_count_their_keys(self):
        """Lower, upper and mixed case; and counts that are wrong get Redis' own error and touch nothing."""
        commands = [*SEED]
        for name in ("ZUNION", "zinter", "ZdIfF"):
            commands += [(name, "2", "z1", "z2"), (name, "2", "z1", "z2", "WITHSCORES")]
        commands += [("ZUNIONSTORE", "z9", "2", "z1", "z2", "WEIGHTS", "1", "2", "AGGREGATE", "MAX"),
                     ("zinterstore", "z9", "1", "z2"),
                     ("ZDIFFSTORE", "z9", "2", "z1", "z2"), ("SINTERCARD", "2", "t1", "t2", "LIMIT", "1"),
                     ("ZINTERCARD", "2", "z1", "z2"),
                     ("LMPOP", "2", "missing", "l1", "LEFT"),
                     ("EVAL", "return {redis.call('GET',KEYS[2]),#KEYS,ARGV[1]}", "2", "k", "k1",
                      "k2"),
                     ("eval_ro", "return redis.call('GET',KEYS[1])", "1", "k1")]
        for lie in LIES:
            for keys in ((), ("z1",), ("z1", "tenant:b:z")):
                for name in ("ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD", "SINTERCARD"):
                    commands.append((name, lie, *keys))
                for name in ("ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"):
                    commands.append((name, "z9", lie, *keys))
                commands += [("LMPOP", lie, *keys, "LEFT"), ("ZMPOP", lie, *keys, "MIN", "COUNT", "1"),
                             ("BLMPOP", "0.01", lie, *keys,
                             "LEFT"), ("BZMPOP", "0.01", lie, *keys, "MIN"), ("EVAL", "return KEYS", lie, *keys),
                             ("EVALSHA", "f" * 40, lie, *keys),
                             ("EVAL_RO", "return 1", lie, *keys), ("FCALL", "nosuch", lie, *keys),
                             ("FCALL_RO", "nosuch", lie, *keys)]
        self.script(commands)

    def test_sort_with_patterns(self):
        """BY, GET and STORE name keys too; # and patterns without * do not, a hash field stands behind ->."""
        commands = [*SEED]
        for by in ("w_*", "nosort", "hash_*->f", "*", "w", "tenant:b:w_*", "->", "*->", "w_*->f", "w_**"):
            for get in ("#", "d_*", "hash_*->f", "k", "*", "tenant:b:d_*", "d_*->", "missing_*", "#*"):
                commands += [("SORT", "l1", "BY", by, "GET", get),
                             ("sort_ro", "l1", "by", by, "get", get, "Get", "#", "Desc")]
        commands += [("SORT", "l1", "BY", "w_*", "GET", "d_*", "GET", "#", "STORE", "l9"),
                     ("LRANGE", "l9", "0", "-1"),
                     ("SORT", "l1", "STORE", "tenant:b:l", "ALPHA"), ("SORT", "l1", "STORE", "one", "STORE", "two"),
                     ("EXISTS", "one", "two"),
                     ("SORT", "l1", "GET"), ("SORT", "l1", "BY"), ("SORT", "l1", "STORE"),
                     ("SORT_RO", "l1", "STORE", "x"),
                     ("SORT", "GET", "ALPHA"), ("SORT", "missing", "BY", "w_*"), ("SORT", "l1", "LIMIT", "GET", "#")]
        self.script(commands)

    def test_keys_in_odd_places(self):
        self.script([*SEED, ("GEORADIUS", "geo", "13", "38", "100", "km", "STORE", "z9"), ("ZCARD", "z9"),
                     ("GEORADIUSBYMEMBER", "geo", "here", "100", "km", "storedist", "z8", "COUNT", "1"),
                     ("ZCARD", "z8"),
                     ("GEORADIUS", "geo", "13", "38", "100", "km", "STORE", "one", "STOREDIST", "two"),
                     ("EXISTS", "one", "two"),
                     ("GEORADIUS_RO", "geo", "13", "38", "100", "km", "STORE", "x"),
                     ("GEOSEARCHSTORE", "z7", "geo", "FROMMEMBER", "here",
                     "BYRADIUS", "1", "km", "ASC"), ("BITOP", "AND", "k9", "k", "k1"), ("BITOP", "NOT", "k9", "k"),
                     ("bitop", "xor", "k9", "k"),
                     ("OBJECT", "REFCOUNT", "t1"), ("object", "Encoding", "l1"), ("MEMORY", "USAGE", "missing"),
                     ("XGROUP", "CREATECONSUMER", "x1", "g", "c"), ("XGROUP", "DESTROY", "x2", "g"),
                     ("XINFO", "GROUPS", "x2"),
                     ("COPY", "k", "k8"), ("COPY", "k", "k8", "DB", "1"), ("MOVE", "k1", "1"),
                     ("PFMERGE", "p9", "p1", "missing"),
                     ("LCS", "k", "k8", "IDX"), ("SMOVE", "t1", "t2", "1"), ("LINSERT", "l1", "BEFORE", "1", "l1"),
                     ("MSETNX", "k", "1", "j", "2"),
                     ("ZRANGESTORE", "z6", "z1", "0", "-1"), ("RENAMENX", "z6", "z5"),
                     ("XAUTOCLAIM", "x1", "g", "c", "0", "0"),
                     ("GEORADIUS", "STORE", "13", "38", "1", "km", "STORE", "STORE"), ("ZADD", "STORE", "1", "STORE"),
                     ("SUNIONSTORE", "t9", "t1", "t2"), ("SINTERSTORE", "t9", "t1", "t2"),
                     ("SDIFFSTORE", "t9", "t9", "t2"),
                     ("RPOPLPUSH", "l1", "l1"), ("LMOVE", "l1", "l9", "LEFT", "RIGHT"),
                     ("TOUCH", "k", "k8", "missing"), ("UNLINK", "k8", "x")])

    def test_any_bytes_are_a_key(self):
        """Empty, line ends, NUL, 64 KB, the prefix itself, which gets a second one."""
        commands = []
        for key in (b"", b"\r\n", b"\x00", b"k" * 65_536, b"k" * 70_000, b"tenant:a:", b"tenant:a:k", b"tenant:b:k",
                    b"*", b"[a-z]\\",
                    bytes(range(256)), b"$3\r\nabc\r\n", b" ", b'"quoted"', b"\xff\xfe", "ключ".encode()):
            commands += [("SET", key, key), ("GET", key), ("MGET", key, "missing", key), ("EXISTS", key),
                         ("TYPE", key), ("APPEND", key, "x"),
                         ("DEL", key), ("RPUSH", key, key), ("BLPOP", key, "0"), ("LMPOP", "1", key, "LEFT"),
                         ("XADD", key, "1-1", "f", key),
                         ("XREAD", "STREAMS", key, "0"), ("MULTI",), ("XREAD", "STREAMS", key, "0"), ("DEL", key),
                         ("ZADD", key, "1", key),
                         ("BZPOPMIN", key, "0"), ("EXEC",), ("EVAL", "return redis.call('TYPE',KEYS[1])", "1", key),
                         ("COMMAND", "GETKEYS", "GET", key),
                         ("WATCH", key), ("SET", key, "1"), ("MULTI",), ("EXEC",), ("DEL", key)]
        self.script(commands)
        self.script([("SET", key, "1") for key in (b"", b"\r\n", b"tenant:a:k", b"tenant:b:k")] + [("DBSIZE",)])

    def test_inline_commands_are_commands(self):
        """With quotes and escapes, in transactions and blocking too; empty lines are ignored."""
        lines = [b"SET k v", b"  get   k  ", b'SET "new key" "a b\\x41"', b"GET 'new key'", b'GET "tenant:b:k"',
                 b"MULTI", b"SET k inline",
                 b"lmpop 1 missing LEFT", b"EXEC", b"BLPOP missing 0.01", b"RPUSH l9 a", b"blpop l9 0",
                 b'EVAL "return KEYS" 1 "a b"',
                 b"WATCH k", b"UNWATCH", b"nosuch a b", b"PUBLISH c1 x", b"PUBSUB NUMSUB c1", b"CLIENT GETNAME",
                 b"xread streams missing 0"]

        def scenario(side):
            client = side.client()
            client.mask = sides.OWN_WORDS
            for line in lines:
                client.send_raw(b"\r\n\n" + line + b"\r\n")
                client.read()
                client.send_raw(line + b"\n")
                client.read()
            client.send_raw(b"SUBSCRIBE c1 'c 2'\r\n")
            client.message()
            client.message()
        self.same(scenario, protocols=(2, 3))


class PrefixTest(sides.SidesTest):
    """Tenants whose prefixes are glob patterns for one another, or begin alike."""

    tenants = ("a", "ab", "one", "set", "not", "back")
    prefixes = {"a": b"tenant:a:", "ab": b"tenant:ab:", "one": b"tenant:?:", "set": b"tenant:[ab]:",
                "not": b"tenant:[^x]:",
                "back": b"tenant:\\a:"}

    def test_patterns_of_each_tenant_mean_its_own(self):
        """KEYS, SCAN, PSUBSCRIBE, keyspace patterns and tracking prefixes: what is special in a prefix is taken
        literally."""
        def scenario(side):
            clients = {name: side.client(name, protocol=3) for name in self.tenants}
            writers = {name: side.client(name) for name in self.tenants}
            for name, client in clients.items():
                client.told("PSUBSCRIBE", "c*", "[ab]*", count=2)
                client.call("CLIENT", "TRACKING", "ON", "BCAST")
            for name, writer in writers.items():
                writer.call("SET", "k-" + name, name)
                clients[name].push()
                writer.call("PUBLISH", "c1", "of " + name)
                clients[name].message()
                writer.call("PUBLISH", "b1", "of " + name)
                clients[name].message()
            for writer in writers.values():
                writer.call("KEYS", "*")
                writer.call("SCAN", "0", "MATCH", "k*", "COUNT", "1000")
                writer.call("RANDOMKEY")
                writer.call("DBSIZE")
                writer.call("PUBSUB", "NUMPAT")
                writer.call("FLUSHDB")
        if sides.DIRECT:
            self.skipTest("needs six servers on both sides")
        side = self.proxied(2)
        scenario(side)
        for client in side.talkers:
            own = client.label.rsplit(" ", 1)[1].encode()
            for sent, raw in (*client.replies, *client.pushes):
                for name in self.tenants:
                    if name.encode() != own:
                        self.assertNotIn(b"of " + name.encode() + b"\r", raw, (client.label, sent))
                        self.assertNotIn(b"k-" + name.encode() + b"\r", raw, (client.label, sent))
        for client in side.talkers[len(self.tenants):]:
            own = client.label.rsplit(" ", 1)[1].encode()
            size = len(b"k-" + own)
            key = b"$%d\r\nk-%s\r\n" % (size, own)
            replies = [raw for _, raw in client.replies][-6:]
            self.assertEqual(replies[0], b"*1\r\n" + key)
            self.assertTrue(replies[1].endswith(b"*1\r\n" + key), replies[1])
            self.assertEqual(replies[2:5], [key, b":1\r\n", b":2\r\n"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
