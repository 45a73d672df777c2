"""The process: command line, configuration errors, listeners that cannot be bound, logs, and the drain on SIGTERM."""
import base64
import hashlib
import json
import re
import signal
import socket
import subprocess
import unittest
import urllib.error
import urllib.request

import resp
import servers


class CommandLineTest(servers.ServerTest):
    def run_weir(self, *args):
        return subprocess.run([servers.weir_binary(), *args], capture_output=True, text=True,
                              timeout=servers.DEADLINE, check=False)

    def file(self, text):
        path = self.folder.path + "/config.yaml"
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    GOOD = ("listeners:\n  - {bind: '127.0.0.1:0', tenant: acme}\n"
            "upstream: {url: 'redis://127.0.0.1:1/0'}\ntenants: {acme: {}}\n")

    def test_help_and_version(self):
        done = self.run_weir("--help")
        self.assertEqual(done.returncode, 0)
        for word in ("--config", "--check-config", "--version"):
            self.assertIn(word, done.stdout)
        done = self.run_weir("--version")
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "weir 0.1.0"))

    def test_check_config_says_ok_without_starting(self):
        path = self.file(self.GOOD)
        for args in (("--check-config", path), ("--check-config", "--config", path), ("-c", path, "--check-config")):
            done = self.run_weir(*args)
            self.assertEqual((done.returncode, done.stdout.strip(), done.stderr), (0, path + ": ok", ""), args)

    def test_bad_command_line_is_exit_2(self):
        for args in ((), ("--nosuch",), ("--config",), ("/nonexistent/weir.yaml",)):
            done = self.run_weir(*args)
            self.assertEqual(done.returncode, 2, (args, done.stderr))
            self.assertTrue(done.stderr.strip(), args)

    BAD = (  # what is put in, and line and column where it goes wrong
        ("nosuch: 1\n", (5, 1)), ("workers: many\n", (5, 10)), ("drain_timeout: 10\n", (5, 16)),
        ("drain_timeout: 5 parsecs\n", (5, 16)),
        ("clients: {max_connections: -1}\n", (5, 28)), ("clients: {nosuch: 1}\n", (5, 11)), ("clients: []\n", (5, 10)),
        ("log: {level: loud}\n", (5, 14)), ("admin: {bind: nowhere}\n", (5, 15)), ("workers: [1\n", None),
        ("\tworkers: 1\n", None),
    )

    def test_bad_configuration_is_exit_2_with_file_line_and_column(self):
        for text, place in self.BAD:
            path = self.file(self.GOOD + text)
            for args in ((path,), ("--check-config", path)):
                done = self.run_weir(*args)
                self.assertEqual(done.returncode, 2, (text, done.stderr))
                line, column = place or (r"\d+", r"\d+")
                self.assertRegex(done.stderr, rf"(?m)^{re.escape(path)}:{line}:{column}: \S", text)

    def test_missing_secret_is_exit_2(self):
        for option in ("password_file: /nonexistent/secret", "password_env: NO_SUCH_VARIABLE_HERE"):
            path = self.file(self.GOOD.replace("upstream: {", "upstream: {" + option + ", "))
            self.assertEqual(self.run_weir(path).returncode, 2, option)

    def hash_password(self, password, *args):
        done = subprocess.run([servers.weir_binary(), "--hash-password", *args], input=password, capture_output=True,
                              timeout=servers.DEADLINE, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_hash_password_makes_lines_for_a_passwords_file(self):
        for password, hashed in ((b"hunter2", b"hunter2"), (b"hunter2\n", b"hunter2"), (b"two words\r\n", b"two words"),
                                 (b"a\n\n", b"a\n"), (b"\0\xff", b"\0\xff")):
            code, line, fault = self.hash_password(password, "--sha256")
            self.assertEqual((code, line, fault), (0, f"sha256:{hashlib.sha256(hashed).hexdigest()}\n", ""))
            code, line, fault = self.hash_password(password)
            self.assertEqual((code, fault), (0, ""))
            cost, salt, digest = re.fullmatch(r"\$scrypt\$(ln=15,r=8,p=1)\$([^$]+)\$([^$]+)\n", line).groups()
            salt, digest = (base64.b64decode(part + "=" * (-len(part) % 4)) for part in (salt, digest))
            self.assertEqual(len(salt), 16)
            self.assertEqual(digest, hashlib.scrypt(hashed, salt=salt, n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=32))

    def test_hash_password_takes_another_salt_each_time_and_its_lines_load(self):
        lines = [self.hash_password(b"x")[1] for _ in range(2)] + [self.hash_password(b"x", "--sha256")[1]]
        self.assertEqual(len(set(lines)), 3)
        hashes = self.folder.path + "/hashes"
        with open(hashes, "w", encoding="utf-8") as out:
            out.write("".join(lines))
        path = self.file("listeners: [{bind: '127.0.0.1:0', tenant_from: auth}]\n"
                         "tenants: {acme: {passwords_file: '%s'}}\n" % hashes)
        done = self.run_weir("--check-config", path)
        self.assertEqual((done.returncode, done.stdout.strip(), done.stderr), (0, path + ": ok", ""))

    def test_hash_password_without_a_good_password_is_exit_2(self):
        for password in (b"", b"\n", b"x" * 70000):
            code, line, fault = self.hash_password(password)
            self.assertEqual((code, line), (2, ""))
            self.assertIn("password", fault)
        self.assertEqual(self.run_weir("--sha256", self.file(self.GOOD)).returncode, 2)

    def test_script_user_is_printed_for_redis_cli(self):
        path = self.file(self.GOOD)
        done = self.run_weir("--script-user", "acme", path)
        make, probe = done.stdout.splitlines()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(make, r"^ACL SETUSER weir:acme:82625292e73f0cd6 reset on #[0-9a-f]{64} ~tenant:acme:\* ")
        self.assertRegex(probe, r'^EVAL "local .*" 0$')
        self.assertNotIn("+sort", make.split(" "), "which old servers do not check")
        self.assertIn("+sort", self.run_weir("--script-user", "acme", "--server-version", "7.0.15",
                                             path).stdout.split(" "))

    def test_script_user_that_cannot_be_is_exit_2(self):
        path = self.file(self.GOOD)
        for args, fault in ((("--script-user", "globex"), "no tenant 'globex'"),
                            (("--script-user", "acme", "--server-version", "x"), "'x' is no version"),
                            (("--script-user", "acme", "--server-version", "1.2.3.4"), "is no version"),
                            (("--script-user", "acme", "--server-version", "5.0.14"), "before 6.0"),
                            (("--server-version", "7.0"), "--script-user")):
            done = self.run_weir(*args, path)
            self.assertEqual((done.returncode, done.stdout), (2, ""), args)
            self.assertIn(fault, done.stderr)
        path = self.file(self.GOOD.replace("acme: {}", "acme: {scripts: {mode: deny}}"))
        self.assertIn("no user of their own", self.run_weir("--script-user", "acme", path).stderr)

    def test_address_in_use_is_exit_1(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            done = self.run_weir(self.file(self.GOOD.replace("127.0.0.1:0", address)))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(address, done.stderr)


class DrainTest(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis()

    def test_what_is_in_flight_is_finished_on_sigterm(self):
        weir = self.folder.weir(self.redis, workers=2, admin={"bind": "127.0.0.1:0"})
        clients = [weir.client("ab"[i % 2]) for i in range(8)]
        self.redis.signal(signal.SIGSTOP)
        for client in clients:
            client.send_raw((resp.encode("SET", "k", "v") + resp.encode("GET", "k")) * 50)
        self._wait_until_in_flight(weir, 800)
        weir.signal(signal.SIGTERM)
        servers.wait_until(lambda: self._refuses(weir.addresses["a"]), what="the listener closed")
        self.redis.signal(signal.SIGCONT)
        for client in clients:
            self.assertEqual([client.read() for _ in range(100)], [b"OK", b"v"] * 50)
            self.assertEqual(client.read_until_closed(), b"")
            client.close()
        self.assertEqual(weir.wait(), 0)

    @staticmethod
    def _wait_until_in_flight(weir, count):
        url = "http://%s:%d/health" % weir.admin_address()

        def in_flight():
            try:
                with urllib.request.urlopen(url, timeout=30) as answer:
                    return json.load(answer)["in_flight"] >= count
            except urllib.error.HTTPError as error:
                return json.load(error)["in_flight"] >= count
        servers.wait_until(in_flight, what=f"{count} commands in flight")

    @staticmethod
    def _refuses(address):
        try:
            resp.connect(address).close()
            return False
        except OSError:
            return True

    def test_idle_clients_do_not_hold_up_the_end(self):
        weir = self.folder.weir(self.redis, workers=2)
        clients = [weir.client() for _ in range(50)]
        for client in clients:
            client.call("PING")
        weir.signal(signal.SIGTERM)
        for client in clients:
            self.assertEqual(client.read_until_closed(), b"")
            client.close()
        self.assertEqual(weir.wait(deadline=8), 0)

    def test_a_hanging_upstream_holds_it_up_no_longer_than_drain_timeout(self):
        weir = self.folder.weir(self.redis, drain_timeout="500ms", upstream={"command_timeout": "60s"})
        with weir.client() as client:
            client.call("SET", "k", "v")
            self.redis.signal(signal.SIGSTOP)
            client.send("GET", "k")
            weir.signal(signal.SIGTERM)
            self.assertEqual(weir.wait(deadline=10), 0)
            self.redis.signal(signal.SIGCONT)

    def test_sigint_ends_it_too(self):
        weir = self.folder.weir(self.redis)
        weir.signal(signal.SIGINT)
        self.assertEqual(weir.wait(), 0)

    def test_unix_socket_is_gone_afterwards_and_a_stale_one_is_replaced(self):
        path = self.folder.path + "/listen.sock"
        listeners = [{"bind": "unix:" + path, "tenant": "a"}]
        first = self.folder.weir(self.redis, ("a",), listeners=listeners)
        first.signal(signal.SIGKILL)
        first.wait()
        first.stop = lambda: None  # killed on purpose
        second = self.folder.weir(self.redis, ("a",), listeners=listeners)
        with second.client() as client:
            self.assertEqual(client.call("PING"), b"PONG")
        second.stop()
        self.assertTrue(self._refuses(path))

    def test_json_log_has_one_object_a_line(self):
        config = servers.weir_config(self.redis, log={"format": "json", "level": "debug"},
                                     admin={"bind": "127.0.0.1:0"})
        path = self.folder.path + "/json.yaml"
        with open(path, "w", encoding="utf-8") as out:
            json.dump(config, out)
        weir = servers.Process([servers.weir_binary(), path])
        self.addCleanup(weir.kill)
        weir.wait_for('"msg":"ready"')
        weir.signal(signal.SIGTERM)
        self.assertEqual(weir.wait(), 0)
        lines = [json.loads(line) for line in weir.lines]
        listening = [line for line in lines if line["msg"] == "listening"]
        self.assertEqual({line["tenant"] for line in listening}, {"a", "b"})
        self.assertTrue(all(re.match(r"127\.0\.0\.1:\d+$", line["address"]) for line in listening))

    def test_hostile_input_cannot_forge_log_lines(self):
        weir = self.folder.weir(self.redis, log={"level": "debug"})
        with weir.client() as client:
            client.call("CLIENT", "SETNAME", "x")
            client.call(b"nosuch\n2030-01-01 error forged", b"\x1b[31m\nforged")
            client.send_raw(b"*1\r\n$5\r\nab\r\ncforged\n\n")
            client.read_until_closed()
        self.assertFalse([line for line in weir.lines if line.startswith(("2030-01-01 error", "forged"))])


if __name__ == "__main__":
    unittest.main(verbosity=2)
