"""Scripts do what a private Redis' do with the keys they declare, and reach nobody else's by any other way.

Each scenario runs against a private Redis first and then through weir (support/sides.py).
"""
import hashlib
import unittest

import resp
import servers
import sides

SEED = [("MSET", "k", "1", "k1", "tenant:a:text"), ("RPUSH", "l1", "a", "b", "c"), ("HSET", "h1", "f", "v"),
        ("ZADD", "z1", "1", "m"),
        ("XADD", "x1", "1-1", "f", "v")]
SCRIPTS = [
    ("return redis.call('GET', KEYS[1])", "1", "k"), ("return {1, 'two', {3, {4}}, redis.status_reply('FIVE')}", "0"),
    ("return redis.call('SET', KEYS[1], ARGV[1])", "1", "k", "new"),
    ("return redis.call('LRANGE', KEYS[1], 0, -1)", "1", "l1"),
    ("return redis.pcall('INCR', KEYS[1])", "1", "l1"), ("return redis.call('INCR', KEYS[1])", "1", "l1"),
    ("redis.setresp(3); return redis.call('HGETALL', KEYS[1])", "1", "h1"),
    ("return redis.error_reply('MY error')", "0"),
    ("return redis.sha1hex(ARGV[1])", "0", "x"), ("return cjson.encode({ARGV[1], #KEYS})", "1", "k", "text"),
    ("return KEYS", "3", "k", "tenant:a:k1", ""), ("return {KEYS[1], ARGV[1]}", "1", "k", "tenant:a:k"),
    ("return redis.call('GET', 'k' .. ARGV[1])", "0", "1"),
    ("return redis.call('LMPOP', 1, KEYS[1], 'LEFT')", "1", "l1"),
    ("return redis.call('XREAD', 'STREAMS', KEYS[1], 0)", "1", "x1"), ("return ARGV", "1", "k", "tenant:a:k", "b"),
    ("return #KEYS", "2", "k", "k1"), ("return 3.99", "0"), ("return nil", "0"),
    ("return true", "0"), ("return false", "0"), ("syntax error here", "0"), ("error('boom')", "0"),
    ("return redis.call('nosuch')", "0"),
    ("return redis.call('GET')", "0"), ("return redis.call('EXISTS', KEYS[1], KEYS[2])", "2", "k", "missing"),
    ("for i = 1, 100 do redis.call('RPUSH', KEYS[1], i) end; return redis.call('LLEN', KEYS[1])", "1", "l9"),
    ("return redis.call('BLPOP', KEYS[1], 0)", "1", "missing"),
    ("return redis.call('XREAD', 'BLOCK', 0, 'STREAMS', KEYS[1], '$')", "1", "x1"),
    ("redis.replicate_commands(); return redis.call('TIME')[3]", "0"),
    ("return redis.call('ECHO', ARGV[1])", "0", "hello"),
    ("#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])", "1", "k"),
    ("#!lua flags=no-writes\nreturn redis.call('DEL', KEYS[1])", "1", "k"),
    ("return redis.call('PING')", "0"), ("return redis.call('ZADD', KEYS[1], 5, 'm5')", "1", "z1"),
    ("return string.rep('x', 300000)", "0"),
    ("return redis.call('LPOP', KEYS[1], 2)", "1", "l1"), ("return redis.call('SORT', KEYS[1], 'ALPHA')", "1", "l1"),
    ("return redis.call('PUBLISH', KEYS[1], 'x')", "1", "c9"),
    ("local t = {} for i = 1, #ARGV do t[i] = ARGV[i] .. '!' end return t", "0", "a", "b"),
]


class EvalTest(sides.SidesTest):
    def test_scripts_on_declared_keys(self):
        def scenario(side):
            client = side.client()
            client.pipeline(SEED)
            client.mask = rb"\$\d\r\n\d{1,6}\r\n(?<=\r\n)|, on @user_script:\d+\."
            for script in SCRIPTS:
                if "TIME" not in script[0]:
                    client.call("EVAL", *script)
                    client.call("eval", *script)
                    client.call("EVAL_RO", *script)
            client.pipeline([("GET", "k"), ("LLEN", "l9"), ("DBSIZE",)])
        self.same(scenario)

    def test_evalsha_noscript_then_eval_then_evalsha(self):
        """What every library does: the NOSCRIPT text comes through, and the sha works once the script was seen."""
        def scenario(side):
            client, other = side.client(), side.client()
            client.pipeline(SEED)
            for i, script in enumerate(("return redis.call('GET', KEYS[1])", "return ARGV[1] .. 'unique'",
                                        "return 1")):
                sha = hashlib.sha1(script.encode()).hexdigest()
                client.pipeline([("EVALSHA", sha, "1", "k", "x"), ("EVALSHA_RO", sha, "1", "k", "x"),
                                 ("SCRIPT", "EXISTS", sha)])
                client.call(*(("SCRIPT", "LOAD", script) if i else ("EVAL", script, "1", "k", "x")))
                client.pipeline([("EVALSHA", sha, "1", "k", "x"), ("EVALSHA", sha.upper(), "1", "k", "x"),
                                 ("SCRIPT", "EXISTS", sha, "f" * 40),
                                 ("EVALSHA_RO", sha, "1", "k", "x")])
                other.call("EVALSHA", sha, "1", "k", "x")
            client.pipeline([("EVALSHA", "short", "0"), ("EVALSHA", "f" * 40, "0"), ("EVALSHA", "f" * 40),
                             ("SCRIPT", "LOAD", "syntax error"),
                             ("SCRIPT", "LOAD"), ("SCRIPT", "EXISTS"), ("SCRIPT", "NOSUCH"),
                             ("FCALL", "nosuch", "0"), ("FCALL_RO", "nosuch", "0"),
                             ("FCALL", "nosuch"), ("FUNCTION", "LIST"), ("FUNCTION", "LIST", "NOSUCH")])
        self.same(scenario)

    def test_pipelined_scripts_in_order_with_plain_commands(self):
        def scenario(side):
            client = side.client()
            commands = []
            for i in range(100):
                commands += [("SET", "k", i), ("EVAL", "return redis.call('INCR', KEYS[1])", "1", "k"), ("GET", "k"),
                             ("EVALSHA", hashlib.sha1(b"return redis.call('INCR', KEYS[1])").hexdigest(), "1", "k"),
                             ("INCR", "k"), ("PING", i),
                             ("MULTI",), ("EVAL", "return redis.call('INCR', KEYS[1])", "1", "k"), ("GET", "k"),
                             ("EXEC",), ("GET", "k")]
            client.pipeline(commands)
        self.same(scenario)

    def test_database_of_a_script(self):
        """Scripts run in the client's database; SELECT inside of one is undone at its end."""
        self.script([("SELECT", "2"), ("SET", "k", "two"), ("EVAL", "return redis.call('GET', KEYS[1])", "1", "k"),
                     ("SELECT", "0"),
                     ("EVAL", "return redis.call('GET', KEYS[1])", "1", "k"), ("SET", "k", "zero"),
                     ("EVAL", "redis.call('SELECT', 2); return redis.call('GET', KEYS[1])", "1", "k"), ("GET", "k"),
                     ("MULTI",), ("SELECT", "2"), ("EVAL", "return redis.call('GET', KEYS[1])", "1", "k"), ("EXEC",),
                     ("GET", "k")])

    def test_blocking_in_scripts_does_not_block(self):
        self.script([("EVAL", f"return redis.call({call})", "1", "missing") for call in (
            "'BLPOP', KEYS[1], 0", "'BRPOPLPUSH', KEYS[1], KEYS[1], 0", "'BZPOPMIN', KEYS[1], 0",
            "'BLMPOP', 0, 1, KEYS[1], 'LEFT'",
            "'XREAD', 'BLOCK', 0, 'STREAMS', KEYS[1], '$'", "'SUBSCRIBE', 'c'", "'MULTI'",
            "'WATCH', KEYS[1]")])


@unittest.skipIf(sides.DIRECT, "about tenants on one server")
class WallTest(sides.SidesTest):
    """A script's body may name anything; the server lets it have the tenant's own."""

    FOREIGN = ("k", "tenant:b:k", "tenant:ab:k", "tenant:a", "Tenant:a:k", "ncanary-only", "tenant:b:ncanary-only")
    WAYS = ["return redis.call('GET', '{0}')", "return redis.pcall('GET', '{0}')",
            "return redis.call('EXISTS', '{0}')",
            "return redis.call('TYPE', '{0}')", "return redis.call('STRLEN', '{0}')",
            "return redis.call('OBJECT', 'ENCODING', '{0}')",
            "return redis.call('DUMP', '{0}')", "return redis.call('SET', '{0}', 'x')",
            "return redis.call('DEL', '{0}')",
            "return redis.call('RENAME', '{0}', KEYS[1])", "return redis.call('COPY', '{0}', KEYS[1])",
            "return redis.call('APPEND', '{0}', 'x')",
            "return redis.call('MGET', KEYS[1], '{0}')", "return redis.call('BITOP', 'NOT', KEYS[1], '{0}')",
            "return redis.call('MEMORY', 'USAGE', '{0}')",
            "redis.setresp(3); return redis.call('GET', '{0}')", "return redis.call('PFMERGE', KEYS[1], '{0}')",
            "return redis.call('SORT_RO', '{0}')",
            "return redis.call('EXPIRE', '{0}', 1)", "return redis.call('MOVE', '{0}', 1)",
            "return redis.call('LCS', '{0}', '{0}')",
            "return redis.call('GETDEL', '{0}')", "return redis.call('MIGRATE', '', 1, '{0}', 0, 10)",
            "return redis.call('WATCH', '{0}')",
            "local ok, found = pcall(redis.call, 'GET', '{0}') return found",
            "return redis.call('EVAL', 'return 1', 1, '{0}')",
            "return redis.call('SORT', KEYS[2], 'GET', '{0}')",
            "return redis.call('SORT', KEYS[2], 'BY', 'nosort', 'GET', '*')",
            "return redis.call('SORT', KEYS[2], 'BY', 'nosort', 'GET', 'tenant:b:*')",
            "return redis.call('GEORADIUS', KEYS[1], 1, 1, 1, 'km', 'STORE', '{0}')"]
    WHOLE = ["'KEYS', '*'", "'SCAN', 0", "'SCAN', 0, 'COUNT', 10000", "'RANDOMKEY'", "'DBSIZE'", "'FLUSHALL'",
             "'FLUSHDB'", "'SWAPDB', 0, 1", "'INFO'",
             "'INFO', 'keyspace'", "'CLIENT', 'LIST'", "'CLIENT', 'KILL', 'TYPE', 'normal'", "'CLIENT', 'INFO'",
             "'CONFIG', 'GET', '*'",
             "'CONFIG', 'SET', 'maxmemory', 1", "'PUBSUB', 'CHANNELS'", "'PUBSUB', 'NUMSUB', 'c1'",
             "'PUBLISH', 'c1', 'x'",
             "'PUBLISH', 'tenant:b:c1', 'x'", "'SPUBLISH', 'tenant:b:c1', 'x'", "'ACL', 'LIST'",
             "'ACL', 'SETUSER', 'evil', 'on'", "'SLOWLOG', 'GET'",
             "'COMMAND', 'COUNT'", "'FUNCTION', 'LIST'", "'FUNCTION', 'FLUSH'", "'SCRIPT', 'FLUSH'", "'SHUTDOWN'",
             "'DEBUG', 'SLEEP', 0", "'SAVE'",
             "'REPLICAOF', 'NO', 'ONE'", "'MODULE', 'LIST'", "'LATENCY', 'LATEST'", "'MEMORY', 'DOCTOR'",
             "'MEMORY', 'STATS'", "'ROLE'", "'LASTSAVE'",
             "'CLUSTER', 'INFO'", "'CLIENT', 'UNBLOCK', 1", "'CLIENT', 'PAUSE', 1", "'MONITOR'",
             "'AUTH', 'default', ''", "'HELLO', 3, 'AUTH', 'default', ''",
             "'RESET'", "'ACL', 'WHOAMI'", "'OBJECT', 'HELP'", "'LOLWUT'", "'BGREWRITEAOF'", "'PSYNC', '?', -1",
             "'FAILOVER'"]

    def test_no_way_from_inside_a_script_to_foreign_keys_and_names(self):
        for protocol in (2, 3):
            side = self.proxied(protocol)
            client, listener = side.client(), side.client("b")
            client.pipeline(SEED + [("RPUSH", "list", "only", "k"), ("EVAL", "return 1", "0")])
            listener.told("SUBSCRIBE", "c1", "tenant:b:c1", count=2)
            users = side.admin().call("ACL", "LIST")
            before = sides.foreign_state(side)
            bodies = [way.format(name) for way in self.WAYS for name in self.FOREIGN]
            bodies += [body.replace("redis.", "_G.redis.") for body in bodies]
            bodies += [f"return {call}({words})" for words in self.WHOLE for call in ("redis.call", "redis.pcall")]
            for body in bodies:
                for command in ("EVAL", "EVAL_RO"):
                    text = repr(client.ask(command, body, 2, "k1", "list"))
                    self.assertNotIn("canary", text, body)
                    self.assertNotIn("redis_version", text, body)
                    self.assertNotIn("tenant:b", text.replace(body, ""), body) if "tenant:b" not in body else None
                self.assertEqual(client.ask("PING"), b"PONG")
            for words in ("'KEYS', '*'", "'SCAN', 0", "'RANDOMKEY'", "'DBSIZE'"):
                self.assertIsInstance(client.ask("EVAL", f"return redis.call({words})", 0), resp.Error, words)
            self.assertEqual(sides.foreign_state(side), before)
            self.assertEqual(side.admin().call("ACL", "LIST"), users)
            stranger = side.client("b")
            stranger.call("PUBLISH", "c1", "fence")
            self.assertEqual(listener.message()[2], b"fence")

    def test_functions_are_the_operators_and_run_confined(self):
        """Tenants may call them and see their names, not their code; they cannot make, change or end them; and
        inside of
        one they reach their own keys alone."""
        side = self.proxied()
        code = ("#!lua name=shared\n-- vcanary\nredis.register_function('fetch',"
                " function(keys, args) return redis.call('GET', args[1] or keys[1]) end)")
        side.admin().call("FUNCTION", "LOAD", code)
        client = side.client()
        client.ask("SET", "k", "own")
        self.assertEqual(client.ask("FCALL", "fetch", "1", "k"), b"own")
        for name in self.FOREIGN:
            self.assertNotIn("canary", repr(client.ask("FCALL", "fetch", "1", "k", name)).replace(name, ""))
        for command in (("FUNCTION", "LIST"), ("FUNCTION", "LIST", "WITHCODE"), ("FUNCTION", "DUMP"),
                        ("FUNCTION", "STATS"), ("FUNCTION", "DELETE", "shared"),
                        ("FUNCTION", "FLUSH"), ("FUNCTION", "LOAD", "REPLACE", code), ("FUNCTION", "KILL"),
                        ("FUNCTION", "RESTORE", "x")):
            reply = client.ask(*command)
            self.assertNotIn("vcanary", repr(reply), command)
            self.assertEqual(isinstance(reply, resp.Error), command != ("FUNCTION", "LIST"), command)
        self.assertEqual(len(side.admin().call("FUNCTION", "LIST")), 1)

    def test_script_kill_is_refused_and_flush_is_ones_own(self):
        side = self.proxied()
        client, other = side.client(), side.client("b")
        sha = client.ask("SCRIPT", "LOAD", "return 1")
        self.assertEqual(other.ask("SCRIPT", "LOAD", "return 1"), sha)
        for command in (("SCRIPT", "KILL"), ("SCRIPT", "DEBUG", "YES")):
            self.assertRegex(client.ask(*command), rb"^NOPERM")
        self.assertEqual(client.ask("EVALSHA", sha, "0"), 1)
        self.assertEqual(client.ask("SCRIPT", "FLUSH"), b"OK")
        self.assertRegex(client.ask("EVALSHA", sha, "0"), b"^NOSCRIPT")
        self.assertEqual(other.ask("EVALSHA", sha, "0"), 1)

    def test_scripts_can_be_denied_or_trusted(self):
        denying = self.start_weir(self.folder, tenants={"a": {"scripts": {"mode": "deny"}},
                                                        "b": {"scripts": {"mode": "trust"}}})
        with denying.client("a") as a, denying.client("b") as b:
            for command in (("EVAL", "return 1", "0"), ("EVALSHA", "f" * 40, "0"), ("EVAL_RO", "return 1", "0"),
                            ("FCALL", "f", "0")):
                self.assertRegex(a.call(*command), rb"^(NOPERM|ERR) ")
            self.assertEqual(a.call("PING"), b"PONG")
            self.assertEqual(b.call("EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", "k"), b"OK")
            self.assertEqual(b.call("GET", "k"), b"x")
        self.assertRegex(denying.log().lower(), "script")  # said loudly at the start

    def test_server_restart_loses_scripts_and_users_and_both_come_back(self):
        redis = self.folder.redis("mortal")
        weir = self.folder.weir(redis, workers=1, tenants=self.weir_tenants())
        with weir.client() as client:
            sha = client.call("SCRIPT", "LOAD", "return redis.call('SET', KEYS[1], 'x')")
            self.assertEqual(client.call("EVALSHA", sha, "1", "k"), b"OK")
            redis.kill()
            self.folder.redis("mortal")
            servers.wait_until(lambda: client.call("SET", "again", "1") == b"OK", what="the server")
            servers.wait_until(lambda: b"NOSCRIPT" in (client.call("EVALSHA", sha, "1", "k") or b""), what="NOSCRIPT")
            self.assertEqual(client.call("EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", "k"), b"OK")


if __name__ == "__main__":
    unittest.main(verbosity=2)
