"""One worker of the differential test: the same commands through weir and to a private Redis, replies compared."""
import time

import command_generator
import reply_compare
import resp

DATABASES = 16
_SIZES = (1, 1, 2, 3, 8, 30, 120, 400, 1000)  # commands of one pipeline


class Mismatch(AssertionError):
    pass


class Pair:
    """Two connections, one through weir and one direct, that are told the same."""

    def __init__(self, proxied, direct, protocol):
        self.both = (resp.Client(proxied, protocol, 60), resp.Client(direct, protocol, 60))

    def exchange(self, rng, commands):
        """Sends a pipeline cut at random places, differently to each; gives pairs of raw replies in order."""
        data = b"".join(resp.inline(args) if as_line else resp.encode(*args) for args, as_line in commands)
        cuts = rng.choice((0, 0, 1, 5, min(60, len(data))))
        senders = []
        for client in self.both:
            chunks = reply_compare.shuffled_chunks(rng, data, cuts)
            if len(data) > 30_000:
                senders.append(client.send_in_background(chunks))
            else:
                for chunk in chunks:
                    client.send_raw(chunk)
        for _ in commands:
            yield tuple(client.read_raw() for client in self.both)
        for sender in senders:
            sender.join()

    def call(self, *args):
        return tuple(client.call(*args) for client in self.both)

    def close(self):
        for client in self.both:
            client.close()


class Worker:
    def __init__(self, seed, index, proxied, direct):
        self.name = f"seed {seed}, worker {index}"
        self.rng = reply_compare.new_rng(seed, index)
        self.generator = command_generator.Generator(self.rng, self._payloads(direct), f"{seed}-{index}")
        self.pairs = [Pair(proxied, direct, protocol) for protocol in (2, 3, 2, 3)]
        self.done = 0
        self.history = []

    def run(self, count, seconds):
        """`count` commands, or as many as fit into the time; gives how many it were."""
        until = time.monotonic() + seconds
        while self.done < count and time.monotonic() < until:
            pair = self.rng.choice(self.pairs)
            self._pipeline(pair)
            if self.rng.random() < 0.2:
                self.rng.choice((self._scan, self._random_key, self._idle_connection, self._watch,
                                 self._blocked))(pair)
        self._compare_everything()
        for pair in self.pairs:
            pair.close()
        return self.done

    def _pipeline(self, pair):
        commands, size = [], self.rng.choice(_SIZES)
        while len(commands) < size:
            batch = self.generator.transaction() if self.rng.random() < 0.02 else [self.generator.command()]
            commands += [(args, self.rng.random() < 0.04 and sum(map(len, args)) < 10_000) for args in batch]
        self._exchange(pair, commands)
        self.done += len(commands)

    def _exchange(self, pair, commands):
        """Sends them to both and compares; what was queued is remembered for EXEC."""
        queued = []
        for (args, _), (proxied, direct) in zip(commands, pair.exchange(self.rng, commands)):
            name = args[0].lower()
            if name == b"exec" and reply_compare.same_transaction(queued, proxied, direct):
                direct = proxied
            self._check(args, proxied, direct)
            if name == b"multi" and direct == b"+OK\r\n":
                queued = []
            elif direct == b"+QUEUED\r\n":
                queued.append(args)

    def _check(self, args, proxied, direct):
        self.history = self.history[-30:] + [args]
        if not reply_compare.same(args, proxied, direct):
            before = "\n".join(f"   {old!r:.200}" for old in self.history[:-1])
            raise Mismatch(f"{self.name}, command {self.done}+: {args!r:.600}\n weir:  {proxied!r:.1000}\n"
                           f" redis: {direct!r:.1000}\n before it:\n{before}")

    def _scan(self, pair):
        """A whole SCAN through either: the same keys, each at least once, and the cursor comes back to 0."""
        options = [b"COUNT", self.rng.choice((b"1", b"7", b"100", b"10000"))]
        if self.rng.random() < 0.5:
            options += [b"MATCH", self.rng.choice(command_generator.PATTERNS)]
        if self.rng.random() < 0.3:
            options += [b"TYPE", self.rng.choice((b"string", b"zset", b"hash"))]
        proxied, direct = (_scan_all(client, options) for client in pair.both)
        if proxied != direct:
            raise Mismatch(f"{self.name}: SCAN {options}\n weir:  {proxied}\n redis: {direct}")

    def _random_key(self, pair):
        proxied, _ = pair.call("RANDOMKEY")
        keys = pair.both[1].call("KEYS", "*")
        if proxied not in (keys or [None]):
            raise Mismatch(f"{self.name}: RANDOMKEY {proxied!r}, keys are {keys}")

    def _watch(self, pair):
        """WATCH, then perhaps somebody else's write, then a transaction: both lose or both win."""
        keys = [b"%s%d" % (self.rng.choice((b"s", b"l", b"h", b"z")), self.rng.randrange(5)) for _ in range(2)]
        self._exchange(pair, [([b"WATCH", *keys], False)] + [([b"TYPE", key], False) for key in keys])
        if self.rng.random() < 0.6:
            other = self.rng.choice([one for one in self.pairs if one is not pair])
            write = self.rng.choice(([b"DEL", keys[0]], [b"SET", keys[1], b"5"], [b"FLUSHDB"],
                                     [b"SET", b"other", b"5"],
                                     [b"GET", keys[0]], [b"RENAME", keys[0], b"s9"]))
            self._exchange(other, [(write, False)])
        if self.rng.random() < 0.2:
            self._exchange(pair, [([b"UNWATCH"], False)])
        self._exchange(pair, [(args, False) for args in self.generator.transaction()])

    def _blocked(self, pair):
        """Blocked on both sides until another pair brings something."""
        other = self.rng.choice([one for one in self.pairs if one is not pair])
        for one in (pair, other):
            self._exchange(one, [([b"SELECT", b"7"], False), ([b"DEL", b"awaited"], False)])
        waiting, waker = self.rng.choice((
            ([b"BLPOP", b"s1-", b"awaited", b"0"], [b"RPUSH", b"awaited", b"a", b"b"]),
            ([b"BRPOPLPUSH", b"awaited", b"l1", b"0"], [b"LPUSH", b"awaited", b"c"]),
            ([b"BZMPOP", b"0", b"1", b"awaited", b"MIN", b"COUNT", b"2"],
             [b"ZADD", b"awaited", b"1", b"m1", b"2", b"m2"]),
            ([b"XREAD", b"BLOCK", b"0", b"STREAMS", b"awaited", b"0"], [b"XADD", b"awaited", b"1-1", b"f", b"v"])))
        for client in pair.both:
            client.send_raw(resp.encode("DEL", "l1") + resp.encode(*waiting) + resp.encode("EXISTS", "awaited"))
        self._exchange(other, [(waker, False)])
        for args in ([b"DEL", b"l1"], waiting, [b"EXISTS", b"awaited"]):
            self._check(args, *(client.read_raw() for client in pair.both))

    def _idle_connection(self, pair):
        """A pair gives way to a fresh one; database and protocol start anew on both sides."""
        place = self.pairs.index(pair)
        addresses = [client.sock.getpeername() for client in pair.both]
        pair.close()
        self.pairs[place] = Pair(*addresses, self.rng.choice((2, 3)))

    def _compare_everything(self):
        """At the end every database holds the same keys, values and expiry times."""
        pair = self.pairs[0]
        for database in range(DATABASES):
            pair.call("SELECT", database)
            keys, expected = (sorted(found) for found in pair.call("KEYS", "*"))
            if keys != expected:
                raise Mismatch(f"{self.name}: database {database} holds {keys}, not {expected}")
            for key in keys:
                commands = [([name, key], False) for name in (b"type", b"pexpiretime", b"dump", b"smembers")]
                for (args, _), replies in zip(commands, pair.exchange(self.rng, commands)):
                    self._check(args, *replies)

    @staticmethod
    def _payloads(direct):
        """Serialised values as this very server gives them, and one that is cut short."""
        with resp.Client(direct) as client:
            client.pipeline([("SET", "p", "some text"), ("RPUSH", "q", "a", "b"), ("SADD", "r", "1", "2")])
            payloads = client.pipeline([("DUMP", key) for key in "pqr"])
            client.call("DEL", "p", "q", "r")
        return payloads + [payloads[0][:-1]]


def _scan_all(client, options):
    found, cursor = set(), b"0"
    for _ in range(100_000):
        cursor, keys = client.call("SCAN", cursor, *options)
        found.update(keys)
        if cursor == b"0":
            return sorted(found)
    raise Mismatch(f"SCAN {options} does not end")
