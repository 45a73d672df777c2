"""Every command a live server lists, in many shapes, for the isolation audit: `Cases(...).of(name)` gives the argument
lists. Shapes come from the shared templates, from those below, and from arity and key positions alone."""
import command_templates

FOREIGN = [b"ncanary-%s" % kind for kind in (b"string", b"list", b"hash", b"set", b"zset", b"stream", b"geo", b"hll")]
HOSTILE_NAMES = FOREIGN + [b"tenant:b:" + name for name in FOREIGN] + [b"tenant:a:s0", b"tenant:ab:s0",
                                                                       b"tenant:b:s0", b"b:s0"]
HOSTILE_PATTERNS = [b"*", b"*canary*", b"tenant:*", b"?*", b"[a-z]*", b"\\*", b"[", b"*\\", b"../*", b"tenant:b:*",
                    b""]

AUDIT = """
acl CAT [dangerous]
acl GENPASS [64]
acl (DELUSER|GETUSER) ncanary-user
acl SETUSER ncanary-user on
acl DRYRUN default GET k
acl LOG [10|RESET]
auth v
auth default v
blmove kl kl LEFT RIGHT t
blmpop t numl (LEFT|RIGHT) [COUNT n]
blpop kl+ t
brpop kl+ t
brpoplpush kl kl t
bzmpop t numz (MIN|MAX)
bzpopmax kz+ t
bzpopmin kz+ t
client (GETNAME|ID|INFO|LIST|GETREDIR|TRACKINGINFO|UNPAUSE)
client LIST (TYPE (normal|pubsub|master|replica)|ID 1 2 3 4 5 6 7 8 9)
client KILL (TYPE (normal|pubsub)|ID 3|ADDR 127.0.0.1:1|USER default|SKIPME yes)
client (NO-EVICT|NO-TOUCH) (on|off)
client PAUSE 1 [WRITE|ALL]
client REPLY (ON|OFF|SKIP)
client SETNAME conn
client SETINFO LIB-NAME lib
client TRACKING ON [BCAST] [PREFIX k] [NOLOOP] [OPTIN]
client TRACKING OFF
client CACHING YES
client UNBLOCK (1|3|5) [ERROR|TIMEOUT]
cluster (INFO|NODES|SLOTS|SHARDS|MYID|LINKS)
cluster KEYSLOT k
cluster GETKEYSINSLOT 1 10
cluster COUNTKEYSINSLOT 1
command
command DOCS get
command INFO get nosuch
command LIST [FILTERBY (MODULE m|ACLCAT read|PATTERN g*)]
command GETKEYS (get k|mset (k v)+|eval lua numk|sort kl BY by GET get STORE kl|xread STREAMS kx kx 0 0|zunion numz)
command GETKEYSANDFLAGS (get k|mset (k v)+|set k v|migrate h 1 k 0 9)
config GET (*|maxmemory|save|appendonly|dbfilename|require*|maxclients)
config SET maxmemory 0
debug (OBJECT k|SLEEP 0|DIGEST|DIGEST-VALUE k|JMAP|SET-ACTIVE-EXPIRE 1|CHANGE-REPL-ID|QUICKLIST-PACKED-THRESHOLD 9)
dbsize
discard
dump k
eval lua numk [v]
eval_ro lua numk
evalsha ffffffffffffffffffffffffffffffffffffffff numk
evalsha_ro ffffffffffffffffffffffffffffffffffffffff numk
exec
expire k 1000 [NX|XX|GT|LT]
fcall shared_function numk
fcall_ro shared_function numk
flushall [ASYNC|SYNC|v]
flushdb [ASYNC|SYNC|v]
function LIST [LIBRARYNAME *] [WITHCODE]
function (DUMP|STATS|FLUSH|KILL)
function DELETE shared_library
function LOAD [REPLACE] code
function RESTORE dump
getex k EX 1000
geosearchstore (ncanary-geo|kg) kg FROMMEMBER m1 BYRADIUS 900 km ASC
hello [2|3]
hello (2|3) SETNAME conn
hello (2|3) AUTH default v
hscan kh 0 MATCH pat COUNT n
info [server|clients|memory|persistence|stats|replication|cpu|commandstats|latencystats|errorstats|cluster|keyspace]
info (all|everything|default|modules|sentinel)
info keyspace commandstats
keys pat
latency (DOCTOR|LATEST|RESET|HISTOGRAM|HISTORY command|GRAPH command)
lolwut [VERSION 5]
memory USAGE k [SAMPLES 0]
memory (DOCTOR|STATS|PURGE|MALLOC-STATS)
migrate 127.0.0.1 1 (k|"") 0 10 [COPY] [REPLACE] [KEYS k+]
module (LIST|UNLOAD m)
module LOAD /nonexistent.so
move k (0|1|2)
copy k k DB (0|1|2) [REPLACE]
multi
object (FREQ|IDLETIME|ENCODING|REFCOUNT|HELP) [k]
pexpire k 1000000
psetex ks 100000 v
pfdebug (ENCODING|DECODE|GETREG|TODENSE) kp
psubscribe pat+
psync x -1
publish chan v
pubsub CHANNELS [pat]
pubsub (NUMPAT|NUMSUB|SHARDCHANNELS|SHARDNUMSUB)
pubsub NUMSUB chan+
pubsub SHARDCHANNELS pat
pubsub SHARDNUMSUB chan
punsubscribe [pat]
quit
randomkey
replicaof NO ONE
replicaof 127.0.0.1 1
slaveof NO ONE
replconf listening-port 1
restore k (0|100000) dump [REPLACE]
restore-asking k 0 dump
scan 0 [MATCH pat] [COUNT 10000] [TYPE (string|stream|zset)]
scan 0 COUNT 10000 MATCH pat MATCH pat
script (EXISTS ffffffffffffffffffffffffffffffffffffffff|FLUSH|KILL|DEBUG no)
script LOAD lua
select (0|1|15|16|-1)
set ks v EX 1000
setex ks 1000 v
shutdown (NOSAVE|ABORT|NOW)
slowlog (GET [10]|LEN|RESET)
sort kt BY (ncanary-*|tenant:b:*|*|ncanary-hash->*|*->vcanary) GET (ncanary-*|*|tenant:b:*|ncanary-hash->*|#)
sort kl ALPHA GET (ncanary-string|*) STORE (ncanary-list|kl)
sort_ro kt BY nosort GET (ncanary-*|*)
spublish chan v
srandmember kt n
ssubscribe chan+
subscribe chan+
sunsubscribe [chan]
swapdb 0 1
swapdb 1 0
sync
time
unsubscribe [chan]
unwatch
wait 0 10
watch k+
xadd kx * (m v)+
xadd kx MAXLEN ~ 10 * m v
xinfo STREAM kx FULL [COUNT n]
xpending kx gr [IDLE 0] - + 10 [co]
xread [COUNT n] BLOCK 10 STREAMS kx $
xread STREAMS streams kx 0 0
xreadgroup GROUP gr co BLOCK 10 STREAMS kx >
xclaim kx gr co 0 id IDLE 5 RETRYCOUNT 2 FORCE
""" + command_templates.DATA + command_templates.RARE

SCRIPTS = [b"return redis.call('GET','tenant:b:ncanary-string')", b"return redis.call('KEYS','*')", b"return KEYS",
           b"return redis.call('SCAN','0')", b"return redis.call('RANDOMKEY')", b"return redis.call('FLUSHALL')",
           b"return redis.call('DEL','ncanary-string')", b"return redis.call('PUBLISH','ncanary-chan','x')"]
# The operator's: whoever may run scripts may call it and see its name, but not its code.
LIBRARY = (b"#!lua name=shared_library\n-- vcanary\n"
           b"redis.register_function{function_name='shared_function', callback=function(keys) return #keys end,"
           b" flags={'no-writes'}}")


class Cases:
    """`commands` is what COMMAND answered; `rng` draws the variants, so a seed gives the same audit again."""

    def __init__(self, commands, rng, variants=8):
        self.rng = rng
        self.variants = variants
        self.rows = dict(_rows(commands))
        self._fill = self._placeholders()
        self._trees = {}
        for tree in command_templates.compile_all(AUDIT):
            self._trees.setdefault(tree[0][1], []).append(tree)
        self._by_name = self._expand()

    def _expand(self):
        """Template variants sorted under the command or subcommand they turn out to be."""
        found = {name: [] for name in self.rows}
        for trees in self._trees.values():
            for tree in trees:
                for _ in range(self.variants):
                    args = command_templates.expand(tree, self.rng, self._fill)
                    name = self.name_of(args)
                    if name in found and args not in found[name]:
                        found[name].append(args)
        return found

    def name_of(self, args):
        words = [arg.lower().decode("latin-1") for arg in args[:2]]
        return "|".join(words) if "|".join(words) in self.rows else words[0]

    def of(self, name):
        return self._by_name[name] + [args for args in self._generated(name) if args not in self._by_name[name]]

    def _generated(self, name):
        """From arity and key positions: too few, just enough and more arguments; keys own and foreign."""
        arity, flags, first, last, step = self.rows[name]
        words = [word.encode() for word in name.split("|")]
        fills = [b"s0", b"ncanary-string", b"tenant:b:ncanary-string", b"*"]
        if "blocking" not in flags and name != "wait":
            fills += [b"1", b"0"]
        yield words
        for extra in (0, 1, 3):
            count = abs(arity) - len(words) + extra
            if count > 0:
                for fill in fills:
                    yield words + [fill] * count
                yield self._keyed(words, count, first, last, step)
                yield self._keyed([words[0].title()] + words[1:], count, first, last, step)

    def _keyed(self, words, count, first, last, step):
        """Keys where COMMAND says that keys stand, harmless numbers elsewhere."""
        args = words + [b"0.01"] * count
        last = len(args) + last if last < 0 else last
        for place in range(first, min(last, len(args) - 1) + 1, max(step, 1)) if first > 0 else ():
            args[place] = self.rng.choice([b"s0", b"l0", b"z0", b"h0"] + HOSTILE_NAMES)
        return args

    def _key(self, letter):
        roll = self.rng.random()
        if roll < 0.55:
            return letter.encode() + b"0"
        if roll < 0.85:
            return self.rng.choice(HOSTILE_NAMES)
        return self.rng.choice([b"missing", b"s0", b"l0", b"x0", b""])

    def _keys(self, letter):
        keys = [self._key(letter) for _ in range(self.rng.randint(1, 3))]
        lie = self.rng.random() < 0.15
        return [self.rng.choice((b"0", b"-1", b"abc", b"4294967297", b"9")) if lie else b"%d" % len(keys)] + keys

    def _placeholders(self):
        rng, fill = self.rng, {}
        for letter in "slhtzxgpy":
            fill["k" + letter] = lambda letter=letter: self._key(letter)
            fill["num" + letter] = lambda letter=letter: self._keys(letter)
        choices = {
            "numk": None, "k": None, "v": (b"v1", b"5"), "m": (b"m1", b"m2", b"5"), "i": (b"0", b"1", b"-1"),
            "n": (b"1", b"2"),
            "f": (b"1.5",), "w": (b"1", b"2"), "pat": HOSTILE_PATTERNS, "db": (b"0", b"1"), "when": (b"4000000000",),
            "whenms": (b"4000000000000",), "id": (b"1-1", b"9-1"), "gr": (b"g0", b"g9"), "co": (b"c0",),
            "lex": (b"-", b"+", b"[m1"), "sc": (b"-inf", b"+inf", b"1"), "bit": (b"0", b"1"), "off": (b"0", b"1"),
            "lon": (b"13.4",), "lat": (b"38.1",), "dump": (b"\x00\x01x\x0a\x00\xde\xad",), "cur": (b"0", b"abc"),
            "t": (b"0.01",), "by": (b"s*", b"nosort", b"ncanary-*"), "get": (b"#", b"s*", b"ncanary-*"),
            "lua": SCRIPTS,
            "chan": (b"own-chan", b"ncanary-chan", b"tenant:b:ncanary-chan"), "code": (LIBRARY,),
        }
        fill.update({name: lambda options=options: rng.choice(options) for name,
                     options in choices.items() if options})
        fill["k"] = lambda: self._key(rng.choice("slhtzxgp"))
        fill["numk"] = lambda: self._keys("s")
        return fill


def _rows(commands):
    for row in commands:
        yield row[0].decode().lower(), (row[1], {flag.decode() for flag in row[2]}, *row[3:6])
        yield from _rows(row[9] if len(row) > 9 else [])
