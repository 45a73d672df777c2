"""Random commands for the differential test: mostly sensible, now and then wrong in type, number, arity or
spelling."""
import hashlib

import command_templates

FAR = 4_000_000_000  # seconds; nothing expires while a test runs

# No NUL among them, for they become members too: SORT ALPHA compares up to the first, and ties go by hash order.
BAD_NUMBERS = [b"-1", b"0", b"abc", b"", b" 1", b"01", b"1.5", b"1e3", b"inf", b"nan", b"4294967297",
               b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"0x10", b"1\r\n2"]
ODD_KEYS = [b"", b"streams", b"\r\n\x00\xff", b"s*?[x]\\", b"tenant:d0:s1", b"key with space", b"{tag}s1", b"store"]
PATTERNS = [b"*", b"s*", b"?1", b"[a-l]*", b"*\\*", b"tenant:*", b"[", b"\\", b"", b"*[^x]", b"s[*", b"*:*", b"??"]
# Not spoilt: SPOP of fewer than all, a relative time to live, SORT ... STORE of ties would let the two servers drift
# apart; a huge XAUTOCLAIM COUNT makes Redis 7.0 allocate as much; cursors from the middle and COMMAND alone show the
# hash order. A time-out must stay tiny.
KEEP = {b"spop", b"restore", b"sort", b"xautoclaim", b"select", b"hello", b"scan", b"sscan", b"hscan", b"zscan",
        b"command", b"blpop", b"brpop", b"blmove", b"brpoplpush", b"blmpop", b"bzpopmin", b"bzpopmax", b"bzmpop",
        b"xread", b"xreadgroup", b"wait", b"script"}
# Sorted sets of nothing but score 0. With other scores a lexical range is unspecified: it depends on the random levels
# of the skip list.
LEX_KEYS = [[b"y%d" % i] for i in range(3)]
# Scripts by what they need; each has a mark of its worker behind it, as the server knows a script that any tenant
# sent.
LUA = {
    "lua0": ["return ARGV[1]", "return {1, 2.5, 'x', {ARGV[1]}, false}", "return redis.status_reply('FINE')",
             "return redis.error_reply('MY fault')", "error('boom')", "return #ARGV"],
    "lua1": ["return redis.call('TYPE', KEYS[1])", "return redis.pcall('INCR', KEYS[1])",
             "return redis.call('APPEND', KEYS[1], ARGV[1] or 'x')", "return redis.call('DEL', KEYS[1])",
             "return redis.call('RPUSH', KEYS[1], 'm1', 'm2')", "return redis.call('LRANGE', KEYS[1], 0, -1)",
             "redis.call('SET', KEYS[1], '5') return redis.call('INCR', KEYS[1])",
             "return redis.call('XLEN', KEYS[1])",
             "return redis.call('ZADD', KEYS[1], 1, 'm1', 2, 'm2')", "return redis.call('BLPOP', KEYS[1], 0)",
             "redis.setresp(3) return redis.call('HGETALL', KEYS[1])",
             "return {redis.call('EXISTS', KEYS[1]), #KEYS}",
             "return KEYS", "return redis.pcall('LMPOP', 2, 'none', KEYS[1], 'LEFT')",
             "local t = redis.call('TYPE', KEYS[1])\nreturn t",
             "local key = 'l' .. #ARGV\nlocal n = redis.call('LPUSH', key, ARGV[1] or 'x')\nreturn {key, n, redis.call('RPOP', key)}",
             "return redis.pcall('XREAD', 'COUNT', 2, 'STREAMS', KEYS[1], 'none', 0, 0)",
             "\nlocal n = redis.call('LLEN', KEYS[1])\nreturn n"],
    "lua2": ["return redis.call('MGET', KEYS[1], KEYS[2])", "return redis.call('COPY', KEYS[1], KEYS[2], 'REPLACE')",
             "return redis.call('RENAME', KEYS[1], KEYS[2])", "return redis.pcall('RPOPLPUSH', KEYS[1], KEYS[2])"],
    "luaro": ["return redis.call('EXISTS', KEYS[1])", "return redis.call('STRLEN', KEYS[1])",
              "return redis.call('SET', KEYS[1], 'x')"],
}
# Inside a transaction weir does not serve these beside scripts: their user may not run them.
NOT_BESIDE_SCRIPTS = {b"keys", b"sort", b"sort_ro", b"scan", b"georadius", b"georadiusbymember", b"script",
                      b"pfmerge", b"pubsub",
                      b"command", b"lolwut", b"acl", b"config", b"wait", b"waitaof"}
SCRIPTING = {b"eval", b"eval_ro", b"evalsha", b"evalsha_ro", b"script"}


class Generator:
    """One stream of commands; `payloads` are what RESTORE may get, `mark` makes scripts this stream's own."""

    def __init__(self, rng, payloads=(b"no payload",), mark=""):
        self.rng = rng
        self._trees = {name: command_templates.compile_all(getattr(command_templates, name))
                       for name in ("DATA", "RARE", "BLOCKING", "SCRIPTS", "MESSAGES")}
        self._payloads = payloads
        self._mark = mark
        self._fill = self._placeholders()

    def command(self):
        kinds = ("DATA", "RARE", "SCRIPTS", "BLOCKING", "MESSAGES")
        return self._command(*self.rng.choices(kinds, (965, 10, 15, 4, 6)))

    def transaction(self):
        """From MULTI to EXEC or, seldom, DISCARD. What only one of weir and Redis lets into a transaction is left
        out."""
        kinds, left_out = ("DATA", "BLOCKING"), SCRIPTING
        if self.rng.random() < 0.3:
            kinds, left_out = ("DATA", "SCRIPTS"), NOT_BESIDE_SCRIPTS
        commands = [[b"MULTI"]]
        for _ in range(self.rng.choice((0, 1, 2, 3, 8, 30))):
            args = self._command(self.rng.choices(kinds, (9, 1))[0])
            name = args[0].lower()
            # Of these servers after 7.0 take an argument more, and so weir leaves it to the server, and EXEC, to
            # refuse it.
            beside_scripts = left_out is NOT_BESIDE_SCRIPTS and args[1:2] and args[1].lower() == b"help"
            if name not in left_out and not beside_scripts and not (name in (b"zrank",
                                                                             b"zrevrank") and len(args) != 3):
                commands.append(args)
        if self.rng.random() < 0.1:
            odd = self.rng.choice(([b"MULTI"], [b"WATCH", b"s1"], [b"nosuchcommand", b"k"], [b"SELECT", b"1"],
                                   [b"UNWATCH"]))
            commands.insert(self.rng.randrange(1, len(commands) + 1), odd)
        commands.append([b"DISCARD"] if self.rng.random() < 0.1 else [b"exec"])
        return commands

    def _command(self, kind):
        args = command_templates.expand(self.rng.choice(self._trees[kind]), self.rng, self._fill)
        if self.rng.random() < 0.05 and args[0] not in KEEP and args[1:2] not in LEX_KEYS:
            self._spoil(args)
        if self.rng.random() < 0.1:
            args[0] = args[0].upper() if self.rng.random() < 0.5 else args[0].title()
        return args

    def _spoil(self, args):
        """One thing wrong: an argument less, more, or replaced by what is no number."""
        place = self.rng.randrange(1, len(args) + 1)
        kind = self.rng.randrange(3)
        if kind == 0 and place < len(args):
            del args[place]
        elif kind == 1 and place < len(args):
            args[place] = self.rng.choice(BAD_NUMBERS)
        else:
            args.insert(place, self.rng.choice(BAD_NUMBERS + [b"XX", b"foo"]))

    def _key(self, letter):
        roll = self.rng.random()
        if roll < 0.03:
            return self.rng.choice(ODD_KEYS)
        if roll < 0.12:
            letter = self.rng.choice("slhtzxgp")
        return b"%s%d" % (letter.encode(), self.rng.randrange(5))

    def _keys(self, letter):
        """A number and that many keys; seldom a number that lies."""
        keys = [self._key(letter) for _ in range(self.rng.randint(1, 3))]
        count = self.rng.choice(BAD_NUMBERS) if self.rng.random() < 0.04 else b"%d" % len(keys)
        return [count] + keys

    def _integer(self):
        if self.rng.random() < 0.03:
            return self.rng.choice(BAD_NUMBERS)
        return b"%d" % self.rng.randint(-5, 12)

    def _value(self):
        roll = self.rng.random()
        if roll < 0.3:
            return b"%d" % self.rng.randint(-100, 20000)
        if roll < 0.34:
            return b"tenant:d0:s1"
        if roll < 0.345:
            return self.rng.randbytes(self.rng.choice((5000, 70000, 300000)))
        return self.rng.randbytes(self.rng.randrange(40))

    def _member(self):
        return self.rng.choice((b"m%d", b"%d")) % self.rng.randrange(12)

    def _bound(self):
        return self.rng.choice((b"-inf", b"+inf", b"(%d" % self.rng.randrange(9), b"%d" % self.rng.randrange(9)))

    def _stream_id(self):
        return self.rng.choice((b"%d-%d", b"%d-%d", b"%d-*")).replace(b"%d", b"%d" % self.rng.randrange(1, 40))

    def _placeholders(self):
        rng = self.rng
        fill = {"k" + letter: lambda letter=letter: self._key(letter) for letter in "lhtzxgp"}
        fill.update({"ks": lambda: self._key("s"), "k": lambda: self._key(rng.choice("slhtzxgp"))})
        fill.update({"num" + letter: lambda letter=letter: self._keys(letter) for letter in "tzl"})
        fill.update(self._numbers())
        fill.update({
            "v": self._value, "m": self._member, "sc": self._bound, "id": self._stream_id,
            "pat": lambda: rng.choice(PATTERNS),
            "ky": lambda: rng.choice(LEX_KEYS)[0],
            "gr": lambda: b"g%d" % rng.randrange(3),
            "co": lambda: b"c%d" % rng.randrange(2),
            "lex": lambda: rng.choice((b"-", b"+", b"[m%d" % rng.randrange(9), b"(m%d" % rng.randrange(9))),
            "by": lambda: rng.choice((b"s*", b"h*->m1", b"nosort", b"x*y")),
            "get": lambda: rng.choice((b"s*", b"h*->m%d" % rng.randrange(4), b"#", b"s1")),
            "dump": lambda: rng.choice(self._payloads),
            "chan": lambda: rng.choice((b"c1", b"c2", b"", b"tenant:d0:c1", b"\r\n\x00")),
            "t": lambda: b"0.001", "tms": lambda: b"1",
            "sha": lambda: hashlib.sha1(self._script(rng.choice(("lua1", "luaro")))).hexdigest().encode(),
        })
        fill.update({kind: lambda kind=kind: self._script(kind) for kind in LUA})
        return fill

    def _script(self, kind):
        return f"{self.rng.choice(LUA[kind])} -- {self._mark}".encode()

    def _numbers(self):
        rng = self.rng
        return {
            "i": self._integer,
            "n": lambda: b"%d" % rng.randint(1, 4) if rng.random() < 0.95 else rng.choice(BAD_NUMBERS[:-1]),
            "f": lambda: b"%.2f" % rng.uniform(-9, 9),
            "w": lambda: b"%d" % rng.randint(-9, 9) if rng.random() < 0.97 else rng.choice((b"inf", b"-inf", b"abc")),
            "db": lambda: b"%d" % rng.randrange(4) if rng.random() < 0.95 else rng.choice((b"99", b"-1", b"abc",
                                                                                           b"16")),
            "when": lambda: b"%d" % (FAR + rng.randrange(9)),
            "whenms": lambda: b"%d" % (FAR * 1000 + rng.randrange(9)),
            "bit": lambda: rng.choice((b"0", b"1")),
            "off": lambda: b"%d" % rng.randrange(60),
            "lon": lambda: b"%.1f" % rng.uniform(10, 16),
            "lat": lambda: b"%.1f" % rng.uniform(35, 41),
            # A cursor other than 0 shows the hash seed: only those the server refuses are sent one by one.
            # None that overflows: Redis leaves errno at ERANGE then, and the next SORT that finds it so complains.
            "cur": lambda: rng.choice((b"abc", b"1x")),
        }
