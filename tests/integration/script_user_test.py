"""The user for a tenant's scripts, on real servers: made as `weir --script-user` says, then attacked from inside EVAL.

The servers answer by themselves here, weir is not between: what is shown is that the server stops a script. Every
attack is refused; every command that the server lists is tried in the shapes of the isolation audit, and no canary
comes back, nothing foreign changes. What scripts are for works.
"""
import hashlib
import hmac
import os
import random
import re
import shlex
import shutil
import subprocess
import unittest

import audit_cases
import audit_world
import resp
import script_attacks
import servers

VALKEY = os.environ.get("WEIR_VALKEY_BINARY") or shutil.which("valkey-server")
REFUSED = re.compile(rb"can't access at least one of the keys|can't run this command|can't publish to the channel|"
                     rb"ACL failure in script|denied due to insufficient ACL|not allowed from script|"
                     rb"Unknown Redis command|NOPERM|Unknown command called from")
OWN_NAME = re.compile(rb"[slhtzxgpy]\d")
CALL = "return redis.pcall(unpack(ARGV))"


def password_for(prefix, upstream_password=b""):
    """As every sidecar of a tenant works it out."""
    return hmac.new(upstream_password, b"weir scripts " + prefix, hashlib.sha256).hexdigest()


def script_user_commands(folder, name, server_version, **tenant):
    """What weir prints for redis-cli: the commands as lists of words."""
    path = os.path.join(folder.path, "script-user.yaml")
    with open(path, "w", encoding="utf-8") as out:
        out.write("listeners: [{bind: '127.0.0.1:0', tenant: %s}]\ntenants: {%s: %s}\n"
                  % (name, name, servers.json.dumps(tenant)))
    done = subprocess.run([servers.weir_binary(), "--script-user", name, "--server-version", server_version, path],
                          capture_output=True, text=True, timeout=servers.DEADLINE, check=False)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) if '"' in line else line.split(" ") for line in done.stdout.splitlines()]


class ScriptUser:
    """The tests, for each kind of server."""

    binary = "redis-server"
    isolated = 1  # what the server says of whether it keeps scripts apart

    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis(binary=self.binary)
        self.admin = self.redis.client()
        self.addCleanup(self.admin.close)
        info = self.admin.call("INFO", "server")
        self.version = re.search(rb"redis_version:(\S+)", info)[1].decode()

    def log_in(self, name="a", prefix="tenant:a:", **tenant):
        """A connection of the user, whose password only those who know the upstream's can tell."""
        make, _ = script_user_commands(self.folder, name, self.version, prefix=prefix, **tenant)
        self.assertEqual(self.admin.call(*make), b"OK", make)
        user = self.redis.client()
        self.addCleanup(user.close)
        self.assertEqual(user.call("AUTH", make[2], password_for(prefix.replace("{tenant}", name).encode())), b"OK")
        return user

    def assert_refused(self, reply, what):
        self.assertIsInstance(reply, resp.Error, what)
        self.assertRegex(reply, REFUSED, what)

    def world(self):
        world = audit_world.World(self.redis, self.folder.redis("private", binary=self.binary))
        self.addCleanup(world.close)
        return world

    def assert_untouched(self, world, what):
        self.assertEqual(world.foreign_state(), world.before, what)
        self.assertEqual(world.server_state(), world.server_before, what)
        self.assertEqual(world.overheard(), [], what)

    def test_every_attack_from_a_script_is_refused(self):
        user = self.log_in()
        world = self.world()
        for script in script_attacks.ATTACKS:
            for arguments in ((0, script_attacks.FOREIGN), (1, "tenant:a:s0", script_attacks.FOREIGN)):
                self.assert_refused(user.call("EVAL", script, *arguments), script)
        self.assert_untouched(world, "after all attacks")

    def test_a_script_cannot_be_handed_foreign_keys(self):
        user = self.log_in()
        sha = user.call("SCRIPT", "LOAD", "return 1")
        self.assertEqual(user.call("SCRIPT", "EXISTS", sha), [1])
        for command, what in (("EVAL", "return 1"), ("EVAL_RO", "return 1"), ("EVALSHA", sha), ("EVALSHA_RO", sha)):
            self.assertEqual(user.call(command, what, 1, "tenant:a:k"), 1)
            for key in ("tenant:b:k", "k", "", "tenant:a", "Tenant:a:k", "tenant:a\x00:k", "tenant:ab:k"):
                self.assert_refused(user.call(command, what, 1, key), key)
                self.assert_refused(user.call(command, what, 2, "tenant:a:k", key), key)

    def test_lies_about_numkeys_get_an_error_and_reach_nothing(self):
        user = self.log_in()
        world = self.world()
        for script in script_attacks.LIES:
            self.assertIsInstance(user.call("EVAL", script, 0), resp.Error, script)
        self.assert_untouched(world, "after all lies")

    def test_what_scripts_are_for_works(self):
        user = self.log_in()
        world = self.world()
        for script, keys, arguments, expected in script_attacks.WORK:
            world.reset()
            self.assertEqual(user.call("EVAL", script, len(keys), *keys, *arguments), expected, script)
        self.assert_untouched(world, "after all work")

    def test_no_command_of_the_server_shows_or_changes_anything_foreign(self):
        user = self.log_in()
        world = self.world()
        cases = audit_cases.Cases(self.admin.call("COMMAND"), random.Random(1), 16)
        own = audit_world.own_keys(audit_world.PREFIX)
        names = {command[2] if command[0] == "XGROUP" else command[1] for command in own}
        reset = [("SELECT", 0), ("DEL", *sorted(names)), *own]
        worked = set()
        for name in sorted(cases.rows):
            for args in cases.of(name):
                for shape in (args, [audit_world.PREFIX + arg if OWN_NAME.fullmatch(arg) else arg for arg in args]):
                    world.shared.pipeline(reset)
                    raw = user.call_raw("EVAL", CALL, 0, *shape)
                    self.assertEqual(self._leaks(shape, raw), [], shape)
                    if not raw.startswith(b"-"):
                        worked.add(name)
            self.assert_untouched(world, name)
        make, _ = script_user_commands(self.folder, "a", self.version)
        self.assertLessEqual(worked, {word[1:] for word in make if word.startswith("+")})
        self.assertGreater(len(worked), 140, "most commands were also tried with keys of the tenant's own")

    @staticmethod
    def _leaks(args, raw):
        """Canaries that are no echo of what the script itself named. Names of its own part are its own."""
        for arg in args:
            if b"canary" in arg:
                raw = raw.replace(arg, b"")
        return [word for word in (b"vcanary", b"ncanary") if word in raw.lower()]

    def test_glob_characters_of_a_prefix_mean_themselves(self):
        user = self.log_in("g", "[{tenant}]?\\:")
        own = "[g]?\\:"
        script = "return redis.call('SET', ARGV[1], 'x')['ok']"
        self.assertEqual(user.call("EVAL", script, 1, own + "k", own + "*"), b"OK")
        for key in ("g?\\:k", "[g]x\\:k", "[g]?:k", "[g]?\\", "\\[g\\]\\?\\\\:k", "[g]?x:k"):
            self.assert_refused(user.call("EVAL", script, 0, key), key)
        channel = "return redis.call('PUBLISH', ARGV[1], 'x')"
        self.assertEqual(user.call("EVAL", channel, 0, own + "c"), 0)
        self.assert_refused(user.call("EVAL", channel, 0, "[g]x\\:c"), "channel")

    def test_a_list_of_databases_binds_scripts_too(self):
        user = self.log_in(databases=[0, 2])
        self.assertEqual(user.call("SELECT", 2), b"OK")
        self.assertEqual(user.call("EVAL", "redis.call('SELECT', 0) return redis.call('SET', KEYS[1], 'x')['ok']", 1,
                                   "tenant:a:k"), b"OK")
        for script in ("return redis.call('SELECT', 1)", "return redis.call('SELECT', '01')",
                       "return redis.call('SELECT', '0 ')", "return redis.call('SELECT', '-1')",
                       "return redis.call('MOVE', KEYS[1], 1)", "return redis.call('COPY', KEYS[1], KEYS[1], 'DB', 1)"):
            self.assert_refused(user.call("EVAL", script, 1, "tenant:a:k"), script)

    def test_a_prefix_like_an_option_does_not_open_sort_and_xread(self):
        user = self.log_in("o", "b")
        self.admin.call("RPUSH", "bl", "1")
        for script in ("return redis.call('SORT', 'bl', 'STORE', 'by', 'STORE', 'foreign')",
                       "return redis.call('SORT', 'bl', 'STORE', 'bx')"):
            self.assert_refused(user.call("EVAL", script, 0), script)
        self.assertEqual(self.admin.call("EXISTS", "foreign"), 0)
        stream = self.log_in("s", "s")
        self.admin.call("XADD", "foreign", "1-1", "f", "v")
        self.admin.call("XGROUP", "CREATE", "foreign", "g", "0")
        self.assert_refused(stream.call("EVAL", "return redis.call('XREADGROUP', 'NOACK', 'GROUP', 'g', 'streams', "
                                        "'streams', 'foreign', '>')", 0), "a consumer called streams")

    def test_making_the_user_again_changes_nothing_and_cuts_nobody_off(self):
        user = self.log_in()
        before = self.admin.call("ACL", "LIST")
        self.log_in()
        self.assertEqual(self.admin.call("ACL", "LIST"), before)
        self.assertEqual(user.call("EVAL", "return redis.call('SET', KEYS[1], 'x')['ok']", 1, "tenant:a:k"), b"OK")

    def test_a_user_that_had_more_is_cut_down(self):
        make, _ = script_user_commands(self.folder, "a", self.version)
        self.admin.call("ACL", "SETUSER", make[2], "on", "nopass", "+@all", "allkeys", "allchannels",
                        "(+get ~*)")
        user = self.log_in()
        self.assert_refused(user.call("EVAL", "return redis.call('GET', 'k')", 0), "key")
        self.assertIsInstance(self.redis_call("AUTH", make[2], "anything"), resp.Error)

    def redis_call(self, *args):
        with self.redis.client() as client:
            return client.call(*args)

    def test_the_probe_tells_whether_scripts_can_meddle_with_each_other(self):
        _, probe = script_user_commands(self.folder, "a", self.version)
        user = self.log_in()
        self.assertEqual(user.call(*probe), self.isolated)
        self.assertEqual(user.call(*probe), self.isolated, "asking changes nothing")
        user.call("EVAL", "setfenv(0, setmetatable({planted = 'by a'}, {__index = _G}))", 0)
        user.call("EVAL", "getmetatable('').__index = function() return 'by a' end", 0)
        other = self.log_in("b", "tenant:b:")
        seen = [other.call("EVAL", script, 0) for script in ("return planted", "return ('x').planted")]
        self.assertEqual(b"by a" in seen, not self.isolated, seen)


class RedisScriptUser(ScriptUser, servers.ServerTest):
    pass


@unittest.skipUnless(VALKEY, "no valkey-server here")
class ValkeyScriptUser(ScriptUser, servers.ServerTest):
    binary = VALKEY
    isolated = 0  # 8.0.1


if __name__ == "__main__":
    unittest.main(verbosity=2)
