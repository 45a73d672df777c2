"""Transactions are those of a private Redis: the same replies to the same requests, among other tenants' keys.

Each scenario runs against a private Redis first and then through weir (support/sides.py).
"""
import signal
import unittest

import reply_compare
import resp
import servers
import sides

# One of each command whose reply carries names or whose request hides them; the keys are there.
NAMED = [
    ("KEYS", "l*"), ("SCAN", "0", "MATCH", "h", "COUNT", "1000"), ("LMPOP", "2", "missing", "l1", "LEFT"),
    ("ZMPOP", "2", "missing", "z1", "MIN", "COUNT", "2"), ("BLPOP", "missing", "l1", "0"), ("BRPOP", "l2", "0"),
    ("BLMPOP", "0", "2", "missing", "l2", "RIGHT"), ("BZPOPMIN", "missing", "z1", "0"), ("BZPOPMAX", "z2", "0"),
    ("BZMPOP", "0", "2", "missing", "z2", "MAX"), ("BLMOVE", "l1", "l2", "LEFT", "RIGHT", "0"),
    ("BRPOPLPUSH", "l1", "l3", "0"), ("BLPOP", "missing", "0"),
    ("XREAD", "COUNT", "1", "STREAMS", "x1", "x2", "0", "0"), ("XREAD", "BLOCK", "0", "STREAMS", "x1", "$"),
    ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x1", ">"),
    ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "x1", ">"),
    ("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"), ("COMMAND", "GETKEYSANDFLAGS", "GET", "k"),
    ("SORT", "l3", "BY", "w_*", "GET", "d_*", "GET", "#"), ("RANDOMKEY",), ("GEORADIUS", "geo", "13", "38", "9", "km",
                                                                         "STORE", "z9"),
    ("OBJECT", "ENCODING", "l3"), ("BITOP", "OR", "k9", "k1", "k2"),
    ("EVAL", "return redis.call('GET', KEYS[1])", "1", "k1"), ("PUBLISH", "c1", "tenant:a:text"),
    ("GET", "looks"), ("XRANGE", "x2", "-", "+"), ("XINFO", "GROUPS", "x1"), ("MGET", "k1", "missing", "looks"),
]
SEED = [
    ("RPUSH", "l1", "a", "b", "c", "d"), ("RPUSH", "l2", "tenant:a:m", "e", "f", "g"), ("RPUSH", "l3", "1", "2"),
    ("ZADD", "z1", "1", "a", "2", "b", "3", "c", "4", "d"), ("ZADD", "z2", "1", "tenant:a:m", "2", "e", "3", "f"),
    ("XADD", "x1", "1-1", "f", "v"), ("XADD", "x1", "2-1", "f", "w"),
    ("XADD", "x2", "1-1", "tenant:a:f", "tenant:a:v"),
    ("XGROUP", "CREATE", "x1", "g", "0"), ("MSET", "k1", "one", "k2", "two", "looks", "tenant:a:k1"),
    ("MSET", "w_1", "9", "w_2", "3", "d_1", "data 1", "d_2", "data 2"), ("GEOADD", "geo", "13", "38", "here"),
    ("HSET", "h", "f", "v"),
]


class QueueTest(sides.SidesTest):
    def test_queue_of_ordinary_commands(self):
        """MULTI, +QUEUED for each, EXEC with all replies; the client goes on as before."""
        self.script([("MULTI",), ("SET", "k", "1"), ("INCR", "k"), ("GET", "k"), ("EXEC",), ("GET", "k"),
                     ("MULTI",), ("EXEC",), ("MULTI",), ("LPUSH", "k", "x"), ("GET", "k"), ("EXEC",), ("GET", "k")])

    def test_discard_drops_the_queue(self):
        self.script([("MULTI",), ("SET", "k", "1"), ("DISCARD",), ("GET", "k"), ("DISCARD",), ("EXEC",), ("GET", "k"),
                     ("MULTI",), ("SET", "k", "2"), ("EXEC",), ("GET", "k")])

    def test_errors_at_queue_time_abort_with_execabort(self):
        """Unknown commands and wrong numbers of arguments poison the queue; DISCARD and a new MULTI mend that."""
        for bad in (("nosuch", "a", "b"), ("GET",), ("get", "a", "b"), ("OBJECT", "NOSUCH", "k"),
                    ("XGROUP", "nosuch"),
                    ("MSET",), ("SET", "k"), ("BLPOP", "k"), ("EVAL",), ("PUBLISH", "c"), ("NoSuch",),
                    ("PING", "a", "b"),
                    ("ECHO",), ("SELECT",), ("COMMAND", "nosuch"), ("CONFIG", "nosuch"), ("CLIENT", "nosuch")):
            with self.subTest(bad=bad):
                self.script([("MULTI",), ("SET", "k", "1"), bad, ("SET", "k", "2"), ("EXEC",), ("GET", "k"),
                             ("EXEC",), ("MULTI",), bad, ("DISCARD",), ("MULTI",), ("SET", "k", "3"), ("EXEC",),
                             ("GET", "k")], protocols=(2,))

    def test_errors_at_run_time_do_not_abort(self):
        self.script([("SET", "k", "text"), ("MULTI",), ("INCR", "k"), ("LPUSH", "k", "1"), ("SET", "k1", "done"),
                     ("SELECT", "99"), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"),
                     ("ZUNION", "4294967297", "a"), ("SCAN", "abc"), ("EXEC",), ("GET", "k1"),
                     ("MULTI",), ("EVAL", "return redis.error_reply('MY own')", "0"), ("SET", "k2", "done"),
                     ("EVALSHA", "f" * 40, "0"), ("EVAL", "return redis.call('LPUSH', KEYS[1], 'x')", "1", "k"),
                     ("EVAL", "syntax error", "0"), ("EVAL", "return 1", "abc"), ("EXEC",), ("GET", "k2")])

    def test_multi_in_multi_and_watch_in_multi_are_errors_that_leave_it_open(self):
        """Redis' texts; neither poisons the queue of Redis 7.0, both of them are there for EXEC to judge."""
        self.script([("MULTI",), ("SET", "k", "1"), ("MULTI",), ("SET", "k1", "1"), ("EXEC",), ("GET", "k"),
                     ("MULTI",), ("WATCH", "k"), ("SET", "k2", "1"), ("EXEC",), ("GET", "k2"),
                     ("MULTI",), ("UNWATCH",), ("EXEC",), ("MULTI",), ("MULTI", "x"), ("EXEC",)], mask=sides.OWN_WORDS)

    def test_exec_and_discard_without_multi(self):
        self.script([("EXEC",), ("DISCARD",), ("EXEC", "x"), ("DISCARD", "x"), ("MULTI", "x"), ("SET", "k", "1"),
                     ("EXEC",), ("GET", "k")])

    def test_malformed_exec_ends_it(self):
        self.script([("WATCH", "k"), ("MULTI",), ("SET", "k", "1"), ("EXEC", "x"), ("SET", "k", "2"), ("EXEC",),
                     ("GET", "k")])

    def test_refused_command_poisons_the_transaction(self):
        """A command weir does not let through must abort as one that Redis does not: nothing of it happens."""
        for bad in ("CONFIG SET maxmemory 1", "SWAPDB 0 1", "SHUTDOWN NOSAVE", "DEBUG SLEEP 0", "MIGRATE h 1 k 0 9",
                    "REPLICAOF NO ONE", "SCRIPT KILL", "FUNCTION FLUSH", "MONITOR", "SAVE", "ACL SETUSER x",
                    "CLIENT PAUSE 1", "SLOWLOG GET", "MODULE LIST", "SYNC"):
            if sides.DIRECT:
                self.skipTest("a private Redis lets them through")
            with self.subTest(bad=bad), self.weir.client() as client:
                client.call("DEL", "k")
                self.assertEqual(client.pipeline([("MULTI",), ("SET", "k", "1")]), [b"OK", b"QUEUED"])
                self.assertRegex(client.call(*bad.split()), rb"^(NOPERM|ERR unknown|ERR weir)")
                self.assertEqual(client.call("SET", "k", "2"), b"QUEUED")
                self.assertRegex(client.call("EXEC"), rb"^EXECABORT ")
                self.assertEqual(client.pipeline([("GET", "k"), ("SET", "k", "3"), ("GET", "k")]),
                                 [None, b"OK", b"3"])

    def test_names_are_stripped_from_every_reply_inside_exec(self):
        """Each queued command has its own rule for its reply: names without prefix, values as they are."""
        def scenario(side):
            client = side.client()
            client.pipeline(SEED)
            queued = [command for command in NAMED if command[0] not in ("RANDOMKEY", "SCAN", "KEYS")]
            client.pipeline([("MULTI",), *(command for command in queued if command[0] != "EVAL"), ("EXEC",)])
            for command in queued:  # and one by one: none leans on its neighbours
                client.pipeline([*SEED[:6], ("MULTI",), command, ("EXEC",)])
        self.same(scenario)

    def test_whole_keyspace_commands_inside_exec_show_own_names_only(self):
        """SCAN, KEYS and RANDOMKEY in a transaction; their order is each server's own. Refused and so aborted is
        allowed
        to none of them but where all replies say so."""
        def scenario(side):
            client = side.client()
            client.pipeline(SEED)
            keys = sorted(client.ask("KEYS", "*"))
            for command in (("KEYS", "*"), ("SCAN", "0", "COUNT", "1000"),
                            ("SCAN", "0", "MATCH", "*", "COUNT", "1000"),
                            ("RANDOMKEY",), ("DBSIZE",)):
                client.pipeline([("MULTI",), ("SET", "k1", "1")])
                client.ask(*command)
                found = client.ask("EXEC")
                if isinstance(found, resp.Error):
                    self.assertTrue(side.name == "weir" and found.startswith(b"EXECABORT"), (command, found))
                    continue
                found = found[1]
                if command[0] == "DBSIZE":
                    self.assertEqual(found, len(keys))
                elif command[0] == "RANDOMKEY":
                    self.assertIn(found, keys)
                else:
                    self.assertEqual(sorted(found[1] if command[0] == "SCAN" else found), keys, command)
        self.same(scenario)

    def test_flush_inside_exec_is_complete_or_aborts(self):
        """FLUSHDB in a transaction: all own keys and no others, or EXECABORT and nothing done."""
        def scenario(side):
            for command in (("FLUSHDB",), ("FLUSHALL",), ("FLUSHDB", "ASYNC")):
                client = side.client()
                client.pipeline([("MSET", "k1", "1", "k2", "2"), ("MULTI",), ("SET", "k", "1")])
                client.ask(*command)
                client.call("SET", "k3", "3")
                aborted = isinstance(client.ask("EXEC"), resp.Error)
                self.assertTrue(side.name == "weir" or not aborted)
                self.assertEqual(sorted(client.ask("KEYS", "k*")), [b"k1", b"k2"] if aborted else [b"k3"])
                client.ask("FLUSHDB")
        self.same(scenario)

    def test_local_commands_inside_multi_are_queued(self):
        """What weir answers by itself outside waits for EXEC inside, and has its place among the replies."""
        def scenario(side):
            client = side.client()
            client.call("CLIENT", "SETNAME", "before")
            number = client.ask("CLIENT", "ID")
            client.pipeline([("MULTI",), ("PING",), ("SET", "k", "1"), ("PING", "text"), ("ECHO", "tenant:a:k"),
                             ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "inside"), ("GET", "k"),
                             ("CLIENT", "GETNAME"),
                             ("CLIENT", "SETNAME", "with space"), ("READONLY",), ("EXEC",), ("CLIENT", "GETNAME"),
                             ("MULTI",), ("PING",), ("DISCARD",), ("GET", "k")])
            client.pipeline([("MULTI",), ("CLIENT", "ID"), ("TIME",), ("INFO", "server"), ("GET", "k")][:1])
            for command in (("CLIENT", "ID"), ("TIME",), ("INFO", "server"), ("GET", "k"), ("LOLWUT",),
                            ("ACL", "WHOAMI"), ("COMMAND", "COUNT"), ("COMMAND", "INFO", "get")):
                self.assertEqual(client.call(*command), b"QUEUED", command)
            replies = client.ask("EXEC")
            self.assertEqual(replies[0], number)
            self.assertEqual(len(replies[1]), 2)
            self.assertIn(b"redis_version", replies[2])
            self.assertEqual(replies[3:4] + replies[5:6], [b"1", b"default"])
            self.assertEqual(len(replies), 8)
            self.assertNotIsInstance(replies[4], resp.Error)
        self.same(scenario)

    def test_commands_that_leave_the_transaction(self):
        """QUIT in MULTI answers at once and closes; RESET ends the transaction; neither does anything of the queue."""
        def scenario(side):
            client, other = side.client(), side.client()
            client.send_raw(b"".join(resp.encode(*args) for args in (("MULTI",), ("SET", "k", "1"), ("QUIT",),
                                                                     ("SET", "k", "2"))))
            client.read_until_closed()
            other.call("GET", "k")
            other.pipeline([("MULTI",), ("SET", "k", "1"), ("RESET",), ("GET", "k"), ("EXEC",), ("DISCARD",)])
        self.same(scenario)

    def test_connection_commands_inside_multi_are_redis_own_or_abort(self):
        """Each is queued as Redis queues it, or told at once that it cannot be, and then EXEC does nothing at all."""
        def scenario(side):
            client, aborted = side.client(), set()
            for command in (("AUTH", "x"), ("CLIENT", "REPLY", "ON"), ("HELLO",), ("CLIENT", "TRACKING", "OFF"),
                            ("CLIENT", "CACHING", "YES"), ("PUBSUB", "NUMSUB", "c1"), ("PUBSUB", "NUMPAT"),
                            ("DBSIZE",),
                            ("RANDOMKEY",), ("CLIENT", "LIST", "ID", "999999999"),
                            ("CLIENT", "KILL", "ID", "999999999")):
                client.ask("DEL", "k")
                client.pipeline([("MULTI",), ("SET", "k", "1")])
                told = client.ask(*command)
                client.call("GET", "k")
                reply = client.ask("EXEC")
                self.assertEqual(told != b"QUEUED", isinstance(reply, resp.Error), (command, told, reply))
                self.assertEqual(client.ask("GETDEL", "k"), b"1" if told == b"QUEUED" else None, command)
                if told != b"QUEUED":
                    self.assertRegex(reply, rb"^EXECABORT")
                    aborted.add(command[0])
            self.assertLessEqual(aborted, {"AUTH", "CLIENT", "HELLO", "PUBSUB", "DBSIZE",
                                           "RANDOMKEY"} if side.name == "weir"
                                 else {"HELLO"})
        self.same(scenario)

    def test_these_connection_commands_are_queued(self):
        def scenario(side):
            client = side.client()
            for command in (("CLIENT", "NO-EVICT", "OFF"), ("WAIT", "0", "1"), ("CLIENT", "TRACKINGINFO"),
                            ("CLIENT", "GETREDIR"),
                            ("ROLE",), ("READWRITE",), ("CLIENT", "SETNAME", "me"), ("UNWATCH",),
                            ("CONFIG", "GET", "databases")):
                client.pipeline([("MULTI",), ("SET", "k", "1"), command, ("GET", "k"), ("EXEC",), ("GET", "k")])
        self.same(scenario)

    def test_subscribe_inside_multi(self):
        """Served as Redis does, its confirmation an element of EXEC's reply, or refused so that EXEC aborts."""
        def scenario(side):
            client, other = side.client(), side.client()
            client.pipeline([("MULTI",), ("SET", "k", "1")])
            if isinstance(client.ask("SUBSCRIBE", "c1"), resp.Error):
                self.assertEqual(side.name, "weir")
                self.assertRegex(client.ask("EXEC"), rb"^EXECABORT")
                self.assertIsNone(client.ask("GET", "k"))
                client.ask("SET", "k", "1")
                return
            self.assertEqual(client.ask("EXEC"), [b"OK", [b"subscribe", b"c1", 1]])
            self.assertEqual(other.ask("PUBLISH", "c1", "hello"), 1)
            self.assertEqual(resp.parse(resp.Client.read_raw(client)), [b"message", b"c1", b"hello"])
        self.same(scenario)

    def test_database_of_a_transaction(self):
        """SELECT in MULTI counts from there on and after it; a transaction that failed leaves the database as it
        was."""
        self.script([("SELECT", "1"), ("SET", "k", "one"), ("SELECT", "0"), ("SET", "k", "zero"),
                     ("MULTI",), ("GET", "k"), ("SELECT", "1"), ("GET", "k"), ("SET", "k1", "in one"), ("EXEC",),
                     ("GET", "k"), ("DBSIZE",), ("SELECT", "0"), ("GET", "k1"),
                     ("MULTI",), ("SELECT", "1"), ("nosuch",), ("EXEC",), ("GET", "k"),
                     ("MULTI",), ("SELECT", "1"), ("DISCARD",), ("GET", "k"),
                     ("MULTI",), ("SELECT", "15"), ("GET", "k"), ("EXEC",), ("GET", "k"), ("SELECT", "0"),
                     ("MULTI",), ("SELECT", "1"), ("SELECT", "2"), ("SET", "k2", "in two"), ("EXEC",),
                     ("GET", "k2"), ("GET", "k"), ("DBSIZE",), ("BLPOP", "missing", "0.01"), ("SET", "k3", "two"),
                     ("SELECT", "0"), ("EXISTS", "k2", "k3"),
                     ("WATCH", "k"), ("MULTI",), ("SELECT", "3"), ("SET", "k", "three"), ("EXEC",), ("GET", "k"),
                     ("RESET",), ("GET", "k")])

    def test_failed_watch_leaves_the_database_as_it_was(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.pipeline([("SET", "k", "zero"), ("WATCH", "k")])
            other.call("SET", "k", "changed")
            client.pipeline([("MULTI",), ("SELECT", "1"), ("SET", "k", "one"), ("EXEC",), ("GET", "k"), ("DBSIZE",)])
        self.same(scenario)

    def test_blocking_commands_inside_multi_do_not_block(self):
        self.script([("MULTI",), ("BLPOP", "missing", "0"), ("BLMOVE", "missing", "l", "LEFT", "LEFT", "0"),
                     ("BZMPOP", "0", "1", "missing", "MIN"), ("XREAD", "BLOCK", "0", "STREAMS", "missing", "$"),
                     ("XREAD", "BLOCK", "0", "STREAMS", "missing", "0-0"), ("WAIT", "1", "0"),
                     ("BLPOP", "missing", "abc"),
                     ("RPUSH", "missing", "a"), ("BLPOP", "missing", "0"), ("BRPOPLPUSH", "missing", "l", "0"),
                     ("EXEC",),
                     ("EXISTS", "missing")])

    def test_long_queues_and_large_values(self):
        def scenario(side):
            client = side.client()
            big = b"x" * 300_000
            client.pipeline([("MULTI",), *(("INCR", "n") for _ in range(3000)), ("EXEC",)])
            client.pipeline([("MULTI",), ("SET", "k", big), ("GET", "k"), ("APPEND", "k", b"y" * 70_000),
                             ("STRLEN", "k"),
                             ("EXEC",), ("STRLEN", "k")])
            client.pipeline([("MULTI",), ("SET", "k", big), ("nosuch", big), ("EXEC",), ("STRLEN", "k"), ("PING",)])
            client.pipeline([("MULTI",), ("SET", "k1", big), ("DISCARD",), ("EXISTS", "k1")])
            pairs = [item for i in range(5000) for item in (f"key{i}", i)]
            client.pipeline([("MULTI",), ("MSET", *pairs), ("MGET", *pairs[::2]), ("RPUSH", "l", *range(20_000)),
                             ("EXEC",)])
        self.same(scenario)


class WatchTest(sides.SidesTest):
    def test_conflict_gives_nil_and_does_nothing(self):
        def scenario(side):
            client, other = side.client(), side.client()
            for change in (("SET", "k", "theirs"), ("DEL", "k"), ("APPEND", "k", "x"), ("EXPIRE", "k", "1000"),
                           ("RENAME", "k", "k2"), ("FLUSHDB",), ("FLUSHALL",)):
                client.pipeline([("SET", "k", "mine"), ("WATCH", "k"), ("GET", "k")])
                other.call(*change)
                client.pipeline([("MULTI",), ("SET", "k", "over"), ("SET", "k3", "over"), ("EXEC",), ("GET", "k"),
                                 ("EXISTS", "k3"), ("MULTI",), ("SET", "k", "fresh"), ("EXEC",)])
        self.same(scenario)

    def test_conflict_leaves_undone_what_weir_answers_by_itself(self):
        """And where there is none, whoever asks behind EXEC in the same pipeline sees it done."""
        def scenario(side):
            client, other = side.client(), side.client()
            sha = client.call("SCRIPT", "LOAD", "return 7")
            changes = [("MULTI",), ("CLIENT", "SETNAME", "inside"), ("SCRIPT", "FLUSH"), ("CLIENT", "GETNAME"),
                       ("EXEC",), ("CLIENT", "GETNAME"), ("SCRIPT", "EXISTS", sha)]
            client.pipeline([("CLIENT", "SETNAME", "before"), ("WATCH", "k")])
            other.call("SET", "k", "changed")
            client.pipeline(changes)
            client.call("EVALSHA", sha, "0")
            client.pipeline([("WATCH", "k"), *changes])
            client.pipeline([("CLIENT", "SETNAME", "again"), *changes, ("MULTI",), ("CLIENT", "SETNAME", "never"),
                             ("DISCARD",), ("CLIENT", "GETNAME")])
        self.same(scenario)

    def test_unchanged_keys_let_it_pass(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.pipeline([("MSET", "k", "1", "k1", "1"), ("WATCH", "k", "missing")])
            other.pipeline([("SET", "k1", "2"), ("GET", "k"), ("DEL", "missing"), ("EXPIRE", "missing", "10")])
            client.pipeline([("MULTI",), ("INCR", "k"), ("EXEC",), ("GET", "k")])
        self.same(scenario)

    def test_own_changes_count_too(self):
        """A client that changes what it watches itself, before MULTI, loses; its own flush does the same."""
        self.script([("SET", "k", "1"), ("WATCH", "k"), ("INCR", "k"), ("MULTI",), ("INCR", "k"), ("EXEC",),
                     ("GET", "k"),
                     ("WATCH", "k"), ("FLUSHDB",), ("MULTI",), ("SET", "k", "after"), ("EXEC",), ("GET", "k"),
                     ("SET", "k", "1"), ("WATCH", "k"), ("FLUSHALL", "ASYNC"), ("MULTI",), ("EXEC",), ("GET", "k"),
                     ("WATCH", "missing"), ("FLUSHDB",), ("MULTI",), ("SET", "k", "2"), ("EXEC",)])

    def test_another_tenants_write_to_the_same_name_is_no_conflict(self):
        def scenario(side):
            client, foreign = side.client(), side.client("b")
            client.pipeline([("SET", "k", "1"), ("WATCH", "k", "missing")])
            foreign.pipeline([("SET", "k", "2"), ("SET", "missing", "2"), ("DEL", "k"), ("FLUSHALL",)])
            client.pipeline([("MULTI",), ("INCR", "k"), ("EXEC",), ("GET", "k")])
        self.same(scenario)

    def test_unwatch_discard_exec_and_reset_end_it(self):
        def scenario(side):
            client, other = side.client(), side.client()
            for ending in ([("UNWATCH",)], [("MULTI",), ("DISCARD",)], [("MULTI",), ("EXEC",)],
                           [("MULTI",), ("nosuch",), ("EXEC",)], [("RESET",)]):
                client.pipeline([("SET", "k", "1"), ("WATCH", "k"), *ending])
                if ending == [("RESET",)] and side.protocol == 3:
                    client.ask("HELLO", 3)
                other.call("SET", "k", "2")
                client.pipeline([("MULTI",), ("GET", "k"), ("EXEC",)])
            client.pipeline([("UNWATCH",), ("UNWATCH",), ("WATCH",), ("UNWATCH", "k")])
        self.same(scenario)

    def test_watch_in_another_database_stays_there(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.pipeline([("SET", "k", "zero"), ("WATCH", "k"), ("SELECT", "1")])
            other.pipeline([("SELECT", "1"), ("SET", "k", "one")])
            client.pipeline([("MULTI",), ("GET", "k"), ("EXEC",), ("SELECT", "0"), ("WATCH", "k"), ("SELECT", "1")])
            other.pipeline([("SELECT", "0"), ("SET", "k", "theirs")])
            client.pipeline([("MULTI",), ("GET", "k"), ("EXEC",), ("GET", "k"), ("SELECT", "0"), ("GET", "k")])
        self.same(scenario)

    def test_commands_between_watch_and_multi(self):
        """Reads of watched keys are what WATCH is for; also the ones weir answers or emulates itself, and large
        ones."""
        def scenario(side):
            client, other = side.client(), side.client()
            client.pipeline([("SET", "k", "1"), ("WATCH", "k"), ("GET", "k"), ("PING",), ("ECHO", "x"), ("DBSIZE",),
                             ("SET", "k1", b"v" * 100_000), ("GET", "k1"), ("BLPOP", "missing", "0.01"),
                             ("CLIENT", "GETNAME"), ("CONFIG",), ("KEYS", "k"), ("WATCH", "k2")])
            client.ask("INFO")
            other.call("SET", "k2", "theirs")
            client.pipeline([("PING",), ("MULTI",), ("INCR", "k"), ("EXEC",), ("GET", "k")])
            client.pipeline([("WATCH", "k"), ("BLPOP", "missing", "0.01"), ("STRLEN", "k1")])
            other.call("SET", "k", "theirs")
            client.pipeline([("MULTI",), ("EXEC",), ("MULTI",), ("EXEC",)])
        self.same(scenario)

    def test_watched_key_that_expires(self):
        def scenario(side):
            client = side.client()
            client.pipeline([("SET", "k", "1", "PX", "1"), ("WATCH", "missing")])
            servers.wait_until(lambda: client.ask("EXISTS", "k") == 0, what="its end")
            client.pipeline([("MULTI",), ("SET", "k", "2"), ("EXEC",), ("GET", "k")])
        self.same(scenario)

    def test_many_watchers_at_once_and_a_counter_that_adds_up(self):
        """Optimistic locking as applications do it: every increment counts exactly once."""
        def scenario(side):
            clients = [side.client() for _ in range(6)]
            clients[0].ask("SET", "n", "0")
            done = [0] * 6
            for turn in range(240):
                who = turn * 7 % 6
                client = clients[who]
                client.ask("WATCH", "n")
                before = int(client.ask("GET", "n"))
                if turn % 5 == 0:  # somebody is faster
                    clients[(who + 1) % 6].ask("INCR", "n")
                    done[0] += 1
                client.ask("MULTI")
                client.ask("SET", "n", before + 1)
                done[who] += client.ask("EXEC") is not None
            side.note(clients[0].call("GET", "n"))
            self.assertEqual(int(clients[0].ask("GET", "n")), sum(done))
        self.same(scenario)


class ConnectionTest(sides.SidesTest):
    def whole(self):
        return [("SET", "k", "1"), ("MULTI",), ("INCR", "k"), ("LPUSH", "l", "a", "b"), ("LMPOP", "1", "l", "LEFT"),
                ("GET", "k"), ("EXEC",), ("GET", "k"), ("WATCH", "k"), ("MULTI",), ("SET", "k", "v" * 50), ("EXEC",),
                ("MULTI",), ("nosuch",), ("EXEC",), ("DEL", "k", "l")]

    def test_transaction_split_over_many_writes(self):
        def scenario(side):
            client, data = side.client(), b"".join(resp.encode(*command) for command in self.whole())
            rng = reply_compare.new_rng(5)
            for chunks in ([data[i:i + 1] for i in range(len(data))], *(reply_compare.shuffled_chunks(rng, data, 9)
                                                                      for _ in range(30))):
                for chunk in chunks:
                    client.send_raw(chunk)
                for _ in self.whole():
                    client.read()
        self.same(scenario)

    @unittest.skipIf(sides.DIRECT, "about weir's own bounds")
    def test_queue_is_bounded_whoever_answers(self):
        """All that a transaction keeps counts, also what weir answers by itself and the server gets nothing of."""
        weir = self.start_weir(self.folder, workers=1, clients={"max_request": "1MiB", "stream_over": "128KiB"})
        for command in (("SET", "k", b"x" * 60_000), ("CLIENT", "SETNAME", b"x" * 60_000), ("PING",)):
            with self.subTest(command=command[0]), weir.client() as client:
                client.call("MULTI")
                told = client.pipeline([command] * (20 if len(command) > 1 else 10_000))
                self.assertEqual(told[0], b"QUEUED")
                self.assertRegex(told[-1], rb"^ERR .*transaction")
                self.assertRegex(client.call("EXEC"), rb"^EXECABORT ")

    def test_pipelined_transactions_back_to_back(self):
        """Thousands in one write: each waits for the one before it, and plain commands between them keep their
        place."""
        def scenario(side):
            client, other = side.client(), side.client()
            commands = []
            for i in range(700):
                commands += [("MULTI",), ("INCR", "n"), ("ECHO", i), ("EXEC",), ("GET", "n"), ("PING", i)]
            sender = client.send_in_background([b"".join(resp.encode(*command) for command in commands)])
            for _ in commands:
                client.read()
            sender.join()
            other.call("GET", "n")
        self.same(scenario)

    def test_transaction_in_one_write_with_half_close(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.send_raw(b"".join(resp.encode(*command) for command in self.whole()[:7]))
            client.half_close()
            client.read_until_closed()
            other.call("GET", "k")
            client = side.client()
            client.send_raw(resp.encode("MULTI") + resp.encode("SET", "k", "never"))
            client.half_close()
            client.read_until_closed()
            other.call("GET", "k")
        self.same(scenario)

    def test_client_gone_in_the_middle_of_multi(self):
        """Nothing of the queue happens, and its connection comes back without a trace of it."""
        def scenario(side):
            other = side.client()
            for _ in range(10):
                client = side.client()
                client.pipeline([("WATCH", "k1"), ("MULTI",), ("SET", "k", "never")])
                client.close()
                other.pipeline([("SET", "k1", "1"), ("MULTI",), ("GET", "k"), ("EXEC",)])
        self.same(scenario)

    def test_two_clients_in_multi_at_once_keep_their_own_queues(self):
        def scenario(side):
            clients = [side.client(), side.client(protocol=5 - side.protocol), side.client("b")]
            for client in clients:
                client.call("MULTI")
            for turn in range(3):
                for who, client in enumerate(clients):
                    client.call("RPUSH", f"list{who}", turn)
                    client.call("LRANGE", "list0", 0, -1)
            for client in clients:
                client.call("EXEC")
        self.same(scenario)

    def test_server_that_hangs_up_in_the_middle_is_never_half_a_transaction(self):
        """The operator kills all connections of the server while a transaction is queued. Behind weir the client is
        closed,
        or told, or served by another connection: all of it or nothing, and as it says. A WATCH is gone with its
        connection,
        so EXEC must not succeed after one."""
        if sides.DIRECT:
            self.skipTest("about weir's own connections")
        side = self.proxied()
        for begin in ([("MULTI",), ("SET", "k8", "1")], [("WATCH", "k"), ("GET", "k")],
                      [("WATCH", "k"), ("MULTI",), ("SET", "k8", "1")]):
            client, other = self.weir.client(), self.weir.client()
            self.addCleanup(client.close)
            self.addCleanup(other.close)
            client.pipeline(begin)
            side.admin().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            rest = [("SET", "k9", "2"), ("EXEC",)] if ("MULTI",) in begin else [("MULTI",), ("SET", "k9", "2"),
                                                                                ("EXEC",)]
            try:
                outcome = client.pipeline(rest)[-1]
            except (resp.ConnectionClosed, ConnectionError):
                outcome = None
            done = isinstance(outcome, list)
            self.assertFalse(done and begin[0][0] == "WATCH", outcome)
            servers.wait_until(lambda other=other: other.call("SET", "again", "1") == b"OK",
                               what="weir's next connection")
            expected = [b"1" if done and len(outcome) == 2 else None, b"2" if done else None]
            self.assertEqual(other.pipeline([("GET", "k8"), ("GET", "k9")]), expected, outcome)
            other.call("DEL", "k8", "k9")
            other.close()
            client.close()
        self.assert_nothing_held(side)

    def test_server_killed_while_exec_is_under_way(self):
        """The outcome is unknown then, and the client hears that or loses its connection; other clients go on."""
        if sides.DIRECT:
            self.skipTest("about weir's own connections")
        redis = self.folder.redis("mortal")
        weir = self.folder.weir(redis, workers=1)
        with weir.client() as client, weir.client("b") as other:
            self.assertEqual(client.pipeline([("MULTI",), ("SET", "k", "1")]), [b"OK", b"QUEUED"])
            other.call("SET", "k", "1")
            redis.signal(signal.SIGSTOP)
            client.send("EXEC")
            redis.kill()
            try:
                self.assertRegex(client.read(), rb"^(UPSTREAM|EXECABORT) ")
                client.call("GET", "k")
            except (resp.ConnectionClosed, ConnectionError):
                pass
            self.folder.redis("mortal")
            servers.wait_until(lambda: other.call("SET", "again", "1") == b"OK", what="a new upstream")
        with weir.client() as fresh:
            self.assertEqual(fresh.pipeline([("MULTI",), ("INCR", "n"), ("EXEC",)]), [b"OK", b"QUEUED", [1]])

    def test_more_transactions_than_connections_wait_their_turn(self):
        """A pool of two serves any number of clients whose transactions come whole; one that stays open past
        acquire_timeout makes others fail with a clear error, and the next one works."""
        if sides.DIRECT:
            self.skipTest("about weir's own connections")
        weir = self.start_weir(self.folder, workers=1, upstream={"pool": {"max": 2, "acquire_timeout": "300ms"}})
        clients = [weir.client("ab"[i % 2]) for i in range(12)]
        for _ in range(20):
            for client in clients:
                client.send_raw(b"".join(resp.encode(*args) for args in (("MULTI",), ("INCR", "own"), ("EXEC",))))
            for client in clients:
                replies = [client.read() for _ in range(3)]
                self.assertEqual(replies[:2], [b"OK", b"QUEUED"])
        holders = clients[:2]
        for client in holders:
            self.assertEqual(client.pipeline([("MULTI",), ("PING",), ("INCR", "own")])[0], b"OK")
            self.assertEqual(client.pipeline([("WATCH", "x")])[0][:3], b"ERR")
        blocked = [holder for holder in clients[2:4] if isinstance(holder.call("BLPOP", "none", "0.01"), resp.Error)]
        self.assertIn(len(blocked), (0, 2))  # held since MULTI, or only from EXEC on: both are right
        for client in holders:
            self.assertNotIsInstance(client.call("EXEC"), resp.Error)
        for client in clients[2:]:
            self.assertEqual(client.pipeline([("MULTI",), ("PING",), ("EXEC",)])[2], [b"PONG"])
        for client in clients:
            client.close()
        with self.upstream.client() as admin:
            sides.nothing_held(admin, weir)


if __name__ == "__main__":
    unittest.main(verbosity=2)
