"""Listeners with `tenant_from: auth`: a client is whose password it has, may become another tenant's on the way, and
keeps nothing of the first."""
import hashlib
import os
import subprocess
import unittest

import resp
import servers

SKIP, OFF, ON = (("CLIENT", "REPLY", switch) for switch in ("SKIP", "OFF", "ON"))


class AuthTest(servers.ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.redis = cls.shared.redis()
        tenants = {}
        for name in "ab":
            file = os.path.join(cls.shared.path, name + ".passwords")
            with open(file, "w", encoding="ascii") as out:
                out.write(f"sha256:{hashlib.sha256(b'fast-' + name.encode()).hexdigest()}\n")
                out.write(cls.scrypt_hash("slow-" + name))
            tenants[name] = {"passwords_file": file}
        listeners = [{"bind": "127.0.0.1:0", "tenant_from": "auth"}]
        cls.weir = cls.shared.weir(cls.redis, workers=2, listeners=listeners, tenants=tenants)

    @staticmethod
    def scrypt_hash(password):
        done = subprocess.run([servers.weir_binary(), "--hash-password"], input=password.encode(), check=True,
                              capture_output=True)
        return done.stdout.decode()

    def setUp(self):
        super().setUp()
        with self.redis.client() as direct:
            direct.call("FLUSHALL")
            direct.pipeline([("SET", f"tenant:{name}:k", f"of {name}") for name in "ab"])

    def client(self):
        client = resp.Client(self.weir.addresses["auth"])
        self.addCleanup(client.close)
        return client

    def test_stranger_gets_noauth_until_it_is_somebody(self):
        client = self.client()
        self.assertRegex(client.call("GET", "k"), rb"^NOAUTH ")
        self.assertRegex(client.call("AUTH", "a", "fast-b"), rb"^WRONGPASS ")
        self.assertRegex(client.call("GET", "k"), rb"^NOAUTH ")
        self.assertEqual(client.pipeline([("AUTH", "a", "slow-a"), ("GET", "k")]), [b"OK", b"of a"])

    def test_pipelined_requests_wait_for_a_slow_password(self):
        """Those behind an AUTH belong to the tenant that it proves, or to the one before if it proves none."""
        replies = self.client().pipeline([
            ("AUTH", "b", "wrong"), ("GET", "k"), ("AUTH", "b", "slow-b"), ("SET", "k", "new"), ("AUTH", "a", "fast-a"),
            ("GET", "k"), ("AUTH", "b", "wrong"), ("GET", "k"), ("HELLO", "3", "AUTH", "b", "slow-b"), ("GET", "k")])
        self.assertRegex(replies[0], rb"^WRONGPASS ")
        self.assertRegex(replies[1], rb"^NOAUTH ")
        self.assertEqual(replies[2:6], [b"OK", b"OK", b"OK", b"of a"])
        self.assertRegex(replies[6], rb"^WRONGPASS ")
        self.assertEqual((replies[7], replies[9]), (b"of a", b"new"))

    def test_silence_that_a_client_asked_for_outlasts_another_auth(self):
        """As Redis does: SKIP silences the AUTH or HELLO behind it, OFF all up to ON; else replies are one too many."""
        for password in ("fast-b", "slow-b"):
            for login in (("AUTH", "b", password), ("HELLO", "2", "AUTH", "b", password)):
                with self.subTest(login=login):
                    self.assertEqual(self.replies(SKIP, login, ("GET", "k")), [b"of b"])
                    self.assertEqual(self.replies(OFF, login, ("GET", "k"), ON, ("GET", "k")), [b"OK", b"of b"])
        self.assertEqual(self.replies(SKIP, ("AUTH", "b", "wrong"), ("GET", "k")), [b"of a"])

    def replies(self, *commands):
        """What a client of tenant a is told, in RESP2."""
        client = self.client()
        self.assertEqual(client.call("AUTH", "a", "fast-a"), b"OK")
        client.send_raw(b"".join(resp.encode(*command) for command in (*commands, ("ECHO", "end"))))
        told = []
        while not told or told[-1] != b"end":
            told.append(client.read())
        return told[:-1]

    def test_nothing_of_the_first_tenant_is_left(self):
        """Its name, database, transaction, watched keys, subscriptions and tracking end with it."""
        client, other = self.client(), self.client()
        self.assertEqual(client.call("HELLO", "3", "AUTH", "a", "fast-a", "SETNAME", "mine")[0][0], b"server")
        self.assertEqual(other.call("AUTH", "a", "fast-a"), b"OK")
        client.pipeline([("SELECT", "2"), ("CLIENT", "TRACKING", "ON", "BCAST"), ("WATCH", "k"), ("SUBSCRIBE", "news")])
        self.assertEqual(client.call("AUTH", "b", "fast-b"), b"OK")
        self.assertEqual(other.pipeline([("PUBLISH", "news", "x"), ("SET", "k", "x")]), [0, b"OK"])
        self.assertEqual(client.pipeline([("CLIENT", "GETNAME"), ("GET", "k"), ("MULTI",), ("GET", "k"), ("EXEC",)]),
                         [None, b"of b", b"OK", b"QUEUED", [b"of b"]])
        self.assertEqual(client.call("CLIENT", "TRACKINGINFO").get(b"flags"), [b"off"])

    def test_reset_is_back_to_nobody(self):
        client = self.client()
        self.assertEqual(client.pipeline([("AUTH", "a", "fast-a"), ("RESET",)]), [b"OK", b"RESET"])
        self.assertRegex(client.call("GET", "k"), rb"^NOAUTH ")


if __name__ == "__main__":
    unittest.main(verbosity=2)
