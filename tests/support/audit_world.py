"""What surrounds tenant `a` in the isolation audit: other tenants' data full of canaries, watched from outside.

`ncanary` stands in names, `vcanary` in values; no value canary is ever sent by tenant a, so any that shows up leaked.
"""
import re
import select

import audit_cases
import resp

PREFIX = b"tenant:a:"
DATABASES = (0, 1)


def own_keys(prefix=b""):
    """What tenant a has: one key of each type, names as in the templates."""
    key = lambda name: prefix + name
    return [
        ("SET", key(b"s0"), "10"), ("SET", key(b"s1"), "text"), ("SET", key(b"s5"), "50"),
        ("RPUSH", key(b"l0"), "5", "m1", "m2"), ("HSET", key(b"h0"), "m1", "v1", "m2", "5"),
        ("SADD", key(b"t0"), "1", "5", "9"), ("ZADD", key(b"z0"), "1", "m1", "2", "m2", "3", "5"),
        ("ZADD", key(b"y0"), "0", "m1", "0", "m2"), ("XADD", key(b"x0"), "1-1", "m1", "v1"),
        ("XADD", key(b"x0"), "2-1", "m1", "v2"), ("XGROUP", "CREATE", key(b"x0"), "g0", "0"),
        ("GEOADD", key(b"g0"), "13.4", "38.1", "m1", "15.1", "37.5", "m2"), ("PFADD", key(b"p0"), "m1", "m2"),
    ]


def foreign_keys():
    """Of other tenants (also ones whose names begin like a's), and of nobody, under a's own names too."""
    for space in (b"", b"tenant:b:", b"tenant:ab:", b"tenant:a", b"Tenant:a:", b"tenant:a\x00:"):
        names = [space + name for name in audit_cases.FOREIGN]
        yield ("SET", names[0], "vcanary-1")
        yield ("RPUSH", names[1], "vcanary-2", "5")
        yield ("HSET", names[2], "vcanary-field", "vcanary-3", "m1", "vcanary-3")
        yield ("SADD", names[3], "vcanary-4")
        yield ("ZADD", names[4], "1", "vcanary-5", "2", "m1")
        yield ("XADD", names[5], "1-1", "m1", "vcanary-6")
        yield ("XGROUP", "CREATE", names[5], "g0", "0")
        yield ("GEOADD", names[6], "13.4", "38.1", "vcanary-7")
        yield ("PFADD", names[7], "vcanary-8")
        yield ("SET", space + b"s0", "vcanary-9", "EXAT", "4000000000")


def _in_each_database(commands):
    for database in DATABASES:
        yield ("SELECT", database)
        yield from commands


class World:
    """Seeds the shared server and a private one, and tells what of the foreign part has changed."""

    def __init__(self, shared, private):
        self.shared, self.private = shared.client(), private.client()
        self._shared_seed = self._request([("FLUSHALL",), *_in_each_database([*foreign_keys(), *own_keys(PREFIX)])])
        self._private_seed = self._request([("FLUSHALL",), *_in_each_database(own_keys())])
        self._watchers = self._start_watchers(shared)
        self._names = sorted({command[2 if command[0] == "XGROUP" else 1] for command in foreign_keys()})
        self._look = self._request([*_in_each_database([("KEYS", "*"), *self._reads()]), ("INFO", "keyspace")])
        self.reset()
        self.before = self.foreign_state()
        self.server_before = self.server_state()

    @staticmethod
    def _request(commands):
        return b"".join(resp.encode(*command) for command in commands), len(commands)

    def _reads(self):
        return [(name, key) for key in self._names for name in ("DUMP", "PEXPIRETIME")]

    def reset(self):
        """Both servers as at the start."""
        for client, (request, count) in ((self.shared, self._shared_seed), (self.private, self._private_seed)):
            client.send_raw(request)
            for _ in range(count):
                reply = client.read_raw()
                assert reply[:1] != b"-", reply

    def foreign_state(self):
        """Keys outside the tenant's prefix with their serialised values and expiry, and which databases are in use."""
        request, count = self._look
        self.shared.send_raw(request)
        replies = [self.shared.read_raw() for _ in range(count)]
        state, width = [], 2 + len(self._reads())
        for index in range(len(DATABASES)):
            _, keys, *values = replies[index * width:(index + 1) * width]
            state += [sorted(key for key in resp.parse(keys) if not key.startswith(PREFIX)), values]
        state.append(self._stray_keys(replies[-1]))
        return state

    def _stray_keys(self, keyspace):
        """Names without the prefix in databases that were empty at first."""
        stray = []
        for number in re.findall(rb"db(\d+):", keyspace):
            if int(number) not in DATABASES:
                keys = self.shared.pipeline([("SELECT", number), ("KEYS", "*")])[1]
                stray += [key for key in keys if not key.startswith(PREFIX)]
        return stray

    def server_state(self):
        """What concerns all tenants: settings, users, functions, role."""
        settings, users, *rest = self.shared.pipeline([
            ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("FUNCTION", "LIST", "WITHCODE"), ("ROLE",),
            ("SCRIPT", "EXISTS", self._sha)])
        return [settings, [user for user in users if not user.startswith(b"user weir:")], *rest]

    def _start_watchers(self, shared):
        """Foreign clients with canaries in their names and subscriptions; and canaries in what all share."""
        for command in (("ACL", "SETUSER", "ncanary-user", "on", "nopass"), ("FUNCTION", "LOAD", audit_cases.LIBRARY),
                        ("CONFIG", "SET", "slowlog-log-slower-than", "0")):
            assert not isinstance(self.shared.call(*command), resp.Error), command
        self._sha = self.shared.call("SCRIPT", "LOAD", "return 'vcanary'")
        self.private.call("FUNCTION", "LOAD", audit_cases.LIBRARY)
        watchers = []
        for subscribe in ("SUBSCRIBE", "SSUBSCRIBE"):
            client = shared.client()
            client.call("CLIENT", "SETNAME", "vcanary-client")
            for channel in ("ncanary-chan", "tenant:b:ncanary-chan", "own-chan"):
                client.call(subscribe, channel)
            watchers.append(client)
        return watchers

    def overheard(self):
        """What foreign subscribers got, which should be nothing; or that they lost their connection."""
        ready, _, _ = select.select([watcher.sock for watcher in self._watchers], [], [], 0)
        return [sock.recv(4096) for sock in ready]

    def close(self):
        for client in (self.shared, self.private, *self._watchers):
            client.close()


def leaks(args, raw):
    """Canaries in a reply to `args`. A name that the tenant itself sent may come back, a value never."""
    for arg in args:
        if b"canary" in arg:
            raw = raw.replace(arg, b"")
    found = [word for word in (b"vcanary", b"ncanary") if word in raw.lower()]
    if PREFIX in raw and not any(PREFIX in arg for arg in args):
        found.append(b"the tenant's own prefix")
    return found
