"""What all clients of a tenant may have together: connections, commands in flight, long requests, bytes a second.
Whoever has none of it left is told, or waits, and nobody else notices.
"""
import select
import fcntl
import signal
import struct
import termios
import threading
import time
import unittest

import resp
import servers
import sides
import terms

MIB = 1 << 20
ADMIN = {"bind": "127.0.0.1:0"}


class QuotaTest(servers.SharedRedisTest):
    def start(self, workers=1, **quotas):
        """Tenant a has these quotas, b none."""
        return self.folder.weir(self.redis, workers=workers, admin=ADMIN, tenants={"a": {"quotas": quotas}, "b": {}})

    def client(self, weir, tenant="a", protocol=2):
        client = weir.client(tenant, protocol)
        self.addCleanup(client.close)
        return client


class ConnectionTest(QuotaTest):
    FULL = b"-ERR max number of clients reached\r\n"

    def test_one_too_many_is_told_and_closed(self):
        weir = self.start(workers=2, max_connections=3)
        clients = [self.client(weir) for _ in range(3)]
        for turn in range(5):
            for client in clients:
                self.assertEqual(client.call("PING"), b"PONG")
            with weir.client() as refused:
                self.assertEqual(refused.read_until_closed(), self.FULL)
            with weir.client("b") as other:
                self.assertEqual(other.call("PING"), b"PONG")
            servers.wait_until(lambda: terms.sample(weir, "weir_client_connections_refused_total", tenant="a") == turn + 1,
                               what="the count of refusals")
            self.assertEqual(terms.sample(weir, "weir_client_connections", tenant="a"), 3)
        clients.pop().close()
        servers.wait_until(lambda: terms.sample(weir, "weir_client_connections", tenant="a") == 2, what="its end")
        self.assertEqual(self.client(weir).call("PING"), b"PONG")

    def test_hundreds_that_come_and_go_lose_no_place(self):
        weir = self.start(workers=2, max_connections=8)
        for turn in range(1, 41):
            clients = [weir.client() for _ in range(20)]
            servers.wait_until(lambda turn=turn: terms.sample(
                weir, "weir_client_connections_refused_total", tenant="a") == 12 * turn, what="the refusals")
            sockets = [client.sock for client in clients]
            servers.wait_until(lambda: len(select.select(sockets, [], [], 1)[0]) == 12, what="their words")
            told = [client for client in clients if select.select([client.sock], [], [], 0)[0]]
            self.assertEqual([client.read_until_closed() for client in told], [self.FULL] * 12)
            for client in clients:
                if client not in told:
                    self.assertEqual(client.call("PING"), b"PONG")
                client.close()
            servers.wait_until(lambda: terms.sample(weir, "weir_client_connections", tenant="a") == 0,
                               what="their ends")


class InFlightTest(QuotaTest):
    def in_flight(self, weir):
        return sides.metrics(weir)["weir_upstream_in_flight_commands"]

    def test_clients_wait_while_the_tenant_has_all_it_may_have(self):
        """Pipelines of several clients: no more than the quota is at the server; then all are answered, in order."""
        weir = self.start(max_in_flight=5)
        clients, other = [self.client(weir) for _ in range(4)], self.client(weir, "b")
        for client in (*clients, other):
            client.call("GET", "k")
        self.redis.signal(signal.SIGSTOP)
        try:
            for number, client in enumerate(clients):
                for turn in range(10):
                    client.send_raw(resp.encode("ECHO", f"{number} {turn}") + resp.encode("GET", "k"))
            servers.wait_until(lambda: self.in_flight(weir) == 5, what="a full quota")
            other.send_raw(resp.encode("GET", "k") * 3)
            servers.wait_until(lambda: self.in_flight(weir) == 8, what="another tenant's commands")
        finally:
            self.redis.signal(signal.SIGCONT)
        self.assertEqual([other.read() for _ in range(3)], [None] * 3)
        for number, client in enumerate(clients):
            for turn in range(10):
                self.assertEqual([client.read(), client.read()], [b"%d %d" % (number, turn), None])
        self.assertGreater(terms.sample(weir, "weir_quota_pauses_total", tenant="a"), 0)
        self.assertEqual(terms.sample(weir, "weir_quota_pauses_total", tenant="b"), 0)

    def test_one_write_with_a_thousand_commands_is_held_back_too(self):
        weir = self.start(max_in_flight=5)
        client = self.client(weir)
        client.call("GET", "k")
        self.redis.signal(signal.SIGSTOP)
        try:
            client.send_raw(resp.encode("INCR", "n") * 1000)
            servers.wait_until(lambda: self.in_flight(weir) >= 5, what="a full quota")
            with weir.client("b") as other:  # the second is answered a turn after the thousand were read
                other.pipeline([("CLIENT", "GETNAME")])
                other.pipeline([("CLIENT", "GETNAME")])
            self.assertEqual(self.in_flight(weir), 5)
        finally:
            self.redis.signal(signal.SIGCONT)
        self.assertEqual([client.read() for _ in range(1000)], list(range(1, 1001)))

    def test_blocked_clients_take_no_place(self):
        weir = self.start(max_in_flight=2)
        blocked, client = [self.client(weir) for _ in range(6)], self.client(weir)
        for one in blocked:
            one.send("BLPOP", "list", "0")
        servers.wait_until(lambda: sides.labelled(weir, "weir_blocked_clients") == 6, what="blocked clients")
        self.assertEqual(client.pipeline([("GET", "k")] * 20), [None] * 20)
        client.call("RPUSH", "list", *range(6))
        self.assertEqual(sorted(int(one.read()[1]) for one in blocked), list(range(6)))
        # Nor do they take one with their answers, or give back more than they had.
        self.redis.signal(signal.SIGSTOP)
        try:
            client.send_raw(resp.encode("GET", "k") * 20)
            servers.wait_until(lambda: self.in_flight(weir) == 2, what="a full quota")
        finally:
            self.redis.signal(signal.SIGCONT)
        self.assertEqual([client.read() for _ in range(20)], [None] * 20)

    def test_clients_that_go_while_they_wait_leave_their_place(self):
        weir = self.start(max_in_flight=1)
        for _ in range(20):
            clients = [weir.client() for _ in range(6)]
            self.redis.signal(signal.SIGSTOP)
            try:
                for client in clients:
                    client.send_raw(resp.encode("INCR", "n") * 3)
                servers.wait_until(lambda: self.in_flight(weir) >= 1, what="a full quota")
                for client in clients[::2]:
                    client.close()
            finally:
                self.redis.signal(signal.SIGCONT)
            for client in clients[1::2]:
                self.assertEqual(len([client.read() for _ in range(3)]), 3)
                client.close()
        self.assertEqual(self.client(weir).call("PING"), b"PONG")


    def test_a_client_that_becomes_another_tenants_wakes_those_behind_it(self):
        """It was its turn to send, and what it had to send ended its being one of the tenant's."""
        passwords = {name: terms.password_file(self.folder.path, name) for name in ("a", "b")}
        weir = self.folder.weir(self.redis, names=(), listeners=[{"bind": "127.0.0.1:0", "tenant_from": "auth"}],
                                tenants={"a": {"quotas": {"max_in_flight": 1}, "passwords_file": passwords["a"]},
                                         "b": {"passwords_file": passwords["b"]}})
        [address] = weir.addresses.values()
        for leaving in (["RESET"], ["AUTH", "b", "b"]):
            with self.subTest(leaving), resp.Client(address) as first, resp.Client(address) as second:
                for client in (first, second):
                    self.assertEqual(client.call("AUTH", "a", "a"), b"OK")
                self.redis.signal(signal.SIGSTOP)
                try:
                    first.send_raw(resp.encode("GET", "k") + resp.encode(*leaving))
                    servers.wait_until(lambda: self.is_sent(first), what="the first client's bytes")
                    second.send("GET", "k")
                    servers.wait_until(lambda: self.is_sent(second), what="the second client's bytes")
                finally:
                    self.redis.signal(signal.SIGCONT)
                self.assertIsNone(first.read())
                self.assertIn(first.read(), (b"RESET", b"OK"))
                self.assertIsNone(second.read())

    @staticmethod
    def is_sent(client):
        """All that was written has reached the other end's socket."""
        return struct.unpack("i", fcntl.ioctl(client.sock, termios.TIOCOUTQ, b"\0" * 4))[0] == 0


class RequestTest(QuotaTest):
    LONG = rb"^ERR the command is longer than this tenant's quotas\.max_request allows \(\d+ bytes\)$"
    MANY = rb"^ERR the command has more arguments than this tenant's quotas\.max_arguments allows \(5\)$"

    def test_what_is_too_long_is_not_held_in_a_transaction_nor_for_its_name(self):
        weir = self.start(max_request="1KiB", max_arguments=5)
        before = weir.rss_bytes()
        blob, pieces = b"x" * MIB, 100
        for start, opened in ((b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n", True), (b"*3\r\n", False)):
            with self.subTest(opened), weir.client("a") as client:
                if opened:
                    self.assertEqual(client.call("MULTI"), b"OK")
                client.send_raw(start + b"$%d\r\n" % (pieces * MIB))
                for _ in range(pieces - 1):
                    client.send_raw(blob)
                self.assertLess(weir.rss_bytes() - before, 40 * MIB)
                if opened:
                    client.send_raw(blob + b"\r\n" + resp.encode("EXEC"))
                    self.assertRegex(client.read(), self.LONG)
                    self.assertRegex(client.read(), rb"^EXECABORT")

    def test_long_requests_are_refused_and_the_connection_goes_on(self):
        """Held in memory or streamed, whole or cut anywhere: nothing of them is stored."""
        for quota, sizes in (("8KiB", (8 << 10, 60_000, 70_000, 3_000_000)), ("1MiB", (1 << 20, 3_000_000))):
            weir = self.start(max_request=quota)
            client, other = self.client(weir), self.client(weir, "b")
            for size in sizes:
                with self.subTest(quota=quota, size=size):
                    sender = client.send_in_background([resp.encode("SET", "k", b"x" * size),
                                                        resp.encode("EXISTS", "k")])
                    self.assertRegex(client.read(), self.LONG)
                    self.assertEqual(client.read(), 0)
                    sender.join()
                    self.assertEqual(other.call("SET", "k", b"x" * size), b"OK")
            fitting = b"x" * ((8 << 10 if quota == "8KiB" else 1 << 20) - 200)
            self.assertEqual(client.pipeline([("SET", "k", fitting), ("STRLEN", "k"), ("DEL", "k")]),
                             [b"OK", len(fitting), 1])

    def test_bound_is_exact(self):
        weir = self.start(max_request="1KiB")
        client = self.client(weir)
        header = len(resp.encode("SET", "k", b"x" * 990)) - 990
        self.assertEqual(client.call("SET", "k", b"x" * (1024 - header)), b"OK")
        self.assertRegex(client.call("SET", "k", b"x" * (1025 - header)), self.LONG)
        self.assertEqual(client.call("STRLEN", "k"), 1024 - header)

    def test_many_arguments_are_refused(self):
        weir = self.start(max_arguments=5)
        client = self.client(weir)
        for command in (("MSET", "a", "1", "b", "2", "c", "3"), ("DEL", *"abcdef"), ("DEL", *[b"x" * 20_000] * 6),
                        ("DEL", *[b"x" * 50_000] * 2000), ("RPUSH", "l", *range(100_000))):
            with self.subTest(command=command[0]):
                sender = client.send_in_background([resp.encode(*command), resp.encode("PING")])
                self.assertRegex(client.read(), self.MANY)
                self.assertEqual(client.read(), b"PONG")
                sender.join()
        self.assertEqual(client.call("MSET", "a", "1", "b", "2"), b"OK")
        self.assertEqual(terms.calls(self.redis, "rpush"), 0)

    def test_refused_requests_flag_a_transaction(self):
        weir = self.start(max_request="8KiB", max_arguments=5)
        client = self.client(weir)
        for bad in (("SET", "k", b"x" * 9000), ("DEL", *"abcdef")):
            client.call("MULTI")
            self.assertEqual(client.call("SET", "k", "1"), b"QUEUED")
            self.assertRegex(client.call(*bad), rb"^ERR the command (is longer|has more)")
            self.assertRegex(client.call("EXEC"), rb"^EXECABORT ")
        self.assertEqual(client.call("EXISTS", "k"), 0)


class ByteRateTest(QuotaTest):
    """A period's worth may come at once; the rest takes its time, and nobody else's."""

    def test_received_bytes(self):
        weir = self.start(received="200KiB/500ms")
        self.check(weir, [[("SET", "k", b"x" * 20_000)] * 10] * 6)

    def test_sent_bytes(self):
        """What was asked for is sent; then its client is not asked for more."""
        weir = self.start(sent="200KiB/500ms")
        self.client(weir).call("SET", "k", b"x" * 20_000)
        self.check(weir, [[("GET", "k")] * 3] * 20)

    def test_streamed_requests(self):
        weir = self.start(received="200KiB/500ms")
        self.check(weir, [[("SET", "k", b"x" * 600_000)]] * 2)

    def test_long_replies(self):
        weir = self.start(sent="200KiB/500ms")
        self.client(weir).call("SET", "k", b"x" * 200_000)
        self.check(weir, [[("GET", "k")]] * 6)

    def check(self, weir, rounds):
        """1.2 MB of them by two clients: at 400 KiB a second that is not over within two seconds."""
        clients, other, started = [self.client(weir) for _ in range(2)], self.client(weir, "b"), time.monotonic()
        threads = [threading.Thread(target=self.ask, args=(client, rounds[number::2]))
                   for number, client in enumerate(clients)]
        for thread in threads:
            thread.start()
        servers.wait_until(lambda: terms.sample(weir, "weir_quota_pauses_total", tenant="a") > 0, what="a pause")
        slowest = 0
        for turn in range(200):
            asked = time.monotonic()
            self.assertEqual(other.call("INCR", "n"), turn + 1)
            slowest = max(slowest, time.monotonic() - asked)
        for thread in threads:
            thread.join()
        took = time.monotonic() - started
        self.assertTrue(1.4 < took < 20, took)
        self.assertLess(slowest, 1, "another tenant waited as well")
        self.assertEqual(terms.sample(weir, "weir_quota_pauses_total", tenant="b"), 0)

    @staticmethod
    def ask(client, rounds):
        for commands in rounds:
            for reply in client.pipeline(commands):
                assert not isinstance(reply, resp.Error), reply


if __name__ == "__main__":
    unittest.main(verbosity=2)
