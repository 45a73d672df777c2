"""A Redis that goes away and comes back, and what clients, operators and metrics see of it meanwhile."""
import collections
import json
import re
import select
import threading
import time
import urllib.error
import urllib.request

import resp
import servers
import terms

ADMIN = {"bind": "127.0.0.1:0"}
# Opens at once and closes soon: most tests are not about how long that takes.
QUICK = {"open_for": "200ms", "probe_interval": "20ms"}
# Opens and closes when the operator says so, and never by itself.
BY_HAND = {"failure_rate": "0%", "consecutive_failures": 1000000, "probe_interval": "50ms"}
MEMORY = {"order": ["memory"]}
STATES = ("closed", "open", "half_open", "forced_open", "disabled")
FALLBACK = rb"^FALLBACK breaker (open|half_open|forced_open): "


def kind(reply):
    """What a client saw, in one or two words: `ok`, or an error's code, and of weir's own the word behind it."""
    if not isinstance(reply, resp.Error):
        return "ok"
    words = reply.decode(errors="replace").replace(":", " ").split()
    if words[0] == "UPSTREAM":
        return " ".join(words[:2])
    return f"FALLBACK {words[2]}" if words[0] == "FALLBACK" else words[0]


def post(weir, action, method="POST"):
    """Status and JSON of the operator's request."""
    url = "http://%s:%d/breaker%s" % (*weir.admin_address(), "/" + action if action else "")
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, json.loads(text) if text.startswith("{") else text


def page(weir, path):
    """Status and JSON of another page."""
    try:
        with urllib.request.urlopen("http://%s:%d%s" % (*weir.admin_address(), path), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def state(weir):
    """By the metrics; exactly one state is 1."""
    found = terms.samples(weir)
    [name] = [name for name in STATES if found["weir_breaker_state", (("state", name),)] == 1]
    return name


def wait_for_state(weir, *wanted, deadline=servers.DEADLINE):
    return servers.wait_until(lambda: (now := state(weir)) in wanted and now, deadline, " or ".join(wanted))


def transitions(weir, to):
    return terms.sample(weir, "weir_breaker_transitions_total", to=to)


def answers(weir, tenant="a"):
    """A tenant's answers without Redis: by memory, empty, refused. Workers count at the end of a turn."""
    found = terms.samples(weir)
    return tuple(found.get(("weir_fallback_answers_total", (("store", store), ("tenant", tenant))), 0)
                 for store in ("memory", "empty", "refused"))


def as_map(reply):
    """A map, from RESP3's or from RESP2's flat array."""
    if isinstance(reply, resp.Map):
        return dict(reply)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def status(client):
    return as_map(client.call("WEIR", "STATUS"))


class OutageTest(servers.ServerTest):
    """Each test has a Redis of its own, as most of them kill it."""

    redis_settings = {}

    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis(**self.redis_settings)

    def restart(self, **settings):
        """A new Redis where the old one was, which has ended."""
        self.redis = self.folder.redis(**{**self.redis_settings, **settings})

    def start(self, breaker=QUICK, fallback=MEMORY, names=("a", "b"), upstream=None, **sections):
        if fallback is not None:
            sections["fallback"] = fallback
        if breaker is not None:
            sections["breaker"] = breaker
        sections.setdefault("tenants", {name: {} for name in names})
        return self.folder.weir(sections.pop("redis", self.redis), names, admin=ADMIN, upstream=upstream or {}, **sections)

    def client(self, weir, tenant="a", protocol=2):
        client = weir.client(tenant, protocol)
        self.addCleanup(client.close)
        return client

    def direct(self):
        client = self.redis.client()
        self.addCleanup(client.close)
        return client

    def asleep(self, seconds):
        """Redis does nothing for so long, from now on: it has stopped to answer PING."""
        sleeper, other = self.redis.client(), self.redis.client()
        self.addCleanup(sleeper.close)
        self.addCleanup(other.close)
        sleeper.send("DEBUG", "SLEEP", seconds)
        other.send("PING")
        while select.select([other.sock], [], [], 0.02)[0]:
            other.read()
            other.send("PING")

    def begin(self, weir):
        """An outage for the clients; Redis itself is well."""
        self.assertEqual(post(weir, "force-open")[0], 200)
        self.assertEqual(state(weir), "forced_open")

    def end(self, weir):
        self.assertEqual(post(weir, "reset")[0], 200)
        wait_for_state(weir, "closed")

    def assert_fallback(self, reply, command=None, states=("open", "half_open", "forced_open")):
        """A -FALLBACK error that names the state, and the command."""
        self.assertIsInstance(reply, resp.Error, command)
        match = re.match(rb"FALLBACK breaker (\w+): ", reply)
        self.assertTrue(match and match[1].decode() in states, reply)
        if command:
            self.assertIn(b"'%s" % command.encode(), reply.lower())


class Load:
    """Clients that ask one thing after another, each on its own thread, and keep what they saw and how long it took.

    `script(index, turn)` gives the command. A client rests a little between two, as it would have else to do."""

    def __init__(self, weir, script, clients=4, tenant="a", rest=0.002):
        self.weir, self.script, self.rest, self.tenant = weir, script, rest, tenant
        self.ending = threading.Event()
        self.seen = [[] for _ in range(clients)]  # (when it was sent, how long it took, kind, reply)
        self.faults = []
        self._threads = [threading.Thread(target=self._run, args=(index,), daemon=True) for index in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, index):
        try:
            turn = 0
            while not self.ending.is_set():
                with self.weir.client(self.tenant) as client:
                    while not self.ending.is_set() and self.ask(client, index, turn):
                        turn += 1
                        self.ending.wait(self.rest)
        except Exception as fault:
            self.faults.append(f"client {index}: {fault!r}")

    def ask(self, client, index, turn):
        """Whether the connection is still there. In the middle of a reply that is all that weir can do: it counts as an
        error, `closed`."""
        began = time.monotonic()
        try:
            reply = self.exchange(client, index, turn)
        except (resp.ConnectionClosed, ConnectionError):
            reply = resp.Error(b"closed")
        self.seen[index].append((began, time.monotonic() - began, kind(reply), reply))
        return reply != b"closed"

    def exchange(self, client, index, turn):
        return client.call(*self.script(index, turn))

    def served(self, count):
        """Waits until each client has seen so many more successes."""
        marks = [len(one) for one in self.seen]
        servers.wait_until(lambda: self.faults or all(
            sum(entry[2] == "ok" for entry in one[mark:]) >= count for one, mark in zip(self.seen, marks)),
            what="clients that are served")

    def stop(self):
        self.ending.set()
        for thread in self._threads:
            thread.join(60)
        assert not self.faults, self.faults

    def kinds(self, since=0.0):
        counted = collections.Counter(entry[2] for one in self.seen for entry in one if entry[0] + entry[1] >= since)
        return dict(sorted(counted.items()))

    def waits(self, over):
        """For each client, how many calls took longer."""
        return [sum(took > over for _, took, _, _ in one) for one in self.seen]
