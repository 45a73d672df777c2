"""Loads: redis-benchmark's whole list, ten thousand idle connections, a 512 MB value, a client that reads nothing.

Memory bounds are those of a plain binary: WEIR_RELEASE_BINARY is used where it is set, and with the sanitizers of
WEIR_BINARY the bounds are generous, for they keep freed memory.
"""
import hashlib
import os
import re
import subprocess
import threading
import time
import unittest

import resp
import servers

MIB = 1 << 20
RELEASE = os.environ.get("WEIR_RELEASE_BINARY")
REQUESTS = os.environ.get("WEIR_BENCHMARK_REQUESTS", "20000")


class LoadTest(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis()

    def benchmark(self, weir, pipeline):
        """The whole default list; every test of it must end with a rate, and nothing else may be said."""
        host, port = weir.addresses["a"]
        done = subprocess.run(["redis-benchmark", "-h", host, "-p", str(port), "-n", REQUESTS, "-P", str(pipeline),
                               "-q"],
                              capture_output=True, text=True, timeout=400, check=False)
        lines = [line.strip() for line in re.split(r"[\r\n]+", done.stdout + done.stderr) if line.strip()]
        finished = [line for line in lines if "requests per second" in line]
        # It asks CONFIG GET save and appendonly first, and warns when it may not.
        rest = [line for line in lines if not re.search("requests per second|rps=|CONFIG", line)]
        self.assertEqual((done.returncode, rest), (0, []), done.stdout[-2000:] + done.stderr)
        for name in ("PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPOP", "SADD", "HSET", "SPOP",
                     "ZADD", "ZPOPMIN",
                     "LRANGE_600", "MSET (10 keys)"):
            self.assertTrue(any(line.startswith(name) for line in finished), f"{name} is missing: {finished}")

    def test_whole_list_of_redis_benchmark(self):
        weir = self.folder.weir(self.redis, workers=2)
        for pipeline in (1, 64):
            with self.subTest(pipeline=pipeline):
                self.benchmark(weir, pipeline)

    def test_ten_thousand_idle_connections_are_held(self):
        weir = self.folder.weir(self.redis, workers=2, clients={"max_connections": 10_100})
        before, socks = weir.rss_bytes(), []
        for i in range(10_000):
            socks.append(resp.connect(weir.addresses["ab"[i % 2]]))
            socks[-1].sendall(b"PING\r\n")
            if i % 200 == 199:
                for sock in socks[-200:]:
                    self.assertEqual(sock.recv(7), b"+PONG\r\n")
        print(f"10000 idle connections: {(weir.rss_bytes() - before) / 10_000:.0f} bytes each", flush=True)
        with weir.client() as client:
            self.assertEqual(client.pipeline([("SET", "k", "v"), ("GET", "k")]), [b"OK", b"v"])
        for sock in socks[::97]:
            sock.sendall(b"PING\r\n")
            self.assertEqual(sock.recv(7), b"+PONG\r\n")
        for sock in socks:
            sock.close()

    def test_value_of_512_mb_comes_back_whole(self):
        weir = self.folder.weir(self.redis, binary=RELEASE)
        size, block = 512 * MIB, os.urandom(MIB)
        sent, got = hashlib.sha256(), hashlib.sha256()
        before = weir.rss_bytes()
        with weir.client(timeout=120) as client, weir.client("b") as other:
            client.send_raw(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n" % size)
            for i in range(size // MIB):
                piece = i.to_bytes(8, "big") + block[8:]
                sent.update(piece)
                client.send_raw(piece)
                if i % 64 == 0:
                    self.assertEqual(other.call("PING"), b"PONG")
            client.send_raw(b"\r\n")
            self.assertEqual(client.read(), b"OK")
            client.send("GET", "big")
            reply = client.read_raw()
            got.update(memoryview(reply)[reply.index(b"\n") + 1:-2])
        self.assertEqual(got.hexdigest(), sent.hexdigest())
        peak = weir.rss_bytes("VmHWM") - before
        print(f"512 MB value: peak {peak / MIB:.1f} MiB over the start", flush=True)
        self.assertLess(peak, 64 * MIB if RELEASE else 600 * MIB)
        self.assertEqual(self._length_upstream(), size)

    def _length_upstream(self):
        with self.redis.client() as direct:
            return direct.call("STRLEN", "tenant:a:big")

    def test_client_that_reads_nothing_costs_bounded_memory_and_nobodys_time(self):
        weir = self.folder.weir(self.redis, binary=RELEASE)
        with weir.client("b") as other, weir.client() as greedy:
            greedy.call("SET", "k", b"x" * 16_384)
            other.call("SET", "k", "v")
            before = weir.rss_bytes()
            sender = greedy.send_in_background([resp.encode("GET", "k") * 1000] * 100)
            worst = self._slowest_of(other, 3.0)
            peak = weir.rss_bytes("VmHWM") - before
            print(f"reads nothing: peak {peak / MIB:.1f} MiB over the start,"
                  f" other client's worst {worst * 1000:.0f} ms", flush=True)
            self.assertLess(peak, 64 * MIB if RELEASE else 400 * MIB)
            self.assertLess(worst, 1.0)
            for _ in range(100_000):  # and when it does read, everything is there
                self.assertEqual(len(greedy.read_raw()), len(b"$16384\r\n\r\n") + 16_384)
            sender.join()
            self.assertEqual(greedy.call("PING"), b"PONG")

    def _slowest_of(self, client, seconds):
        """The longest that PING or GET took while the time passed; both are asked without pause."""
        until, worst = time.monotonic() + seconds, 0.0
        while time.monotonic() < until:
            for command, expected in ((("PING",), b"PONG"), (("GET", "k"), b"v")):
                start = time.monotonic()
                self.assertEqual(client.call(*command), expected)
                worst = max(worst, time.monotonic() - start)
        return worst

    def test_memory_comes_back_after_clients_that_never_read_are_gone(self):
        weir = self.folder.weir(self.redis, binary=RELEASE)
        with weir.client() as client:
            client.call("SET", "k", b"x" * 100_000)
            for _ in range(20):
                greedy = weir.client()
                greedy.send_in_background([resp.encode("GET", "k") * 200]).join()
                greedy.close()
            self.assertEqual(client.call("PING"), b"PONG")
        self.assertLess(weir.rss_bytes(), (100 if RELEASE else 600) * MIB)

    def test_many_clients_at_once_each_get_their_own_replies(self):
        weir, faults = self.folder.weir(self.redis, workers=2), []

        def talk(number):
            try:
                with weir.client("ab"[number % 2], 2 + number % 2) as client:
                    for turn in range(60):
                        value = f"{number}-{turn}-" + "x" * (turn * 37)
                        replies = client.pipeline([("SET", f"k{number}", value), ("GET", f"k{number}"),
                                                   ("ECHO", value)])
                        assert replies == [b"OK", value.encode(), value.encode()], replies
            except Exception as fault:  # pylint: disable=broad-except
                faults.append(repr(fault)[:300])
        threads = [threading.Thread(target=talk, args=(number,)) for number in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
