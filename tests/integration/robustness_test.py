"""What clients may do to a connection: pipelines of any length cut anywhere, half-closes, protocol errors, limits."""
import hashlib
import random
import time
import unittest

import reply_compare
import resp
import servers


class ConnectionTest(servers.ServerTest):
    """One weir for all tests, and a private Redis that says what the replies should be."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.redis, cls.private = cls.shared.redis(), cls.shared.redis("private")
        path = cls.shared.path + "/weir.sock"
        listeners = [{"bind": "127.0.0.1:0", "tenant": "a"}, {"bind": "unix:" + path, "tenant": "b"}]
        cls.weir = cls.shared.weir(cls.redis, listeners=listeners)

    def setUp(self):
        super().setUp()
        for server in (self.redis, self.private):
            with server.client() as client:
                client.call("FLUSHALL")

    def conversation(self, data, chunks=None):
        """What weir says to `data` followed by a half-close, up to its own close; and what Redis says."""
        said = []
        for address in (self.weir.addresses["a"], self.private.address):
            with resp.Client(address) as client:
                sender = client.send_in_background(chunks or [data])
                sender.join()
                try:
                    client.half_close()
                except OSError:
                    pass  # closed already
                said.append(client.read_until_closed())
        return said

    def assert_same_conversation(self, data, chunks=None):
        mine, expected = self.conversation(data, chunks)
        self.assertEqual(mine, expected, data[:300])
        return mine

    MIXED = b"".join((
        resp.encode("SET", "key", b"a\r\nb\x00c"), b"\r\n", b"GET key\r\n", resp.encode("nosuch", "x"),
        b"*0\r\n*-10\r\n", resp.encode("MSET", "a", "1", "b", ""), b'set "in line" "x\\x41"\r\n',
        resp.encode("MGET", "a", "b", "in line", ""), resp.encode("GET"), resp.encode("HELLO", "3"),
        resp.encode("HSET", "h", "f", "v"), resp.encode("HGETALL", "h"),
        resp.encode("CONFIG"), resp.encode("KEYS", "in*"), resp.encode("SELECT", "1"), resp.encode("DBSIZE"),
        resp.encode("SELECT", "0"), resp.encode("PING", "end")))

    def test_every_byte_split_of_a_mixed_pipeline(self):
        whole, expected = self.conversation(self.MIXED)
        self.assertEqual(reply_compare.mask_hello(whole), reply_compare.mask_hello(expected))
        count = len(resp.split_replies(whole))
        with resp.Client(self.weir.addresses["a"]) as client:
            client.pipeline([("FLUSHALL",)])
            for place in range(1, len(self.MIXED)):
                client.send_raw(self.MIXED[:place])
                client.send_raw(self.MIXED[place:] + resp.encode("FLUSHALL") + resp.encode("RESET"))
                got = b"".join([client.read_raw() for _ in range(count)])
                self.assertEqual(reply_compare.mask_hello(got), reply_compare.mask_hello(whole), place)
                self.assertEqual([client.read(), client.read()], [b"OK", b"RESET"])

    def test_a_pipeline_sent_byte_by_byte(self):
        mine, expected = self.conversation(self.MIXED, [self.MIXED[i:i + 1] for i in range(len(self.MIXED))])
        self.assertEqual(reply_compare.mask_hello(mine), reply_compare.mask_hello(expected))

    def test_hundred_thousand_commands_in_one_write(self):
        with self.weir.client() as client:
            data = b"".join(resp.encode("SET", f"k{i}", i) + resp.encode("GET", f"k{i}") for i in range(50_000))
            sender = client.send_in_background([data])
            for i in range(50_000):
                self.assertEqual(client.read_raw(), b"+OK\r\n")
                self.assertEqual(client.read(), b"%d" % i)
            sender.join()

    def test_half_closed_client_gets_all_its_replies(self):
        # Redis itself drops what it has not sent by then, so it is no model here.
        words = [b"n%d" % i for i in range(20_000)]
        expected = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words) + b"*0\r\n"
        with self.weir.client() as client:
            sender = client.send_in_background([b"".join(resp.encode("ECHO", word) for word in words) + resp.encode("KEYS", "*")])
            sender.join()
            client.half_close()
            self.assertEqual(client.read_until_closed(), expected)

    def test_local_and_forwarded_replies_keep_their_order(self):
        commands = [("SET", "k", "1"), ("CONFIG", "SET", "a", "b"), ("GET", "k"), ("CLIENT", "GETNAME"),
                    ("INCR", "k"), ("nosuch",),
                    ("DBSIZE",), ("KEYS", "*"), ("PING", "x"), ("SWAPDB", "0", "1"), ("GET", "k")] * 300
        with self.weir.client() as client:
            replies = client.pipeline(commands)
        for i, (command, reply) in enumerate(zip(commands, replies)):
            if command[0] == "GET":
                self.assertEqual(reply, b"1" if i % 11 == 2 else b"2")
            self.assertEqual(isinstance(reply, resp.Error), command[0] in ("CONFIG", "nosuch", "SWAPDB"), command)

    def test_protocol_errors_in_redis_own_words_after_the_replies_owed(self):
        before = resp.encode("SET", "k", "v") + resp.encode("GET", "k")
        for bad in (b"*2147483648\r\n", b"*abc\r\n", b"*1\r\nfoo\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$abc\r\n",
                    b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775808\r\n", b"*2\r\n$3\r\nGET\r\n:1\r\n",
                    b'GET "k\r\n', b"GET 'k\r\n",
                    b'GET "k"x\r\n', b"GET " + b"x" * 300_000, b"*" + b"1" * 300_000, b"*1\r\n$" + b"1" * 300_000,
                    b"*2\r\n$3\r\nGET\r\n$-5\r\n", b"*99999999999999999999\r\n", b"* 1\r\n", b"*1\r\n$ 4\r\nPING\r\n"):
            for prefix in (b"", before):
                mine = self.assert_same_conversation(prefix + bad + resp.encode("SET", "after", "1"))
                self.assertRegex(mine, rb"-ERR Protocol error: [^\r]*\r\n$", bad[:60])
        with self.weir.client() as client:
            self.assertEqual(client.call("EXISTS", "after"), 0)

    def test_more_arguments_than_a_request_may_have(self):
        mine, _ = self.conversation(resp.encode("PING") + b"*1048577\r\n")  # Redis 7.0 allows INT_MAX, weir 1024 * 1024
        self.assertEqual(mine, b"+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n")

    def test_http_is_hung_up_on(self):
        for line in (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nSET after 1\r\n"):
            mine, _ = self.conversation(line + resp.encode("SET", "after", "1"))
            self.assertNotIn(b"+OK", mine)
        with self.weir.client() as client:
            self.assertEqual(client.call("EXISTS", "after"), 0)

    def test_nothing_after_quit_is_executed(self):
        for size in (0, 100_000):  # behind it in the same read, and far beyond
            data = (resp.encode("SET", "k", "1") + resp.encode("QUIT") + resp.encode("SET", "k", "2") +
                    resp.encode("SET", "big", b"x" * size) + resp.encode("INCR", "counter") * 100)
            with self.weir.client() as client:
                client.send_in_background([data])
                self.assertEqual(client.read_until_closed(), b"+OK\r\n+OK\r\n")
            with self.weir.client() as client:
                self.assertEqual(client.pipeline([("GET", "k"), ("EXISTS", "big", "counter")]), [b"1", 0])

    def test_large_msets_and_many_arguments(self):
        pairs = [item for i in range(5000) for item in (f"key{i}", b"%04d" % i * 1024)]  # 20 MB
        with self.weir.client() as client:
            sender = client.send_in_background([resp.encode("MSET", *pairs)])
            self.assertEqual(client.read(), b"OK")
            sender.join()
            self.assertEqual(client.call("MGET", *pairs[::2]), pairs[1::2])
            self.assertEqual(client.call("RPUSH", "list", *range(20_000)), 20_000)
            self.assertEqual(client.call("DEL", *pairs[::2], *(f"no{i}" for i in range(15_001))), 5000)

    def test_values_over_the_streaming_limit_come_back_whole(self):
        rng = random.Random(7)
        with self.weir.client() as client, self.weir.client("b") as unix:
            for size in (65_535, 65_536, 65_537, 100_000, 1 << 20, (5 << 20) + 1):
                value = rng.randbytes(size)
                for one in (client, unix):
                    sender = one.send_in_background([resp.encode("SET", "big", value) + resp.encode("GET", "big") +
                                                     resp.encode("STRLEN", "big") + resp.encode("SET", "small", "1")])
                    self.assertEqual([one.read() for _ in range(4)], [b"OK", value, size, b"OK"], size)
                    sender.join()

    def test_client_gone_in_the_middle_of_a_streamed_value_harms_nobody(self):
        with self.weir.client() as other:
            other.call("SET", "k", "before")
            for sent in (0, 1, 100, 70_000, 500_000):
                client = self.weir.client()
                client.send_raw(resp.encode("PING") + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n" + b"x" * sent)
                self.assertEqual(client.read(), b"PONG")
                client.close()
                self.assertEqual(other.pipeline([("GET", "k"), ("SET", "o", "1")]), [b"before", b"OK"], sent)

    def test_client_gone_in_the_middle_of_a_long_reply_harms_nobody(self):
        with self.weir.client() as other:
            other.call("SET", "big", b"x" * 3_000_000)
            for _ in range(5):
                client = self.weir.client()
                client.send_raw(resp.encode("GET", "big") * 5)
                client.sock.recv(1000)
                client.close()
                self.assertEqual(other.pipeline([("SET", "o", "1"), ("GET", "o")]), [b"OK", b"1"])

    def test_unix_socket_listener_serves_its_own_tenant(self):
        with self.weir.client("b") as unix, self.weir.client("a") as tcp:
            self.assertIsInstance(self.weir.addresses["b"], str)
            unix.call("SET", "k", "of b")
            self.assertIsNone(tcp.call("GET", "k"))
        with self.redis.client() as direct:
            self.assertEqual(direct.call("GET", "tenant:b:k"), b"of b")


class LimitTest(servers.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.redis = cls.shared.redis()

    def setUp(self):
        super().setUp()
        with self.redis.client() as client:
            client.call("FLUSHALL")

    def test_one_connection_too_many_gets_redis_own_error(self):
        weir = self.folder.weir(self.redis, clients={"max_connections": 3})
        clients = [weir.client() for _ in range(3)]
        for client in clients:
            self.assertEqual(client.call("PING"), b"PONG")
        with weir.client() as late:
            self.assertEqual(late.read_until_closed(), b"-ERR max number of clients reached\r\n")
        clients.pop().close()

        def served_again():
            with weir.client() as client:
                try:
                    return client.call("PING") == b"PONG"
                except (resp.ConnectionClosed, ConnectionError):
                    return False
        servers.wait_until(served_again, what="a free place")
        for client in clients:
            client.close()

    def test_idle_clients_are_closed_and_busy_ones_are_not(self):
        weir = self.folder.weir(self.redis, clients={"idle_timeout": "2s"})
        with weir.client() as idle, weir.client() as busy:
            idle.call("PING")
            start, closed = time.monotonic(), False
            idle.sock.settimeout(0.02)
            while not closed and time.monotonic() < start + servers.DEADLINE:
                self.assertEqual(busy.call("PING"), b"PONG")
                try:
                    closed = idle.sock.recv(1) == b""
                except TimeoutError:
                    pass
            self.assertTrue(closed)
            self.assertGreater(time.monotonic() - start, 1)
            self.assertEqual(busy.call("PING"), b"PONG")

    def test_bulk_limit_is_weirs_own_setting(self):
        weir = self.folder.weir(self.redis, clients={"max_bulk": "1MiB"})
        with weir.client() as client:
            self.assertEqual(client.call("SET", "k", b"x" * (1 << 20)), b"OK")
            client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % ((1 << 20) + 1))
            self.assertEqual(client.read_until_closed(), b"-ERR Protocol error: invalid bulk length\r\n")

    def test_tenant_limited_to_some_databases(self):
        weir = self.folder.weir(self.redis, tenants={"a": {"databases": [0, 1]}, "b": {}})
        with weir.client() as client:
            self.assertEqual(client.call("SELECT", 1), b"OK")
            self.assertIsInstance(client.call("SELECT", 2), resp.Error)
            for command in (("MOVE", "k", 2), ("COPY", "k", "j", "DB", 2)):
                self.assertIsInstance(client.call(*command), resp.Error, command)
            self.assertEqual(client.call("PING"), b"PONG")

    def test_long_keys_as_configured(self):
        long = b"k" * 100
        tenants = {"a": {"long_keys": {"over": "64B", "action": "sha256"}},
                   "b": {"long_keys": {"over": "64B", "action": "refuse"}}}
        weir = self.folder.weir(self.redis, tenants=tenants)
        with weir.client("a") as hashing, weir.client("b") as refusing, self.redis.client() as direct:
            hashing.call("SET", long, "v")
            self.assertEqual(hashing.call("GET", long), b"v")
            stored = b"sha256:" + hashlib.sha256(long).hexdigest().encode()
            self.assertEqual(direct.call("GET", b"tenant:a:" + stored), b"v")
            self.assertEqual(hashing.call("KEYS", "*"), [stored])
            self.assertIsInstance(refusing.call("SET", long, "v"), resp.Error)
            self.assertEqual(refusing.call("SET", long[:64], "v"), b"OK")


if __name__ == "__main__":
    unittest.main(verbosity=2)
