"""A scenario runs twice: with a private Redis for each tenant, which proves what the scenario expects, and through
weir,
where the tenants share one. Every reply, every push and the data at the end must be the same.

    def scenario(side):
        client, other, foreign = side.client(), side.client(), side.client("b")
        client.call("MULTI") ...
    self.same(scenario)

Tenant b is full of canaries under the names that tenant a uses. After each run through weir nothing of them has been
seen or changed unless the scenario is b too, and no connection to the server is left in a state.

WEIR_TEST_DIRECT=1 puts a second set of private servers in weir's place: for proving a new test's expectations.
"""
import collections
import os
import re
import urllib.request

import resp
import servers

VALKEY = "valkey" in os.environ.get("WEIR_SERVER", "")  # some texts are other ones there
# What weir says in Redis' words where Valkey has its own.
OWN_WORDS = (rb"-ERR (?:MULTI calls can not be nested|WATCH inside MULTI is not allowed|Command not allowed inside a tran"
             rb"saction)") if VALKEY else None
DIRECT = bool(os.environ.get("WEIR_TEST_DIRECT"))
PREFIX = b"tenant:a:"
# Names that scenarios use; every one of them is there for tenant b, and for others whose prefix is nearly that of a.
NAMES = [b"k", b"k1", b"k2", b"k3", b"n", b"l", b"l1", b"l2", b"h", b"t", b"t1", b"t2", b"z", b"z1", b"z2", b"x",
         b"x1",
         b"missing", b"streams", b"w_1", b"d_1"]
NEIGHBOURS = [b"tenant:b:", b"tenant:ab:", b"tenant:a", b"Tenant:a:", b""]


class Talker(resp.Client):
    """A client that keeps what it is told: replies and pushes apart, as a push may come before or behind a reply."""

    def __init__(self, address, label, protocol, timeout):
        super().__init__(address, 2, timeout)
        self.label, self.protocol = label, protocol
        self.replies, self.pushes = [], []
        self._early, self._sent = collections.deque(), b""
        self.mask = None  # a pattern for what two servers do not share, such as ids
        if protocol != 2:
            assert not isinstance(self.ask("HELLO", protocol), resp.Error)

    def send_raw(self, data):
        self._sent = data
        super().send_raw(data)

    def read_raw(self):
        """The next reply; pushes before it wait for push()."""
        return self._keep(self._next_reply())

    def push_raw(self):
        """The next push; it is an error when a reply comes before one."""
        raw = self._early.popleft() if self._early else super().read_raw()
        assert raw[:1] == b">", f"{self.label}: a reply where a push was due: {raw[:200]!r}"
        return self._keep(raw)

    def push(self):
        return resp.parse(self.push_raw())

    def message(self):
        """What a subscriber gets: a push, or in RESP2 an array."""
        return self.push() if self.protocol == 3 else self.read()

    def told(self, *args, count=1):
        """Sends what is answered by messages, such as SUBSCRIBE, and gives `count` of them."""
        self.send(*args)
        return [self.message() for _ in range(count)]

    def quiet_message(self):
        """A message that is not compared: where the two sides may put them in another order."""
        raw = self._early.popleft() if self._early else super().read_raw()
        return resp.parse(raw)

    def unordered(self, count):
        """So many messages, whose order is the server's own (that of its hash table of patterns, say)."""
        found = sorted(self._early.popleft() if self._early else super(Talker, self).read_raw() for _ in range(count))
        for raw in found:
            self._keep(raw)

    def ask_message(self, *args):
        """Sends what one message answers that is not compared."""
        self.send(*args)
        return self.quiet_message()

    def ask(self, *args):
        """A question whose answer is not compared."""
        self.send(*args)
        return resp.parse(self._next_reply())

    def masked(self, pattern, *args):
        """A call in whose reply what matches the pattern is not compared."""
        self.mask = pattern
        try:
            return self.call(*args)
        finally:
            self.mask = None

    def read_until_closed(self):
        rest = b"".join(self._early) + super().read_until_closed()
        self._keep(rest)
        return rest

    def closed(self):
        """Whether the other side has hung up, once it has; anything that still comes is an error."""
        return super().read_until_closed() == b"" and not self._early

    def _next_reply(self):
        while (raw := super().read_raw())[:1] == b">":
            self._early.append(raw)
        return raw

    def _keep(self, raw):
        seen = re.sub(self.mask, b"#", raw) if self.mask else raw
        (self.pushes if raw[:1] == b">" else self.replies).append((self._sent[-300:], seen))
        return raw


class Side:
    """One place to run a scenario at: for each tenant an address, and the server behind it."""

    def __init__(self, name, addresses, behind, prefixes, protocol):
        self.name, self.protocol = name, protocol
        self._addresses, self._behind, self._prefixes = addresses, behind, prefixes
        self.talkers, self.notes, self._admins = [], [], {}
        self.played = set()  # tenants that the scenario was

    def client(self, tenant="a", protocol=None, timeout=resp.TIMEOUT):
        self.played.add(tenant)
        label = f"client {len(self.talkers)} of {tenant}"
        self.talkers.append(Talker(self._addresses[tenant], label, protocol or self.protocol, timeout))
        return self.talkers[-1]

    def server(self, tenant="a"):
        return self._behind[tenant]

    def admin(self, tenant="a"):
        """A connection of the operator's, straight to the server."""
        if tenant not in self._admins:
            self._admins[tenant] = self.server(tenant).client()
        return self._admins[tenant]

    def raw(self, name, tenant="a"):
        """The name under which the server has a key or channel of the tenant's."""
        return self._prefixes[tenant] + resp.to_bytes(name)

    def note(self, value):
        """Something else that must be the same at both sides."""
        self.notes.append(value)
        return value

    def blocked(self, count=1, tenant="a"):
        """Waits until so many clients are blocked on the server itself."""
        servers.wait_until(lambda: b"blocked_clients:%d\r\n" % count in self.admin(tenant).call("INFO", "clients"),
                           what=f"{count} blocked clients at the {self.name}")

    def contents(self, tenant="a"):
        """Every key the tenant has, with a digest of its value and whether it expires."""
        admin, prefix, found = self.admin(tenant), self._prefixes[tenant], {}
        for line in re.findall(rb"db(\d+):", admin.call("INFO", "keyspace")):
            admin.call("SELECT", line)
            for key in admin.call("KEYS", "*"):
                if key.startswith(prefix):
                    digest = admin.call("DEBUG", "DIGEST-VALUE", key)
                    found[int(line), key[len(prefix):]] = digest, admin.call("TYPE", key)
        admin.call("SELECT", 0)
        return found

    def close(self):
        for client in (*self.talkers, *self._admins.values()):
            client.close()


class SidesTest(servers.ServerTest):
    """Servers for all tests of a class; `settings` go to weir, `options` to every Redis."""

    settings, options, tenants, prefixes = {}, {}, ("a", "b"), None
    protocols = (2, 3)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.private = {name: cls.shared.redis(f"private-{index}", **cls.options)
                       for index, name in enumerate(cls.tenants)}
        cls.weir = None
        if DIRECT:
            cls.behind = {name: cls.shared.redis(f"second-{index}", **cls.options)
                          for index, name in enumerate(cls.tenants)}
        else:
            cls.upstream = cls.shared.redis("upstream", **cls.options)
            cls.behind = dict.fromkeys(cls.tenants, cls.upstream)
            cls.weir = cls.start_weir(cls.shared)

    @classmethod
    def start_weir(cls, folder, **sections):
        """A weir with what the class asks for; `sections` replace parts of that."""
        wanted = {"workers": 2, "admin": {"bind": "127.0.0.1:0"}, **cls.settings, **sections}
        wanted.setdefault("tenants", cls.weir_tenants())
        return folder.weir(cls.upstream, cls.tenants, **wanted)

    @classmethod
    def weir_tenants(cls):
        tenants = {name: {"prefix": cls.prefixes[name].decode()} if cls.prefixes else {} for name in cls.tenants}
        if VALKEY:  # scripts of Valkey 8.0.1 share an interpreter, which weir does not allow without being told to
            for tenant in tenants.values():
                tenant["scripts"] = {"shared_interpreter": "accept"}
        return tenants

    def reference(self, protocol=2):
        return self._side("private Redis", {name: server.address for name, server in self.private.items()},
                          self.private, dict.fromkeys(self.tenants, b""), protocol)

    def proxied(self, protocol=2, weir=None):
        """weir's side, seeded with canaries. `weir`: another than the class' own."""
        if DIRECT:
            return self._side("second Redis", {name: server.address for name, server in self.behind.items()},
                              self.behind, dict.fromkeys(self.tenants, b""), protocol)
        prefixes = self.prefixes or {name: b"tenant:%s:" % name.encode() for name in self.tenants}
        return self._side("weir", (weir or self.weir).addresses, self.behind, prefixes, protocol)

    def _side(self, name, addresses, behind, prefixes, protocol):
        side = Side(name, addresses, behind, prefixes, protocol)
        self.addCleanup(side.close)
        for server in set(behind.values()):
            with server.client() as client:
                client.pipeline([("FLUSHALL",), ("FUNCTION", "FLUSH"), ("SCRIPT", "FLUSH")])
        if self.tenants == ("a", "b"):
            seed_canaries(side)
        return side

    def same(self, scenario, protocols=None):
        """Runs the scenario at both sides, in each protocol, and compares all that came."""
        for protocol in protocols or self.protocols:
            with self.subTest(protocol=protocol):
                expected = self.run_at(self.reference(protocol), scenario)
                mine = self.run_at(self.proxied(protocol), scenario)
                self._compare(expected, mine)

    def script(self, commands, mask=None, **options):
        """The same for one client that sends one command after the other."""
        def scenario(side):
            client = side.client()
            client.mask = mask
            for command in commands:
                client.call(*command)
        self.same(scenario, **options)

    def run_at(self, side, scenario):
        """One run; gives the transcript. What a run through weir may not leave or show is looked for here."""
        before = foreign_state(side)
        try:
            scenario(side)
        except Exception as fault:
            raise AssertionError(f"at the {side.name}, RESP{side.protocol}: {fault!r}\n{_tail(side)}") from fault
        contents = side.contents()
        for client in side.talkers:
            client.close()
        if side.name == "weir":
            self._check_isolation(side, before)
            self.assert_nothing_held(side)
        side.notes.append(contents)
        side.close()
        return side

    def _compare(self, expected, mine):
        for theirs, ours in zip(expected.talkers, mine.talkers):
            for what in ("replies", "pushes"):
                left, right = getattr(theirs, what), getattr(ours, what)
                for (sent, redis), (_, weir) in zip(left, right):
                    self.assertEqual(weir, redis,
                                     f"{what} to {ours.label}, RESP{mine.protocol}, after {sent!r:.300}\n"
                                                  f" redis: {redis!r:.500}\n weir:  {weir!r:.500}")
                self.assertEqual(len(right), len(left),
                                 f"{what} to {ours.label}: {right[len(left):]!r:.300} at weir, "
                                                        f"{left[len(right):]!r:.300} at the private Redis")
        self.assertEqual(mine.notes, expected.notes)

    def _check_isolation(self, side, before):
        for client in side.talkers:
            for sent, raw in (*client.replies, *client.pushes):
                if client.label.endswith(" of a"):
                    self.assertNotIn(b"canary", raw, (client.label, sent))
        if side.played == {"a"}:
            self.assertEqual(foreign_state(side), before, "foreign keys were touched")

    def assert_nothing_held(self, side, weir=None):
        """Every connection to the server is back and clean: none blocked, in MULTI, tracking or subscribed."""
        if not DIRECT:
            nothing_held(side.admin(), weir or self.weir)


def seed_canaries(side):
    """Tenant b's own keys: at the private side on its own server, behind weir on the one that all share."""
    spaces = NEIGHBOURS if side.name == "weir" else [side.raw(b"", "b")]
    admin, commands = side.admin("b"), []
    for space in spaces:
        for name in NAMES:
            commands += _canary(space + name, name[:1])
        commands += [("SET", space + b"ncanary-only", "vcanary"), ("SELECT", 9), ("SET", space + b"k", "vcanary-9"),
                     ("SELECT", 0)]
    for reply in admin.pipeline(commands):
        assert not isinstance(reply, resp.Error), reply


def _canary(key, kind):
    if kind == b"l":
        return [("RPUSH", key, "vcanary-l", "vcanary-m")]
    if kind == b"h":
        return [("HSET", key, "f", "vcanary-h")]
    if kind == b"t":
        return [("SADD", key, "vcanary-t")]
    if kind == b"z":
        return [("ZADD", key, "1", "vcanary-z", "2", "m")]
    if kind == b"x":
        return [("XADD", key, "1-1", "f", "vcanary-x"), ("XGROUP", "CREATE", key, "g", "0")]
    return [("SET", key, "vcanary-k")]


def foreign_state(side):
    """All that is not a's, as far as the server can digest it."""
    if side.name != "weir":
        return None
    admin, state = side.admin(), []
    for database in (0, 1, 9):
        admin.call("SELECT", database)
        keys = sorted(key for key in admin.call("KEYS", "*") if not key.startswith(side.raw(b"")))
        state += [keys, admin.pipeline([("DEBUG", "DIGEST-VALUE", key) for key in keys])]
    admin.call("SELECT", 0)
    return state


_BUSY = re.compile(rb"\bflags=\w*[bxtPdO]|\b(?:sub|psub|ssub)=[1-9]|\bmulti=\d")


def nothing_held(admin, weir):
    """Waits until no connection behind weir carries anybody's state, and the pool has all of its own back."""
    def held():
        lines = admin.call("CLIENT", "LIST").splitlines()
        return [line for line in lines if _BUSY.search(line) and not WEIRS_OWN.search(line)]
    try:
        servers.wait_until(lambda: not held())
        servers.wait_until(lambda: lent(weir) == (0, 0))
    except AssertionError:
        raise AssertionError(f"left behind at the server: {held()}; lent and waiting: {lent(weir)}") from None


WEIRS_OWN = re.compile(rb"name=weir-own\b")  # what weir keeps for itself, whoever is connected


def lent(weir):
    """How many dedicated connections sessions hold, and how many sessions wait for one."""
    found = metrics(weir)
    return (found["weir_upstream_dedicated_connections"] - found["weir_upstream_dedicated_connections_idle"],
            found["weir_upstream_dedicated_waiting"])


def metrics(weir):
    """Every sample without labels."""
    with urllib.request.urlopen("http://%s:%d/metrics" % weir.admin_address(), timeout=30) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+) ([-+\d.eE]+)$", text, re.M)}


def labelled(weir, name):
    """The sum of a metric over its labels."""
    with urllib.request.urlopen("http://%s:%d/metrics" % weir.admin_address(), timeout=30) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? ([-+\d.eE]+)$", text, re.M))


def _tail(side):
    lines = []
    for client in side.talkers:
        lines += [f"  {client.label}: {sent!r:.120} -> {raw!r:.160}" for sent, raw in client.replies[-4:]]
        lines += [f"  {client.label}: push {raw!r:.160}" for _, raw in client.pushes[-3:]]
    return "\n".join(lines)
