"""The Redis behind goes away, hangs, comes back: clients hear what happened, and never get another command's reply."""
import json
import signal
import time
import unittest
import urllib.error
import urllib.request

import resp
import servers
import terms


class UpstreamTest(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis()

    def served(self, client):
        """Whether weir gives a real answer again; its connection must survive being told no."""
        return client.call("SET", "again", "1") == b"OK"

    def test_killed_upstream_gives_errors_naming_the_state_and_is_found_again(self):
        weir = self.folder.weir(self.redis, upstream={"command_timeout": "5s"})
        with weir.client() as client, weir.client("b", 3) as other:
            for one in (client, other):
                self.assertEqual(one.call("SET", "k", "v"), b"OK")
            self.redis.signal(signal.SIGSTOP)  # so that what follows is surely outstanding when it dies
            pending = [("GET", "k"), ("SET", "k", "w"), ("INCR", "n")] * 20
            client.send_raw(b"".join(resp.encode(*command) for command in pending))
            other.send("GET", "k")
            with weir.client() as later:  # answered by weir: the second after the turn that sent the others' commands
                later.call("CLIENT", "GETNAME")
                later.call("CLIENT", "GETNAME")
            self.redis.kill()
            replies = [client.read() for _ in pending] + [other.read()]
            for reply in replies:
                self.assertIsInstance(reply, resp.Error)
                self.assertRegex(reply, rb"^UPSTREAM (lost|down): ")
            for write in replies[1:-1:3]:
                self.assertIn(b"outcome is unknown", write)
            self.assertIsInstance(client.call("GET", "k"), resp.Error)
            self.folder.redis()  # on the same path
            servers.wait_until(lambda: self.served(client), what="a new upstream connection")
            servers.wait_until(lambda: self.served(other), what="a new upstream connection")
            self.assertEqual(client.pipeline([("SET", "k", "new"), ("GET", "k")]), [b"OK", b"new"])

    def test_starts_without_an_upstream_and_serves_when_it_comes(self):
        self.redis.kill()
        weir = self.folder.weir(self.redis)
        with weir.client() as client:
            self.assertIsInstance(client.call("GET", "k"), resp.Error)
            self.folder.redis()
            servers.wait_until(lambda: self.served(client), what="the upstream")

    def test_late_reply_is_swallowed_after_a_command_timed_out(self):
        weir = self.folder.weir(self.redis, upstream={"command_timeout": "1s"})
        with weir.client() as client, weir.client("b") as other:
            client.pipeline([("SET", "first", "reply-1"), ("SET", "second", "reply-2")])
            other.call("SET", "third", "reply-3")
            for _ in range(3):
                self.redis.signal(signal.SIGSTOP)
                start = time.monotonic()
                late = client.call("GET", "first")
                self.assertIsInstance(late, resp.Error)
                self.assertRegex(late.lower(), rb"time|respond|answer")
                self.assertLess(time.monotonic() - start, 10)
                self.redis.signal(signal.SIGCONT)
                self.assertEqual(servers.wait_until(lambda: self._value(client, "second")), b"reply-2")
                self.assertEqual(servers.wait_until(lambda: self._value(other, "third")), b"reply-3")
                self.assertEqual(client.pipeline([("GET", "first"), ("GET", "second"), ("ECHO", "x")]),
                                 [b"reply-1", b"reply-2", b"x"])

    @staticmethod
    def _value(client, key):
        reply = client.call("GET", key)
        return None if isinstance(reply, resp.Error) else reply

    def test_half_of_a_streamed_value_is_never_stored(self):
        weir = self.folder.weir(self.redis, upstream={"command_timeout": "1s"})
        with weir.client() as client, weir.client() as other:
            client.call("SET", "k", "before")
            client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000\r\n" + b"x" * 200_000)
            self.assertEqual(other.call("GET", "k"), b"before")
            client.close()
            self.assertEqual(other.pipeline([("GET", "k"), ("SET", "k", "after"), ("GET", "k")]),
                             [b"before", b"OK", b"after"])

    def test_server_killing_weirs_connections_is_survived(self):
        weir = self.folder.weir(self.redis, workers=2)
        with weir.client() as client, self.redis.client() as direct:
            for turn in range(20):
                direct.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                servers.wait_until(lambda: self.served(client), what="a new connection")
                self.assertEqual(client.pipeline([("SET", "k", turn), ("GET", "k")]), [b"OK", b"%d" % turn])

    def test_tcp_upstream_with_a_user_and_password_from_a_file(self):
        port = servers.free_port()
        redis = self.folder.redis("tcp", port=port)
        with redis.client() as direct:
            self.assertEqual(direct.call("ACL", "SETUSER", "weir", "on", ">s3cret", "allcommands", "allkeys",
                                         "allchannels"), b"OK")
            direct.call("CONFIG", "SET", "requirepass", "other")
        secret = self.folder.path + "/password"
        with open(secret, "w", encoding="ascii") as out:
            out.write("s3cret\n")
        redis.url = f"redis://127.0.0.1:{port}/0"
        weir = self.folder.weir(redis, upstream={"username": "weir", "password_file": secret})
        with weir.client() as client:
            self.assertEqual(client.pipeline([("SET", "k", "v"), ("GET", "k")]), [b"OK", b"v"])
            self.assertEqual(client.pipeline([("SELECT", 3), ("DBSIZE",), ("FLUSHALL",)]), [b"OK", 0, b"OK"])
        self.assertNotIn("s3cret", weir.log())

    def test_wrong_password_is_an_error_and_not_a_way_in(self):
        with self.redis.client() as direct:
            direct.call("CONFIG", "SET", "requirepass", "right")
        secret = self.folder.path + "/password"
        with open(secret, "w", encoding="ascii") as out:
            out.write("wrong")
        weir = self.folder.weir(self.redis, upstream={"password_file": secret})
        with weir.client() as client:
            self.assertIsInstance(client.call("GET", "k"), resp.Error)
            self.assertIsInstance(client.call("DBSIZE"), resp.Error)

    def test_health_follows_the_upstream_and_liveness_does_not(self):
        weir = self.folder.weir(self.redis, admin={"bind": "127.0.0.1:0"})
        base = "http://%s:%d" % weir.admin_address()
        servers.wait_until(lambda: self._status(base + "/health") == 200, what="health")
        with urllib.request.urlopen(base + "/health", timeout=30) as answer:
            self.assertEqual(json.load(answer)["status"], "healthy")
        self.assertEqual((self._status(base + "/livez"), self._status(base + "/readyz")), (200, 200))
        self.redis.kill()
        servers.wait_until(lambda: self._status(base + "/health") == 503, what="the upstream missed")
        self.assertEqual(self._status(base + "/livez"), 200)
        self.folder.redis()
        servers.wait_until(lambda: self._status(base + "/health") == 200, what="health again")

    def test_metrics_count_commands_by_tenant(self):
        weir = self.folder.weir(self.redis, admin={"bind": "127.0.0.1:0"})
        with weir.client() as client, weir.client("b") as other:
            client.pipeline([("SET", "k", i) for i in range(50)])
            other.pipeline([("GET", "k"), ("CONFIG", "SET", "a", "b")])
            for tenant, count in (("a", 50), ("b", 1)):  # a worker counts at the end of its turn
                servers.wait_until(lambda: terms.sample(weir, "weir_commands_total", result="ok", tenant=tenant) == count,
                                   what=f"{tenant}'s count")

    @staticmethod
    def _status(url):
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


if __name__ == "__main__":
    unittest.main(verbosity=2)
