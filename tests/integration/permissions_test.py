"""A tenant with permissions is what a Redis user with the same ACL words is on a server of its own.

Each of the specifications (support/permission_specs.py) is a tenant of the one weir, and the default user of a private
Redis. Both get the same random commands, and the same scenarios; replies and data have to be the same. Where weir is
stricter than Redis, and why, stands at `Sides.is_stricter`.

WEIR_PERMISSION_COMMANDS (2000) random commands for each, WEIR_PERMISSION_SEED (random, printed).
"""
import os
import random
import re
import unittest

import command_generator
import differential
import permission_specs
import reply_compare
import resp
import servers

COMMAND = re.compile(rb"-(?:EXECABORT Transaction discarded because of: )?"
                     rb"NOPERM this user has no permissions to run the '[^']+' command(: .*)?\r\n")
KEYS = b"-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"
SORT = re.compile(rb"-ERR (?:BY|GET) option of SORT denied due to insufficient ACL permissions\.\r\n")
ABORTED = b"-EXECABORT Transaction discarded because of previous errors.\r\n"
LETTERS = b"slhtzxgpy"
SEED = [("SET", "s0", "10"), ("SET", "s1", "text"), ("SET", "s2", "5"), ("RPUSH", "l0", "5", "m1", "m2"),
        ("RPUSH", "l1", "1", "2"), ("HSET", "h0", "m1", "v1", "m2", "5"), ("SADD", "t0", "1", "5", "9"),
        ("SADD", "t1", "1", "2"), ("ZADD", "z0", "1", "m1", "2", "m2"), ("ZADD", "z1", "1", "m1", "3", "m3"),
        ("XADD", "x0", "1-1", "m1", "v1"), ("XGROUP", "CREATE", "x0", "g0", "0"), ("GEOADD", "g0", "13.4", "38.1", "m1"),
        ("PFADD", "p0", "m1"), ("SET", "%R~x0", "odd"), ("SET", "[", "odd")]


# Where the number of keys stands.
NUMBER_AT = {name.encode(): at for at, names in (
    (1, "lmpop zmpop sintercard zinter zintercard zunion zdiff"),
    (2, "blmpop bzmpop zunionstore zinterstore zdiffstore eval eval_ro evalsha evalsha_ro fcall fcall_ro"))
             for name in names.split()}


def counts_its_keys(args):
    at = NUMBER_AT.get(args[0].lower())
    return at is None or args[at:at + 1] in [[b"%d" % count] for count in range(1, len(args) - at)]


class Sides:
    """A tenant of weir and its like on a private Redis."""

    def __init__(self, test, name, upstream, weir):
        self.name, self.test = name, test
        self.prefix = b"tenant:%s:" % name.encode()
        private = test.folder.redis("private-" + name)
        self.admins = [upstream.client(), private.client()]
        self.addresses = (weir.addresses[name], private.address)
        self.payloads = differential.Worker._payloads(private.address)  # pylint: disable=protected-access
        self._restrict()
        self.strict = 0
        for client in self.admins:
            test.addCleanup(client.close)

    def _restrict(self):
        admin = self.admins[1]
        rules = permission_specs.acl_rules(permission_specs.SPECS[self.name])
        for words in (("admin", "on", ">secret", "~*", "&*", "+@all"),
                      ("default", "reset", "on", "nopass", "&*", *rules)):
            if words[0] == "default":
                assert admin.call("AUTH", "admin", "secret") == b"OK"
            reply = admin.call("ACL", "SETUSER", *words)
            assert reply == b"OK", (words, reply)

    def reset(self):
        """The same data on both sides, whatever the tenant may do."""
        upstream, private = self.admins
        private.call("FLUSHALL")
        private.pipeline(SEED)
        for database in range(differential.DATABASES):
            upstream.call("SELECT", database)
            for key in upstream.call("KEYS", self.prefix + b"*"):
                upstream.call("DEL", key)
        upstream.call("SELECT", 0)
        at = lambda command: 2 if command[0] == "XGROUP" else 1
        upstream.pipeline([(*command[:at(command)], self.prefix + command[at(command)].encode(),
                            *command[at(command) + 1:]) for command in SEED])

    def data(self):
        """Every key with its serialised value, of both sides."""
        return [self._data(self.admins[0], self.prefix), self._data(self.admins[1], b"")]

    def same_data(self):
        proxied, direct = self.data()
        for place in sorted({*proxied, *direct}):
            self.test.assertEqual(proxied.get(place), direct.get(place), (self.name, place))

    @staticmethod
    def _data(admin, prefix):
        found = {}
        for database in range(differential.DATABASES):
            admin.call("SELECT", database)
            keys = sorted(admin.call("KEYS", prefix + b"*"))
            for key in keys:
                value, kind = admin.call_raw("DUMP", key), admin.call("TYPE", key)
                # Of a set the order is hash order, in a stream stands when a consumer was last seen.
                found[database, key[len(prefix):]] = len(value) if kind in (b"set", b"stream") else value
        admin.call("SELECT", 0)
        return found

    def pair(self, protocol=2):
        pair = differential.Pair(*self.addresses, 2)
        if protocol != 2:
            replies = [client.call_raw("HELLO", protocol) for client in pair.both]
            self.test.assertEqual(*[raw[:1] for raw in replies], self.name)
        return pair

    def check(self, args, proxied, direct):
        if not self.is_same(args, proxied, direct):
            self.test.fail(f"tenant {self.name}: {args!r:.300}\n weir:  {proxied!r:.500}\n redis: {direct!r:.500}")

    def is_same(self, args, proxied, direct):
        return reply_compare.same(args, proxied, direct) or self.is_stricter(args, proxied, direct)

    def is_stricter(self, args, proxied, direct):
        """What weir refuses although this user may run it, and what it refuses sooner."""
        if (match := COMMAND.fullmatch(proxied)) and match[1]:
            return not COMMAND.fullmatch(direct)  # no tenant may run it
        # Where the number of keys is a lie Redis finds none, and its command complains; weir takes all that follows
        # for keys. And it looks for BY and GET of SORT before the server finds a syntax error.
        stricter = proxied == KEYS or SORT.fullmatch(proxied)
        if stricter and direct[:1] == b"-" and not direct.startswith(b"-NOPERM"):
            self.strict += 1
            return True
        return False

    def same(self, *commands, protocol=2):
        """One after the other on a connection of its own; gives what Redis said."""
        pair, said = self.pair(protocol), []
        for command in commands:
            proxied, direct = (client.call_raw(*command) for client in pair.both)
            self.check([resp.to_bytes(arg) for arg in command], proxied, direct)
            said.append(direct)
        pair.close()
        return said


class PermissionsTest(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.upstream = self.folder.redis("upstream")
        self.weir = self.folder.weir(self.upstream, list(permission_specs.SPECS), tenants=permission_specs.SPECS)

    def sides(self, name):
        sides = Sides(self, name, self.upstream, self.weir)
        sides.reset()
        return sides

    def each(self):
        for name in permission_specs.SPECS:
            yield self.sides(name)

    # ---- random commands

    def test_random_commands_are_permitted_as_a_redis_user_is(self):
        seed = int(os.environ.get("WEIR_PERMISSION_SEED", random.randrange(1 << 32)))
        count = int(os.environ.get("WEIR_PERMISSION_COMMANDS", 2000))
        print(f"seed: {seed} (WEIR_PERMISSION_SEED)", flush=True)
        refused = allowed = 0
        for sides in self.each():
            rng = reply_compare.new_rng(seed, sides.name)
            generator = command_generator.Generator(rng, sides.payloads, f"{seed}-{sides.name}")
            for protocol in (2, 3):
                replies = self._random(sides, rng, generator, count // 2, protocol)
                refused += sum(self._is_refusal(raw) for raw in replies)
                allowed += sum(raw[:1] != b"-" for raw in replies)
            sides.same_data()
        print(f"{allowed} commands done, {refused} refused", flush=True)
        if count >= 1000:
            self.assertGreater(refused, count)
            self.assertGreater(allowed, count)

    def _random(self, sides, rng, generator, count, protocol):
        pair, replies = sides.pair(protocol), []
        while len(replies) < count:
            commands = []
            while len(commands) < 50:
                commands += self._transaction(generator) if rng.random() < 0.03 else [generator.command()]
            commands = [args for args in commands if self._is_comparable(args)]
            replies += self._exchange(sides, pair, rng, commands)
            if rng.random() < 0.2:
                sides.reset()
        pair.close()
        return replies

    @staticmethod
    def _is_comparable(args):
        """Of several keys to store to the server obeys the last, and weir asks for each; of PFMERGE with one key Redis
        checks none; of ZRANK newer servers take an argument more, so weir leaves counting to the server."""
        words = [arg.split(b"\0")[0].lower() for arg in args]
        if words[0] in (b"zrank", b"zrevrank", b"pfmerge"):
            return len(args) == 3
        stores = words.count(b"store") + words.count(b"storedist")
        return stores < 2 or words[0] not in (b"sort", b"georadius", b"georadiusbymember")

    @staticmethod
    def _transaction(generator):
        """Redis looks at SORT's BY and GET when it runs, weir when it is queued; so it is with a false number of keys.
        Who may not DISCARD would stay in it, and what weir lets nobody queue (HELLO, DBSIZE) is another test's matter."""
        queue = [args for args in generator.transaction()[:-1] if args[0].lower() not in (b"sort", b"sort_ro")]
        return [*filter(counts_its_keys, queue), [b"EXEC"]]

    @staticmethod
    def _exchange(sides, pair, rng, commands):
        queued, said = [], []
        answers = pair.exchange(rng, [(args, False) for args in commands])
        for args, (proxied, direct) in zip(commands, answers):
            said.append(direct)
            if args[0].lower() == b"exec" and reply_compare.same_transaction(queued, proxied, direct):
                queued = []
                continue
            sides.check(args, proxied, direct)
            queued = queued + [args] if direct == b"+QUEUED\r\n" else [] if direct == b"+OK\r\n" else queued
        return said

    @staticmethod
    def _is_refusal(raw):
        return bool(raw == KEYS or COMMAND.fullmatch(raw) or SORT.fullmatch(raw))

    # ---- scenarios

    def test_transactions_are_flagged_and_aborted(self):
        for sides in self.each():
            for command in (("SET", "s1", "v"), ("GET", "s1"), ("GET", "l0"), ("LPUSH", "l0", "v"), ("HSET", "h0", "f", "v"),
                            ("EVAL", "return 1", "1", "z0"), ("OBJECT", "ENCODING", "s1"), ("PING",), ("nosuch",),
                            ("COPY", "s1", "l9"), ("BLPOP", "l0", "x0", "0.01")):
                sides.reset()
                sides.same(("MULTI",), ("SET", "s2", "queued"), command, ("GET", "s2"), ("EXEC",), ("GET", "s2"))
                sides.same(("MULTI",), command, ("DISCARD",), ("EXEC",), ("WATCH", "x0", "s0"), ("UNWATCH",))
            sides.same_data()

    def test_scripts_may_do_what_their_tenant_may(self):
        for sides in self.each():
            for letter in "slhtzx":
                for script in ("return redis.call('TYPE', %s)", "return redis.call('DEL', %s)", "return redis.call('EXISTS', %s)",
                               "return redis.pcall('SET', %s, 'v')", "return redis.call('OBJECT', 'ENCODING', %s)",
                               "return redis.call('COPY', %s, 's9')", "return redis.call('GET', %s)",
                               "return redis.call('HGET', %s, 'm1')", "return redis.call('LPUSH', %s, 'v')",
                               "return redis.pcall('SMEMBERS', %s)", "return redis.call('SETNX', %s, 1)"):
                    for eval_command in ("EVAL", "EVAL_RO"):
                        sides.reset()
                        key = letter + "0"
                        sides.same((eval_command, script % "KEYS[1]", 1, key))
                        sides.same((eval_command, script % "ARGV[1]", 0, key))
            sides.same_data()

    def test_scripts_reach_no_key_that_the_tenant_may_not_touch(self):
        """Whatever is said, the data that patterns or read_only protect stay as they are."""
        for name in ("read-only", "read-only-twice", "keys", "both"):
            sides = self.sides(name)
            before = sides.data()
            with self.weir.client(name) as client:
                for key in ("g0", "p0"):
                    for script in ("return redis.call('DEL', ARGV[1])", "return redis.call('SET', ARGV[1], 'x')",
                                   "return redis.call('RENAME', ARGV[1], 's7')", "return redis.call('MSET', 's1', 1, ARGV[1], 2)",
                                   "return redis.call('SORT', 's1', 'STORE', ARGV[1])",
                                   "return redis.call('ZUNIONSTORE', ARGV[1], 1, 'z0')"):
                        self.assertIsInstance(client.call("EVAL", script, 0, key), resp.Error, (name, script))
            self.assertEqual(sides.data()[0][0, b"g0"], before[0][0, b"g0"], name)
            self.assertEqual(sides.data()[0][0, b"p0"], before[0][0, b"p0"], name)

    def test_large_requests_slip_no_key_through(self):
        big = b"x" * 300_000
        for sides in self.each():
            for command in (("SET", "s1", big), ("SET", "l1", big), ("SET", "h1", big), ("SET", "h1", big, "GET"),
                            ("SET", "s1", big, "EX", "10000", "KEEPTTL"), ("SET", "x1", big, "EX", "10000"),
                            ("MSET", "s1", big, "l0", "v"), ("MSET", "l0", "v", "s1", big), ("MSET", "s1", big, "s2", big),
                            ("APPEND", "s1", big), ("APPEND", "l1", big), ("RPUSH", "l0", big, "v"), ("SETRANGE", "t0", "0", big),
                            ("SETEX", "h1", "10000", big), ("HSET", "h0", "f", big), ("ZADD", "z0", "1", big),
                            ("PUBLISH", "c", big), ("EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", "s1", big),
                            ("EVAL", "return #ARGV[1]", "1", "g0", big), ("GET", big), ("MGET", "s1", big)):
                sides.same(command, ("STRLEN", command[1]), ("GET", "s0"))
            sides.same_data()

    def test_sort_gets_by_patterns_only_with_every_key_readable(self):
        for sides in self.each():
            for key in ("l0", "t0", "s1", "x0"):
                for options in (("BY", "nosort"), ("BY", "s*"), ("GET", "#"), ("GET", "h*->m1"), ("LIMIT", "0", "1", "GET", "s*"),
                                ("ALPHA",), ("STORE", "s9"), ("STORE", "t9", "ALPHA"), ("BY", "s*", "STORE", "x9")):
                    sides.same(("SORT", key, *options), ("SORT_RO", key, *options))
            sides.same_data()

    def test_who_may_not_subscribe_is_told_so(self):
        for sides in self.each():
            sides.same(("SUBSCRIBE", "c"), protocol=3)
            sides.same(("PUBLISH", "c", "m"), ("PUBSUB", "NUMSUB", "c"))

    def test_saying_who_one_is_is_free(self):
        for sides in self.each():
            with self.weir.client(sides.name) as client:
                self.assertNotIsInstance(client.call("HELLO", "2"), resp.Error)
                self.assertNotIsInstance(client.call("WEIR", "TENANT"), resp.Error)
                self.assertEqual(client.call("RESET"), b"RESET")
                self.assertEqual(client.call("QUIT"), b"OK")

    def test_a_reload_takes_rights_from_clients_and_their_scripts(self):
        """Also where the connection is there already on which they ran, shared or the client's own."""
        write = "return redis.call('SET', ARGV[1], 'x')['ok']"
        weir = self.folder.weir(self.upstream, ["r"])
        with weir.client("r") as shared, weir.client("r") as own:
            self.assertEqual(own.call("WATCH", "k"), b"OK")
            for client in (shared, own):
                self.assertEqual(client.call("EVAL", write, 0, "k"), b"OK")
            for terms, still in (({"keys": ["a*", "%R~k"]}, "a"), ({"read_only": True}, None), ({"deny": ["set"]}, None),
                                 ({}, "k")):
                self.assertTrue(weir.reload(tenants={"r": terms}), weir.tail())
                denied = still != "k"
                servers.wait_until(lambda denied=denied: isinstance(shared.call("SET", "k", "y"), resp.Error) == denied,
                                   what="that the worker has heard of it")
                for client in (shared, own):
                    for command in (("EVAL", write, 0, "k"), ("SET", "k", "z")):
                        self.assertEqual(isinstance(client.call(*command), resp.Error), denied, (terms, command))
                    if still:
                        self.assertEqual(client.call("EVAL", write, 0, still), b"OK", terms)

    def test_a_weir_that_has_not_reloaded_yet_changes_nothing_for_the_others(self):
        """They share the tenant's keys, but neither of them the user for scripts of the other's permissions."""
        write = "return redis.call('SET', 'k', 'x')['ok']"
        reads = self.folder.weir(self.upstream, ["r"], tenants={"r": {"read_only": True}})
        writes = self.folder.weir(self.upstream, ["r"])
        with reads.client("r") as reader, writes.client("r") as writer:
            for _ in range(2):
                self.assertIsInstance(reader.call("EVAL", write, 0), resp.Error)
                self.assertEqual(writer.call("EVAL", write, 0), b"OK")
                self.assertEqual(reader.call("EVAL", "return redis.call('GET', 'k')", 0), b"x")

    def test_what_trusted_scripts_could_ignore_is_refused_at_the_start(self):
        for terms in ({"read_only": True}, {"deny": ["get"]}, {"keys": ["a*"]}, {"protected": ["keys"]}):
            config = servers.weir_config(self.upstream, ["t"], tenants={"t": {**terms, "scripts": {"mode": "trust"}}})
            with self.assertRaisesRegex(AssertionError, "never logged"):
                servers.Weir(self.folder.path, config)


if __name__ == "__main__":
    unittest.main(verbosity=2)
