"""Connections that are lent to one client: nothing that a server does late reaches the next user, a client that reads
slowly gets all of its reply, and one whose tracking ended hears of it.

Servers are stopped and continued by signals here, so these tests have their own.
"""
import contextlib
import os
import signal
import socket
import unittest

import resp
import servers
import sides

ADMIN = {"bind": "127.0.0.1:0"}
BIG = b"v" * (16 << 20)


@contextlib.contextmanager
def stopped(redis):
    """The server does nothing inside; what it is sent waits in its socket."""
    redis.signal(signal.SIGSTOP)
    try:
        servers.wait_until(lambda: process_state(redis) == "T", what="a stopped server")
        yield
    finally:
        redis.signal(signal.SIGCONT)


def process_state(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


def until_closed(client):
    """What still came before the other side hung up."""
    return resp.split_replies(client.read_until_closed())


class HeldConnectionTest(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis()

    def start(self, command_timeout="1s", pool=1, **sections):
        upstream = {"command_timeout": command_timeout, "pool": {"max": pool, "acquire_timeout": "5s",
                                                                      "connect_timeout": "1s"}}
        return self.folder.weir(self.redis, admin=ADMIN, upstream=upstream, **sections)

    def replace_redis(self):
        """The server dies, and whoever connects again finds another one in its place at once."""
        successor = self.folder.redis("successor")
        os.rename(successor.address, self.redis.address)
        successor.address = self.redis.address
        self.redis.kill()
        self.redis = successor

    def largest(self, field):
        """Of a field in the server's list of clients."""
        with self.redis.client() as direct:
            words = direct.call("CLIENT", "LIST").decode().split()
        return max(int(word.split("=")[1]) for word in words if word.startswith(field + "="))

    def keys(self, database):
        with self.redis.client() as direct:
            direct.call("SELECT", database)
            return sorted(direct.call("KEYS", "*"))


class LateEffectTest(HeldConnectionTest):
    """A command that timed out may be performed all the same, when the server comes to it."""

    def late(self, client, *command):
        """The command's error, on the connection that a WATCH holds, and the server's doing it after all."""
        self.assertEqual(client.call("WATCH", "k"), b"OK")
        with stopped(self.redis):
            self.assertRegex(client.call(*command), rb"^UPSTREAM timeout")
        self.assertEqual(client.call("UNWATCH"), b"OK")

    def test_late_select_moves_nobody_else(self):
        weir = self.start()
        with weir.client() as client, weir.client("b") as other:
            self.late(client, "SELECT", "3")
            self.assertEqual(other.pipeline([("WATCH", "k"), ("SET", "k", "of b"), ("UNWATCH",)]), [b"OK"] * 3)
            self.assertEqual(client.call("SET", "k", "of a"), b"OK")
        self.assertEqual((self.keys(0), self.keys(3)), ([b"tenant:a:k", b"tenant:b:k"], []))

    def test_late_tracking_tells_nobody_else(self):
        weir = self.start()
        for turn, options in enumerate(((), ("BCAST",), ("BCAST", "PREFIX", "k"), ("OPTOUT",))):
            with self.subTest(options=options), weir.client("a", 3) as client, weir.client("a", 3) as next_user, \
                    weir.client() as writer:
                self.late(client, "CLIENT", "TRACKING", "ON", *options)
                self.assertEqual(next_user.call("WATCH", "other"), b"OK")
                next_user.call("GET", "k")
                self.assertEqual(writer.call("SET", "k", turn), b"OK")
                self.assertEqual(next_user.pipeline([("GET", "k"), ("CLIENT", "TRACKINGINFO"), ("UNWATCH",)]),
                                 [b"%d" % turn, self.not_tracking(), b"OK"])

    @staticmethod
    def not_tracking():
        return resp.Map([(b"flags", resp.Set([b"off"])), (b"redirect", -1), (b"prefixes", [])])

    def test_select_that_restores_a_shared_connection_is_sent_again_with_its_transaction(self):
        """Both are unsent when the server dies: where the transaction goes, there goes what undoes its SELECT."""
        weir = self.start(command_timeout="20s")
        fillers = [weir.client() for _ in range(8)]
        client, other = weir.client(), weir.client("b")
        for one in (*fillers, client, other):
            self.addCleanup(one.close)
            self.assertEqual(one.call("SET", "before", "x"), b"OK")
        with stopped(self.redis):
            for filler in fillers:  # more than the socket to the server takes
                filler.send("SET", "big", b"v" * 60_000)
            servers.wait_until(lambda: self.in_flight(weir) == len(fillers), what="the fillers' commands")
            client.send_raw(b"".join(resp.encode(*command) for command in (
                ("MULTI",), ("SELECT", "3"), ("SET", "k", "of a"), ("EXEC",))))
            servers.wait_until(lambda: self.in_flight(weir) > len(fillers), what="the transaction")
            self.replace_redis()
        self.assertEqual([client.read() for _ in range(4)], [b"OK", b"QUEUED", b"QUEUED", [b"OK", b"OK"]])
        self.assertEqual(other.call("SET", "k", "of b"), b"OK")
        self.assertEqual(self.keys(3), [b"tenant:a:k"])
        self.assertIn(b"tenant:b:k", self.keys(0))

    @staticmethod
    def in_flight(weir):
        return sides.metrics(weir)["weir_upstream_in_flight_commands"]

    def test_client_gone_before_its_redirection_is_answered(self):
        """The relay of the redirection must not outlive the client, though the server's answer does."""
        weir = self.start(pool=4)
        target, client = weir.client("a", 3), weir.client("a", 3)
        self.addCleanup(target.close)
        number = target.call("CLIENT", "ID")
        with weir.client("a", 3) as other:  # leaves an idle connection for the relay behind
            self.assertEqual(other.call("WATCH", "k"), b"OK")
            self.assertEqual(client.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x"), b"OK")
            self.assertEqual(other.call("UNWATCH"), b"OK")
        servers.wait_until(lambda: sides.lent(weir)[0] == 1, what="the idle connection")
        with stopped(self.redis):
            self.assertRegex(client.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "y", "REDIRECT", number),
                             rb"^UPSTREAM timeout")
            client.send("QUIT")
            until_closed(client)
            client.close()
            servers.wait_until(lambda: sides.labelled(weir, "weir_client_connections") == 1, what="the client's end")
        with weir.client() as writer:
            servers.wait_until(lambda: writer.call("SET", "y", "1") == b"OK", what="the server again")
        servers.wait_until(lambda: sides.lent(weir) == (0, 0), what="every connection back")
        self.assertEqual(target.call("PING"), b"PONG")  # what is freed and used ends weir here, built with ASan


class PausedReaderTest(HeldConnectionTest):
    """weir stops reading a reply that its client does not take, and goes on when it does: whatever else that client has
    on its connection."""

    def test_reply_that_is_taken_late_comes_whole(self):
        weir = self.start(command_timeout="5s", clients={"pause_reading_over": "64KiB"})
        for name, opening, question in (
                ("watching", [("WATCH", "k")], ("GET", "big")),
                ("tracking", [("CLIENT", "TRACKING", "ON")], ("GET", "big")),
                ("transaction", [("MULTI",), ("GET", "big")], ("EXEC",)),
                ("watched transaction", [("WATCH", "k"), ("MULTI",), ("GET", "big")], ("EXEC",)),
                ("blocking", [], ("BLMOVE", "list", "list", "LEFT", "LEFT", "5")),
                ("blocking while watching", [("WATCH", "k")], ("BLMOVE", "list", "list", "LEFT", "LEFT", "5"))):
            with self.subTest(name), self.slow_client(weir) as client, weir.client() as other:
                other.pipeline([("DEL", "list"), ("SET", "big", BIG), ("RPUSH", "list", BIG)])
                client.pipeline(opening)
                client.send(*question)
                servers.wait_until(lambda: self.largest("omem") > len(BIG) // 2, what="a reply that weir does not read")
                for _ in range(50):  # a few bytes for each turn of weir's
                    client.sock.recv(1, socket.MSG_PEEK)
                    self.assertEqual(other.call("PING"), b"PONG")
                reply = client.read()
                self.assertEqual(reply[0] if isinstance(reply, list) else reply, BIG)

    @staticmethod
    def slow_client(weir):
        client = weir.client("a", 3, timeout=resp.TIMEOUT)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        return client


class TrackingEndTest(HeldConnectionTest):
    """A client that may have cached something is told when it will not hear of changes any more: its connection
    ends."""

    def tracker(self, weir, *options):
        client = weir.client("a", 3, timeout=resp.TIMEOUT)
        self.addCleanup(client.close)
        self.assertEqual(client.call("CLIENT", "TRACKING", "ON", *options), b"OK")
        client.call("GET", "k")
        return client

    def test_large_refused_request_leaves_it_on(self):
        """It is read in pieces and thrown away, and needs nobody's connection for that."""
        weir = self.start()
        client = self.tracker(weir)
        self.assertIsInstance(client.call("DEBUG", "JMAP", b"x" * 200_000), resp.Error)
        with weir.client() as writer:
            writer.call("SET", "k", "1")
        self.assertEqual(client.read(), [b"invalidate", [b"k"]])

    def test_command_that_timed_out_ends_it(self):
        """A script's too, for which the connection must become another user's first."""
        weir = self.start()
        for command in (("GET", "k"), ("SELECT", "3"), ("EVAL", "return 1", "0")):
            with self.subTest(command=command):
                client = self.tracker(weir)
                with stopped(self.redis):
                    client.send(*command)
                    replies = until_closed(client)
                self.assertRegex(b"".join(replies), rb"^(-UPSTREAM |$)")

    def test_streamed_request_whose_connection_is_lost_ends_it(self):
        weir = self.start(command_timeout="5s")
        client = self.tracker(weir)
        request = resp.encode("SET", "big", BIG)
        client.send_raw(request[:1_000_000])
        servers.wait_until(lambda: self.largest("qbuf") > 500_000, what="its first part at the server")
        with self.redis.client() as direct:
            direct.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        sender = client.send_in_background([request[1_000_000:]])
        self.assertRegex(b"".join(until_closed(client)), rb"^-UPSTREAM |^$")
        sender.join()

    def test_renewed_broadcast_that_the_server_refuses_ends_it(self):
        """weir switches broadcasting off to renew it; if the server refuses the new options, nothing is on."""
        weir = self.start()
        client = self.tracker(weir, "BCAST")
        client.send("CLIENT", "TRACKING", "ON", "BCAST", "OPTIN")
        self.assertRegex(b"".join(until_closed(client)), rb"^-ERR [^\r]*BCAST[^\r]*\r\n$")

    def test_renewed_broadcast_goes_on(self):
        weir = self.start()
        client = self.tracker(weir, "BCAST")
        self.assertEqual(client.call("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP"), b"OK")
        with weir.client() as writer:
            writer.call("SET", "k", "1")
        self.assertEqual(client.read(), [b"invalidate", [b"k"]])


class ConfinedUserTest(sides.SidesTest):
    """After a script on a held connection, which is its tenant's ACL user's from then on, come commands that this user
    may not run."""

    def test_commands_after_a_script_while_watching(self):
        def scenario(side):
            client = side.client()
            client.call("SET", "k", "1")
            for command in (("WAIT", "0", "10"), ("BLPOP", "missing", "0.01"), ("DBSIZE",), ("KEYS", "k*"),
                            ("SCAN", "0", "COUNT", "1000", "MATCH", "k9"), ("OBJECT", "ENCODING", "k"),
                            ("XREAD", "BLOCK", "1", "STREAMS", "s9", "0"), ("SET", "big", b"x" * 100_000),
                            ("GET", "big"), ("RESTORE", "r9", "0", b"x" * 100_000), ("COPY", "k", "k9", "REPLACE"),
                            ("PUBLISH", "channel", "x"), ("SCRIPT", "LOAD", "return 5"), ("WAIT", "0", "0"),
                            ("PUBSUB", "NUMSUB", "channel"), ("TOUCH", "k"), ("SELECT", "2"), ("SELECT", "0")):
                for opening in (("WATCH", "k"), ("EVAL", "return redis.call('GET', KEYS[1])", "1", "k")):
                    client.call(*opening)
                client.call(*command)
                client.call("EVAL", "return 2", "0")
                client.pipeline([("MULTI",), ("GET", "k"), ("EXEC",)])
        self.same(scenario)


if __name__ == "__main__":
    unittest.main(verbosity=2)
