"""Scripts of tenants in mode `acl`: what a private Redis would reply, also where scripts make up names inside."""
import hashlib
import os
import shutil
import unittest

import resp
import script_cases
import servers

NOSCRIPT = (b"NOSCRIPT No matching script. Please use EVAL.", b"NOSCRIPT No matching script.")  # Redis, Valkey


def sha(script):
    return hashlib.sha1(resp.to_bytes(script)).hexdigest()


def contents(client):
    """All keys of all databases that the cases use, with what they hold."""
    found = {}
    for database in (0, 1):
        client.call("SELECT", database)
        for key in client.call("KEYS", "*"):
            kind = client.call("TYPE", key)
            # What a stream holds tells the time, and of a set in which order it was hashed.
            held = {b"stream": ("XLEN", key), b"set": ("SORT", key, "ALPHA")}.get(kind, ("DUMP", key))
            found[database, key] = kind, client.call(*held)
    client.call("SELECT", 0)
    return found


class Scripts(servers.ServerTest):
    binary = "redis-server"
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if shutil.which(cls.binary) is None:
            raise unittest.SkipTest(f"{cls.binary} is not there")
        cls.private = cls.shared.redis("private", binary=cls.binary)
        cls.redis = cls.shared.redis("shared", binary=cls.binary)
        tenants = {"a": {}, "b": {}, "t": {"scripts": {"mode": "trust"}}, "d": {"scripts": {"mode": "deny"}},
                   "odd": {"prefix": "o\"d\\'d%-\u00e9[]:"}}
        for tenant in ("a", "b", "odd"):
            tenants[tenant].setdefault("scripts", {})["shared_interpreter"] = "accept"
        cls.weir = cls.shared.weir(cls.redis, tuple(tenants), tenants=tenants, workers=2)
        cls.weir.wait_for("upstream connected")  # its version decides what the users for scripts may do

    def both(self, protocol=2):
        private, tenant = self.private.client(protocol), self.weir.client("a", protocol)
        self.addCleanup(private.close)
        self.addCleanup(tenant.close)
        return private, tenant

    def compare(self, cases, protocol=2, tenant="a"):
        private, client = self.private.client(protocol), self.weir.client(tenant, protocol)
        with private, client:
            for name, script, keys, values in cases:
                for form in ("EVAL", "EVALSHA"):
                    seen = []
                    for one in (private, client):
                        one.call("FLUSHALL")
                        text = script if form == "EVAL" else sha(script)
                        reply = one.call_raw(form, text, len(keys), *keys, *values)
                        seen.append((reply, contents(one)))
                    with self.subTest(name, form=form, protocol=protocol, tenant=tenant):
                        self.assertEqual(seen[1][0], seen[0][0])
                        self.assertEqual(seen[1][1], seen[0][1])

    def test_replies_and_keys_are_those_of_a_private_redis(self):
        self.compare(script_cases.CASES)

    def test_replies_and_keys_are_those_of_a_private_redis_in_resp3(self):
        self.compare(script_cases.CASES, 3)

    def test_any_prefix_will_do(self):
        self.compare([case for case in script_cases.CASES if case[0] in ("strings", "jobs", "streams")], 2, "odd")

    def test_errors_are_those_of_a_private_redis(self):
        self.compare(script_cases.ERRORS)

    def test_script_is_known_by_its_own_sha_after_load_or_eval_and_no_other_name(self):
        with self.weir.client("a") as client, self.weir.client("b") as other:
            loaded, run = "return {1, KEYS[1]}", "return {2, KEYS[1]}"
            self.assertIn(client.call("EVALSHA", sha(loaded), 0), NOSCRIPT)
            self.assertEqual(client.call("SCRIPT", "LOAD", loaded), sha(loaded).encode())
            self.assertEqual(client.call("EVALSHA", sha(loaded), 1, "k"), [1, b"k"])
            self.assertEqual(client.call("EVALSHA_RO", sha(loaded).upper(), 1, "k"), [1, b"k"])
            self.assertEqual(client.call("SCRIPT", "EXISTS", sha(run), sha(loaded), "x", sha(loaded).upper()), [0, 1, 0, 1])
            self.assertEqual(client.call("EVAL_RO", run, 1, "k"), [2, b"k"])
            self.assertEqual(client.call("EVALSHA", sha(run), 1, "k"), [2, b"k"])
            self.assertEqual(other.call("SCRIPT", "EXISTS", sha(run), sha(loaded)), [0, 0])
            self.assertIn(other.call("EVALSHA", sha(run), 0), NOSCRIPT)
            with self.redis.client() as server:
                self.assertEqual(server.call("SCRIPT", "EXISTS", sha(run), sha(loaded)), [0, 0])
            for name in ("", "x", sha(run)[:39], sha(run) + "0", "g" * 40, b"\x00" * 40):
                self.assertIn(client.call("EVALSHA", name, 0), NOSCRIPT)

    def test_mistakes_around_names_are_told_as_by_redis(self):
        private, client = self.both()
        for one in (private, client):
            one.call("SCRIPT", "LOAD", "return 1")
        for words in (("EVALSHA", sha("return 1"), "x"), ("EVALSHA", sha("none"), "x"), ("EVALSHA", sha("none"), -1),
                      ("EVALSHA", sha("none"), 2, "k"), ("EVAL", "return 1", 5, "k"), ("EVAL", "return 1"), ("SCRIPT", "LOAD"),
                      ("SCRIPT", "LOAD", "return ("), ("SCRIPT", "LOAD", "#!lua"), ("SCRIPT", "EXISTS"), ("EVALSHA",),
                      ("SCRIPT", "FLUSH", "x"), ("SCRIPT", "FLUSH", "sync", "x"), ("SCRIPT", "NOSUCH")):
            with self.subTest(words):
                self.assertEqual(client.call_raw(*words), private.call_raw(*words))

    def test_flush_forgets_the_tenants_own_scripts_alone(self):
        script = "return 'flushed'"
        with self.weir.client("a") as client, self.weir.client("b") as other:
            for how in ((), ("ASYNC",), ("sync",)):
                for one in (client, other):
                    self.assertEqual(one.call("EVAL", script, 0), b"flushed")
                self.assertEqual(client.call("SCRIPT", "FLUSH", *how), b"OK")
                self.assertEqual(client.call("SCRIPT", "EXISTS", sha(script)), [0])
                self.assertIn(client.call("EVALSHA", sha(script), 0), NOSCRIPT)
                self.assertEqual(other.call("EVALSHA", sha(script), 0), b"flushed")

    def test_script_that_the_server_lost_is_noscript_and_comes_back(self):
        script = "return 'lost'"
        with self.weir.client("a") as client, self.redis.client() as server:
            client.call("EVAL", script, 0)
            server.call("SCRIPT", "FLUSH")
            self.assertEqual(client.call("SCRIPT", "EXISTS", sha(script)), [0])
            self.assertIn(client.call("EVALSHA", sha(script), 0), NOSCRIPT)
            self.assertEqual(client.call("EVAL", script, 0), b"lost")
            self.assertEqual(client.call("EVALSHA", sha(script), 0), b"lost")

    def test_pipelines_and_transactions(self):
        private, client = self.both()
        script, unknown = "return redis.call('incr', 'n')", "0123456789" * 4
        words = [("FLUSHALL",), ("SCRIPT", "LOAD", script), ("EVALSHA", sha(script), 0), ("GET", "n"), ("EVALSHA", unknown, 0),
                 ("MULTI",), ("EVALSHA", sha(script), 0), ("EVALSHA", unknown, 0), ("GET", "n"), ("EXEC",),
                 ("MULTI",), ("SCRIPT", "LOAD", "return 'in multi'"), ("EVAL", "return KEYS[1]", 1, "k"), ("SET", "k", "v"),
                 ("SCRIPT", "EXISTS", sha(script), unknown), ("SCRIPT", "FLUSH"), ("EXEC",),
                 ("EVALSHA", sha("return 'in multi'"), 0), ("GET", "k")] + [("EVALSHA", sha(script), 0), ("INCR", "n")] * 20
        seen = []
        for one in (private, client):
            one.send_raw(b"".join(resp.encode(*command) for command in words))
            seen.append([one.read_raw() for _ in words])
        self.assertEqual(seen[1], seen[0])

    def test_one_script_of_two_tenants_keeps_to_each_ones_keys(self):
        script = "redis.call('set', 'own', ARGV[1]) redis.call('sadd', KEYS[1], ARGV[1]) return redis.call('smembers', 'set')"
        with self.weir.client("a") as a, self.weir.client("b") as b, self.redis.client() as server:
            for one in (a, b):
                one.call("FLUSHALL")
            self.assertEqual(a.call("EVAL", script, 1, "set", "from a"), [b"from a"])
            self.assertEqual(b.call("EVAL", script, 1, "set", "from b"), [b"from b"])
            self.assertEqual(sorted(a.call("EVALSHA", sha(script), 1, "set", "again")), [b"again", b"from a"])
            self.assertEqual([a.call("GET", "own"), b.call("GET", "own")], [b"again", b"from b"])
            self.assertEqual(server.call("MGET", "tenant:a:own", "tenant:b:own"), [b"again", b"from b"])

    def test_channels_are_the_tenants(self):
        with self.redis.client() as listener, self.weir.client("a") as client:
            listener.call("PSUBSCRIBE", "*")
            for form in ("redis", "server") if "valkey" in os.path.basename(self.binary) else ("redis",):
                self.assertEqual(client.call("EVAL", f"return {form}.call('publish', 'c', ARGV[1])", 0, form), 1)
                self.assertEqual(listener.read(), [b"pmessage", b"*", b"tenant:a:c", form.encode()])

    def test_what_passes_by_the_prelude_is_refused_by_the_server(self):
        with self.weir.client("a") as client, self.redis.client() as server:
            server.call("SET", "foreign", "secret")
            server.call("SET", "tenant:b:k", "secret")
            for way in ("_G.redis.call('get', '{}')", "loadstring(\"return redis.call('get', '{}')\")()",
                        "getmetatable(redis).__index.call('get', '{}')"):
                for name in ("foreign", "tenant:b:k"):
                    reply = client.call("EVAL", "return " + way.format(name), 0)
                    with self.subTest(way):
                        self.assertIsInstance(reply, resp.Error)
                        self.assertNotIn(b"secret", reply)

    def test_a_large_script_in_pieces_is_known_by_its_name(self):
        script = "--" + "x" * 3_000_000 + "\nredis.call('set', 'large', 1) return KEYS[1]"
        with self.weir.client("a") as client:
            request = resp.encode("EVAL", script, 1, "k")
            writer = client.send_in_background(request[i:i + 65536] for i in range(0, len(request), 65536))
            self.assertEqual(client.read(), b"k")
            writer.join()
            self.assertEqual(client.call("EVALSHA", sha(script), 1, "k"), b"k")
            self.assertEqual(client.call("GET", "large"), b"1")
            request = resp.encode("SCRIPT", "LOAD", script + " ")
            writer = client.send_in_background(request[i:i + 65536] for i in range(0, len(request), 65536))
            self.assertEqual(client.read(), sha(script + " ").encode())
            writer.join()

    def test_more_scripts_than_are_kept_are_sent_again(self):
        with self.weir.client("a") as client:
            kept = "return 'kept'"
            client.call("SCRIPT", "LOAD", kept)
            for start in range(0, 5000, 100):
                client.pipeline([("SCRIPT", "LOAD", f"return {i}") for i in range(start, start + 100)])
                self.assertEqual(client.call("EVALSHA", sha(kept), 0), b"kept", "used all the time")
            self.assertIn(client.call("EVALSHA", sha("return 0"), 0), NOSCRIPT)
            self.assertEqual(client.call("EVALSHA", sha("return 4999"), 0), 4999)
            self.assertEqual(client.call("EVAL", "return 0", 0), 0)

    def test_trusted_scripts_pass_as_they_are(self):
        script = "redis.call('set', 'anyone', 1) return KEYS[1]"
        with self.weir.client("t") as client, self.redis.client() as server:
            self.assertEqual(client.call("EVAL", script, 1, "k"), b"tenant:t:k")
            self.assertEqual(client.call("EVALSHA", sha(script), 1, "k"), b"tenant:t:k")
            self.assertEqual(server.call("GETDEL", "anyone"), b"1")
            self.assertEqual(client.call("SCRIPT", "LOAD", script), sha(script).encode())
            self.assertRegex(client.call("SCRIPT", "FLUSH"), b"^NOPERM .* of every tenant")

    def test_denied_scripts_are_refused_with_all_that_concerns_them(self):
        with self.weir.client("d") as client:
            for words in (("EVAL", "return 1", 0), ("EVALSHA", sha(""), 0), ("SCRIPT", "LOAD", ""), ("SCRIPT", "EXISTS", sha("")),
                          ("SCRIPT", "FLUSH")):
                self.assertRegex(client.call(*words), b"^NOPERM .*: this tenant may not run scripts")


class ScriptsOnValkey(Scripts):
    binary = os.environ.get("VALKEY_SERVER", "valkey-server")


if __name__ == "__main__":
    unittest.main()
