"""Programs of real client libraries: each directly against a real Redis, which proves the program, then for two tenants at
once through weir.

    run.py [LIBRARY...]        all of them when none is named; --list says what there is

A program is given REDIS_HOST, REDIS_PORT and TENANT, a word it puts into what it writes, so that it notices what is not
its own. It ends with exit code 0 and `ok` on its last line, or says what surprised it.
"""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest
import urllib.request

import servers

HERE = pathlib.Path(__file__).resolve().parent
DEADLINE = float(os.environ.get("WEIR_CLIENT_DEADLINE", "120"))  # seconds for one program
SERVER = os.environ.get("WEIR_SERVER", "redis-server")

HELPERS = {"run.py", "check.py", "check.rb"}
INTERPRETERS = {
    ".py": ["/usr/bin/python3"],
    ".rb": ["/usr/bin/ruby", "-W1"],
    ".php": ["/usr/bin/php"],
    ".pl": ["/usr/bin/perl"],
    ".mjs": [os.environ.get("WEIR_NODE", "node")],
}
COMPILER = ["cc", "-std=gnu11", "-pthread", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
LIBRARIES = {"hiredis": ["-lhiredis"], "hiredis_async": ["-lhiredis"]}  # what a C program is linked with

TENANTS = ("a", "b")


def limited(name, commands, rate, **more):
    return {"name": name, "commands": commands, "rate": rate, **more}


# Limits of the tenants for programs that are about them. Nothing is to be proven directly: a Redis has no limits.
LIMITS = {
    "redis_py_limits": [
        limited("writes", ["set"], "20/1h"), limited("lists", ["rpush"], "6/1h"), limited("sets", ["sadd"], "3/1h"),
        limited("scripts", ["evalsha", "eval"], "4/1h"), limited("asynchronous", ["hset"], "10/1h"),
        limited("slow", ["getset"], "1/100ms", burst=1, action="delay", max_delay="10s"),
    ],
    "limits": [limited("writes", ["set"], "20/1h"), limited("scripts", ["evalsha"], "30/1h"),
               limited("new_scripts", ["eval"], "30/1h")],
}

# What a server itself makes impossible: library, a pattern of its INFO, and why. Through weir it has to work all the same.
IMPOSSIBLE_DIRECTLY = (
    ("celery_app", r"valkey_version:8\.0", "Celery unsubscribes twice, and Valkey 8.0 answers the second with -NOSUB"),
)


def programs():
    """Library to source file. Those below npm/ need what npm/install.sh installs."""
    found = {}
    for path in sorted(HERE.glob("*.*")) + sorted(HERE.glob("npm/*.mjs")):
        if path.name not in HELPERS and (path.suffix in INTERPRETERS or path.suffix == ".c"):
            found[path.stem] = path
    return found


class Program:
    """One run of one program, in a process group of its own, so that the workers it starts end with it."""

    def __init__(self, command, name, address, tenant, folder):
        self.name, self.tenant = name, tenant
        self.folder = pathlib.Path(folder, f"{name}-{tenant}")
        self.folder.mkdir()
        self._output = self.folder / "output"
        self._started = time.monotonic()
        with open(self._output, "wb") as output:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                           cwd=self.folder, env=self._environment(address), start_new_session=True)

    def _environment(self, address):
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        return {**kept, "REDIS_HOST": address[0], "REDIS_PORT": str(address[1]), "TENANT": self.tenant,
                "HOME": str(self.folder), "TMPDIR": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1"}

    def finish(self):
        """What went wrong, or None; `seconds` is how long it took."""
        try:
            code = self._child.wait(max(0, DEADLINE - (time.monotonic() - self._started)))
        except subprocess.TimeoutExpired:
            code = f"nothing within {DEADLINE:g} s"
        finally:
            self.end()
        self.seconds = time.monotonic() - self._started
        output = self._output.read_text(errors="replace").rstrip()
        if code == 0 and output.splitlines()[-1:] == ["ok"]:
            return None
        return f"{self.name} as tenant {self.tenant}: exit {code}\n{output[-20000:]}"

    def end(self):
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._child.wait()


class Strangers:
    """Keys of nobody that runs here, under names that programs use too: nobody may see, change or remove them."""

    DATABASES = range(16)

    def __init__(self, redis):
        with redis.client() as client:
            for database in self.DATABASES:
                client.call("SELECT", database)
                for prefix in ("", "tenant:", "tenant:c:", "tenant:ab:", "tenant:A:"):
                    for name in ("key", "counter", "list", "foreign"):
                        client.call("SET", prefix + name, "a stranger's")
                    client.call("RPUSH", prefix + "queue", "a stranger's")
        self._before = self.everything(redis)

    def everything(self, redis):
        """The value of every key of every database, as DUMP has it."""
        found = {}
        with redis.client() as client:
            for database in self.DATABASES:
                client.call("SELECT", database)
                for key in client.call("KEYS", "*"):
                    found[database, key] = client.call("DUMP", key)
        return found

    def harmed(self, redis):
        after = self.everything(redis)
        return [f"a stranger's key is not what it was: {place}" for place in sorted(self._before)
                if after.get(place) != self._before[place]]

    def left_behind(self, redis):
        """What is there besides; every program ends with a flush."""
        return [f"left behind: {place}" for place in sorted(self.everything(redis).keys() - self._before.keys())][:20]


class ClientTest(servers.ServerTest):
    """Methods for each library are added below."""

    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis(binary=SERVER, port=servers.free_port(), bind="127.0.0.1",
                                       notify_keyspace_events="KEA")
        with self.redis.client() as client:
            self.info = client.call("INFO", "server").decode()

    def command(self, path):
        if path.suffix != ".c":
            return [*INTERPRETERS[path.suffix], str(path)]
        program = os.path.join(self.folder.path, path.stem)
        subprocess.run([*COMPILER, "-o", program, str(path), *LIBRARIES[path.stem]], check=True, timeout=DEADLINE)
        return [program]

    def run_programs(self, name, path, addresses):
        """Runs the program once for each tenant, all at the same time."""
        command = self.command(path)
        running = []
        self.addCleanup(lambda: [program.end() for program in running])
        for tenant, address in addresses.items():
            running.append(Program(command, name, address, tenant, self.folder.path))
        faults = [program.finish() for program in running]
        print(f"{name}: " + ", ".join(f"{program.seconds:.1f} s" for program in running), flush=True)
        return [fault for fault in faults if fault]

    def check(self, faults, *logs):
        if faults:
            self.fail("\n".join([*faults, *(log.tail() for log in logs)]))

    def directly(self, name, path):
        if name in LIMITS:
            self.skipTest("a Redis has no limits")
        for library, pattern, reason in IMPOSSIBLE_DIRECTLY:
            if library == name and re.search(pattern, self.info):
                self.skipTest(reason)
        port = int(self.redis.argv[self.redis.argv.index("--port") + 1])
        self.check(self.run_programs(name, path, {"direct": ("127.0.0.1", port)}))

    def through_weir(self, name, path):
        strangers = Strangers(self.redis)
        # Valkey 8.0.1 runs the scripts of all in one interpreter, which weir takes for a reason to run none.
        scripts = {"shared_interpreter": "accept" if "valkey_version" in self.info else "refuse"}
        weir = self.folder.weir(self.redis, TENANTS, workers=2, admin={"bind": "127.0.0.1:0"},
                                tenants={tenant: {"scripts": scripts, "limits": LIMITS.get(name, [])} for tenant in TENANTS})
        faults = self.run_programs(name, path, {tenant: weir.addresses[tenant] for tenant in TENANTS})
        self.check(faults + strangers.harmed(self.redis) or strangers.left_behind(self.redis), weir)
        self.wait_until_nothing_is_held(weir)

    def wait_until_nothing_is_held(self, weir):
        """Clients are gone, and the connections they had for themselves are back in the pool."""
        def held():
            gauges = metrics(weir)
            dedicated, idle = (gauges["weir_upstream_dedicated_connections" + suffix] for suffix in ("", "_idle"))
            return (gauges["weir_client_connections"], dedicated - idle, gauges["weir_upstream_dedicated_waiting"])
        try:
            servers.wait_until(lambda: held() == (0, 0, 0))
        except AssertionError:
            self.fail("clients, connections lent to them, clients that wait for one: %s" % (held(),))


def metrics(weir):
    """Each metric's sum over its labels."""
    with urllib.request.urlopen("http://%s:%d/metrics" % weir.admin_address(), timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    sums = {}
    for line in lines:
        if match := re.match(r"(\w+)(?:\{.*\})? (\S+)$", line):
            sums[match[1]] = sums.get(match[1], 0) + float(match[2])
    return sums


def add_tests(name, path):
    def directly(self):
        self.directly(name, path)

    def through_weir(self):
        self.through_weir(name, path)
    setattr(ClientTest, f"test_{name}_1_directly", directly)
    setattr(ClientTest, f"test_{name}_2_through_weir", through_weir)


def main():
    known = programs()
    if "--list" in sys.argv:
        return print(*known, sep="\n")
    wanted = sys.argv[1:] or [name for name in os.environ.get("WEIR_CLIENTS", "").split(",") if name] or list(known)
    if unknown := [name for name in wanted if name not in known]:
        sys.exit(f"no such program: {', '.join(unknown)}; there are {', '.join(known)}")
    for name in wanted:
        add_tests(name, known[name])
    unittest.main(argv=sys.argv[:1], verbosity=2)


if __name__ == "__main__":
    main()
