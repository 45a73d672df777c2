"""What concerns all tenants is refused or made up: with a code that libraries know, and the connection lives on."""
import unittest

import resp
import sides

REFUSED = """
CONFIG SET maxmemory 1|CONFIG REWRITE|CONFIG RESETSTAT|DEBUG SLEEP 0|DEBUG OBJECT k|MONITOR|SYNC|PSYNC ? -1
REPLICAOF NO ONE|SLAVEOF NO ONE|REPLICAOF 127.0.0.1 1|FAILOVER|SHUTDOWN|SHUTDOWN NOSAVE|SAVE|BGSAVE|BGREWRITEAOF
ACL LIST|ACL SETUSER x|ACL DELUSER default|ACL USERS|ACL LOG|ACL GETUSER default|MODULE LIST|MODULE LOAD x
SLOWLOG GET|SLOWLOG RESET|SLOWLOG LEN|LATENCY LATEST|LATENCY RESET|LATENCY DOCTOR|CLUSTER RESET
CLUSTER FLUSHSLOTS|CLUSTER MEET 127.0.0.1 1|MIGRATE 127.0.0.1 1 k 0 10|RESTORE-ASKING k 0 x|SWAPDB 0 1
CLIENT PAUSE 1|CLIENT UNPAUSE|MEMORY DOCTOR|MEMORY STATS|MEMORY PURGE|MEMORY MALLOC-STATS|SCRIPT KILL
SCRIPT DEBUG YES|FUNCTION FLUSH|FUNCTION DELETE x|FUNCTION DUMP|FUNCTION STATS|FUNCTION RESTORE x
FUNCTION LOAD x|REPLCONF listening-port 1|PFSELFTEST|PFDEBUG ENCODING k
"""
COMMANDS = [line.split() for line in REFUSED.replace("\n", "|").split("|") if line]


@unittest.skipIf(sides.DIRECT, "a private Redis serves its own")
class RefusalTest(sides.SidesTest):
    def test_refusals_have_a_known_code_and_leave_the_connection(self):
        """NOPERM, which ready checks accept and libraries map to a class; or the server's own unknown command."""
        for protocol in (2, 3):
            side = self.proxied(protocol)
            client, admin = side.client(), side.admin()
            settings = admin.call("CONFIG", "GET", "*")
            for command in COMMANDS:
                reply = client.ask(*command)
                self.assertIsInstance(reply, resp.Error, command)
                self.assertRegex(reply, rb"^(NOPERM |ERR unknown |ERR This instance has cluster support disabled)",
                                 command)
                self.assertNotIn(b"canary", reply)
                self.assertEqual(client.ask("PING"), b"PONG", command)
            self.assertEqual(admin.call("CONFIG", "GET", "*"), settings)
            self.assertIn(b"role:master", admin.call("INFO", "replication"))

    def test_refusals_keep_their_place_in_a_pipeline(self):
        side = self.proxied()
        client = side.client()
        commands = []
        for command in COMMANDS:
            commands += [("INCR", "n"), command, ("ECHO", "between")]
        replies = client.pipeline(commands)
        for i in range(0, len(replies), 3):
            self.assertEqual((replies[i], replies[i + 2]), (i // 3 + 1, b"between"))
            self.assertIsInstance(replies[i + 1], resp.Error)

    def test_refusals_of_large_requests(self):
        """Refused while it still arrives: the rest is thrown away, and what comes behind it is served."""
        side = self.proxied()
        client = side.client()
        client.send_raw(resp.encode("CONFIG", "SET", "maxmemory", b"x" * 3_000_000) + resp.encode("RESTORE-ASKING",
                                                                                                  "k", "0",
                                                                                                  b"x" * 500_000) +
                        resp.encode("GET", "missing"))
        self.assertRegex(client.read(), rb"^NOPERM")
        self.assertRegex(client.read(), rb"^NOPERM")
        self.assertIsNone(client.read())


class MadeUpTest(sides.SidesTest):
    def test_dump_and_restore_pass_as_they_are(self):
        """They carry no name; what one tenant dumped, another may restore."""
        def scenario(side):
            client, foreign = side.client(), side.client("b")
            client.pipeline([("SET", "k", "v"), ("RPUSH", "l9", "a", "b"), ("ZADD", "z9", "1", "m")])
            for key in ("k", "l9", "z9"):
                payload = client.call("DUMP", key)
                client.pipeline([("RESTORE", key, "0", payload), ("RESTORE", key, "0", payload, "REPLACE"),
                                 ("RESTORE", key + "copy", "0", payload),
                                 ("DUMP", key + "copy"), ("MULTI",), ("RESTORE", "again", "0", payload, "REPLACE"),
                                 ("DUMP", "again"), ("EXEC",)])
                foreign.call("RESTORE", "from-a", "0", payload, "REPLACE")
                foreign.call("TYPE", "from-a")
            client.call("RESTORE", "k", "0", "no payload", "REPLACE")
        self.same(scenario)

    def test_help_passes(self):
        self.script([(name, "HELP") for name in ("OBJECT", "XINFO", "XGROUP", "MEMORY", "COMMAND", "PUBSUB",
                                                 "SCRIPT", "FUNCTION", "CLIENT")])

    def test_answers_about_one_key_have_redis_own_shape(self):
        """FREQ, IDLETIME and MEMORY USAGE differ by the prefix's length and the clock: the kind of reply is
        compared."""
        def scenario(side):
            client = side.client()
            client.pipeline([("SET", "k", "v"), ("OBJECT", "REFCOUNT", "k"), ("OBJECT", "ENCODING", "k"),
                             ("MEMORY", "USAGE", "missing"),
                             ("OBJECT", "IDLETIME", "missing"), ("OBJECT", "FREQ", "k")])
            self.assertGreater(client.ask("MEMORY", "USAGE", "k"), 20)
            self.assertLess(client.ask("OBJECT", "IDLETIME", "k"), 60)
        self.same(scenario)

    def test_config_get_of_what_libraries_ask_at_start(self):
        def scenario(side):
            client = side.client()
            for name in ("databases", "nosuch"):
                client.call("CONFIG", "GET", name)
            for name in ("save", "appendonly", "maxmemory", "maxmemory-policy", "notify-keyspace-events", "timeout",
                         "*"):
                self.assertNotIsInstance(client.ask("CONFIG", "GET", name), resp.Error, name)
        self.same(scenario)


if __name__ == "__main__":
    unittest.main(verbosity=2)
