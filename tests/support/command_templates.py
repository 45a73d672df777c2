"""The shapes of commands, one line each, in a small language shared by the differential test and the isolation audit.

    set ks v [NX|XX] [GET] [EXAT when|KEEPTTL]

The first word is the command. UPPER CASE (and anything that is not a placeholder) stands for itself; `[a|b]` may be
left out; `(a|b)` must be one of them; a `+` behind a word or group repeats it one to three times. Placeholders are
filled in by whoever uses the template:

    k any key   ks kl kh kt kz kx kg kp: a key that is probably a string, list, hash, set, sorted set, stream,
    geo set, HyperLogLog; ky a sorted set with equal scores   v value   m member, field or element   i integer
    n count   f float   w weight/score   pat glob   db database   when far-off time (s)   whenms (ms)   id stream id
    gr group   co consumer   lex lex bound   sc score bound   bit 0/1   off small offset   lon lat   dump a DUMP
    payload   numk/numt/numz/numl: a number and that many keys   chan channel   cur cursor   t a tiny time-out (s)
    tms a tiny time-out (ms)   by/get SORT patterns   lua0/lua1/lua2/luaro a script without, with one, with two keys,
    one that only reads   sha its name
"""
import re

DATA = """
append ks v
bitcount ks [off off [BYTE|BIT]]
bitfield ks [OVERFLOW (WRAP|SAT|FAIL)] (GET u8 off|SET i16 off i|INCRBY u4 off i)+
bitfield_ro ks (GET u8 off)+
bitop (AND|OR|XOR) ks ks+
bitop NOT ks ks
bitpos ks bit [off [off [BYTE|BIT]]]
copy k k [DB db] [REPLACE]
decr ks
decrby ks i
del k+
dump ks
echo v
exists k+
expireat k when [NX|XX|GT|LT]
expiretime k
geoadd kg [NX|XX] [CH] (lon lat m)+
geodist kg m m [m|km|ft|mi]
geohash kg m+
geopos kg m+
georadius kg lon lat 500 km [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT n] [ASC|DESC]
georadius kg lon lat 500 km [COUNT n] [ASC|DESC] (STORE|STOREDIST) kg
georadius_ro kg lon lat 500 km [WITHDIST] ASC
georadiusbymember kg m 900 km [WITHCOORD] [WITHDIST] [COUNT n] ASC
georadiusbymember kg m 900 km ASC (STORE|STOREDIST) kg
georadiusbymember_ro kg m 900 km DESC
geosearch kg (FROMMEMBER m|FROMLONLAT lon lat) (BYRADIUS 700 km|BYBOX 900 900 km) (ASC|DESC) [COUNT n] [WITHDIST]
geosearchstore kg kg (FROMMEMBER m|FROMLONLAT lon lat) BYRADIUS 700 km ASC [COUNT n] [STOREDIST]
get k
get ks
getbit ks off
getdel ks
getex ks [EXAT when|PXAT whenms|PERSIST]
getrange ks i i
getset ks v
hdel kh m+
hexists kh m
hget kh m
hgetall kh
hincrby kh m i
hincrbyfloat kh m f
hkeys kh
hlen kh
hmget kh m+
hmset kh (m v)+
hrandfield kh [n [WITHVALUES]]
hscan kh 0 [MATCH pat] [COUNT n]
hset kh (m v)+
hset kh (m v)+
hsetnx kh m v
hstrlen kh m
hvals kh
incr ks
incrby ks i
incrbyfloat ks f
keys pat
lcs ks ks [LEN|IDX [MINMATCHLEN n] [WITHMATCHLEN]]
lindex kl i
linsert kl (BEFORE|AFTER) m m
llen kl
lmove kl kl (LEFT|RIGHT) (LEFT|RIGHT)
lmpop numl (LEFT|RIGHT) [COUNT n]
lpop kl [n]
lpos kl m [RANK i] [COUNT n] [MAXLEN n]
lpush kl m+
lpushx kl m+
lrange kl i i
lrem kl i m
lset kl i m
ltrim kl i i
mget k+
move k db
mset (k v)+
mset (ks v)+
msetnx (ks v)+
object ENCODING k
object REFCOUNT k
persist k
pexpireat k whenms [NX|XX|GT|LT]
pexpiretime k
pfadd kp m+
pfcount kp+
pfmerge kp kp+
ping [v]
rename k k
renamenx k k
restore ks 0 dump [REPLACE] [ABSTTL]
rpop kl [n]
rpoplpush kl kl
rpush kl m+
rpush kl m+
rpushx kl m+
sadd kt m+
sadd kt m+
scard kt
sdiff kt+
sdiffstore kt kt+
set k v
set ks v [NX|XX] [GET] [EXAT when|PXAT whenms|KEEPTTL]
set ks i
setbit ks off bit
setnx ks v
setrange ks off v
sinter kt+
sintercard numt [LIMIT n]
sinterstore kt kt+
sismember kt m
smembers kt
smismember kt m+
smove kt kt m
sort kl ALPHA [ASC|DESC] [LIMIT off n]
sort kl BY by ALPHA [GET get] [GET #]
sort kt [BY by] [GET get]+ [ASC|DESC]
sort kl [BY by] [GET get]+ [DESC] STORE kl
sort_ro kt BY by GET get GET #
sort_ro kt ALPHA [LIMIT off n]
spop kt 1000000
srandmember kt [n]
srem kt m+
sscan kt 0 COUNT 100000
strlen ks
substr ks i i
sunion kt+
sunionstore kt kt+
touch k+
ttl k
type k
unlink k+
xack kx gr id+
xadd kx [NOMKSTREAM] [MAXLEN [=|~] n|MINID id] id (m v)+
xadd kx id (m v)+
xautoclaim kx gr co 0 id [COUNT 5] [JUSTID]
xclaim kx gr co 0 id+ [FORCE] [JUSTID]
xdel kx id+
xgroup CREATE kx gr (id|$) [MKSTREAM]
xgroup CREATE kx gr 0 MKSTREAM
xgroup CREATECONSUMER kx gr co
xgroup DELCONSUMER kx gr co
xgroup DESTROY kx gr
xgroup SETID kx gr id
xinfo CONSUMERS kx gr
xinfo GROUPS kx
xinfo STREAM kx
xlen kx
xpending kx gr
xrange kx (-|id) (+|id) [COUNT n]
xread [COUNT n] STREAMS kx id
xread STREAMS kx kx id 0
xreadgroup GROUP gr co [COUNT n] [NOACK] STREAMS kx (>|id)
xreadgroup GROUP gr co STREAMS kx kx > >
xrevrange kx (+|id) (-|id) [COUNT n]
xsetid kx id [ENTRIESADDED n MAXDELETEDID id]
xtrim kx (MAXLEN|MINID) n
zadd kz [NX|XX] [CH] (w m)+
zadd kz (w m)+
zadd ky (0 m)+
zadd kz [XX] [GT|LT] INCR w m
zcard kz
zcount kz sc sc
zdiff numz [WITHSCORES]
zdiffstore kz numz
zincrby kz w m
zinter numz [WEIGHTS n n] [AGGREGATE (MIN|MAX|SUM)] [WITHSCORES]
zintercard numz [LIMIT n]
zinterstore kz numz [AGGREGATE (MIN|MAX|SUM)]
zlexcount ky lex lex
zmpop numz (MIN|MAX) [COUNT n]
zmscore kz m+
zpopmax kz [n]
zpopmin kz [n]
zrandmember kz [n [WITHSCORES]]
zrange kz i i [REV] [WITHSCORES]
zrange kz sc sc BYSCORE [REV] [LIMIT off n] [WITHSCORES]
zrange ky lex lex BYLEX [REV] [LIMIT off n]
zrangebylex ky lex lex [LIMIT off n]
zrangebyscore kz sc sc [WITHSCORES] [LIMIT off n]
zrangestore kz kz i i [REV]
zrangestore kz kz sc sc BYSCORE [LIMIT off n]
zrank kz m
zrem kz m+
zremrangebylex ky lex lex
zremrangebyrank kz i i
zremrangebyscore kz sc sc
zrevrange kz i i [WITHSCORES]
zrevrangebylex ky lex lex
zrevrangebyscore kz sc sc [WITHSCORES]
zrevrank kz m
zscan kz 0 COUNT 100000
zscore kz m
zunion numz [WEIGHTS n n] [AGGREGATE (MIN|MAX|SUM)] [WITHSCORES]
zunionstore kz numz [WEIGHTS n n] [AGGREGATE (MIN|MAX|SUM)]
"""

# The whole keyspace and the connection itself: cheap to say, dear to do, so they come up less often. The unknown
# command has short arguments: one that weir refuses while it is still arriving is quoted without what had not come yet.
RARE = """
dbsize
flushdb [ASYNC|SYNC]
flushall [ASYNC|SYNC]
select db
select v
scan cur [MATCH pat] [COUNT n] [TYPE (string|list|hash|set|zset|stream)]
hello [2|3]
hello v
command GETKEYS mset (k v)+
client SETNAME conn
client GETNAME
reset
nosuchcommand k m
get
object NOSUCH k
xgroup NOSUCH k
config
"""

# Served at once, or over after a moment: what is longer is tested with a clock of its own.
BLOCKING = """
blpop kl+ t
brpop kl+ t
blmove kl kl (LEFT|RIGHT) (LEFT|RIGHT) t
brpoplpush kl kl t
blmpop t numl (LEFT|RIGHT) [COUNT n]
bzpopmin kz+ t
bzpopmax kz+ t
bzmpop t numz (MIN|MAX) [COUNT n]
xread [COUNT n] BLOCK tms STREAMS kx (id|$|0)
xread BLOCK tms STREAMS kx kx id $
xreadgroup GROUP gr co [COUNT n] BLOCK tms [NOACK] STREAMS kx (>|id)
xreadgroup GROUP gr co BLOCK tms STREAMS kx kx > >
wait 0 tms
"""

# With the keys they declare.
SCRIPTS = """
eval lua0 0 v
eval lua1 1 k [v]
eval lua1 1 k
eval lua2 2 k k
eval_ro luaro 1 k
evalsha sha 1 k
evalsha_ro sha 1 k
script EXISTS sha sha
script LOAD lua1
"""

# Channels nobody has subscribed to, and what tells of them.
MESSAGES = """
publish chan v
spublish chan v
pubsub CHANNELS [pat]
pubsub NUMSUB chan+
pubsub NUMPAT
pubsub SHARDNUMSUB chan
"""

_WORD = re.compile(r"[][()|]|[^][()|\s]+")


def compile_line(line):
    """A tree of ("word", text, repeated) and ("group", alternatives, optional, repeated); an alternative is a list."""
    tokens = _WORD.findall(line)
    tree = _sequence(tokens)
    assert not tokens, f"unbalanced brackets in {line!r}"
    return tree


def _sequence(tokens):
    nodes = []
    while tokens and tokens[0] not in ("|", ")", "]"):
        token = tokens.pop(0)
        if token not in ("(", "["):
            repeated = len(token) > 1 and token.endswith("+")
            nodes.append(("word", token[:-1] if repeated else token, repeated))
            continue
        alternatives = [_sequence(tokens)]
        while tokens.pop(0) == "|":
            alternatives.append(_sequence(tokens))
        repeated = bool(tokens) and tokens[0] == "+" and bool(tokens.pop(0))
        nodes.append(("group", alternatives, token == "[", repeated))
    return nodes


def compile_all(text):
    return [compile_line(line) for line in text.splitlines() if line.strip()]


def expand(tree, rng, fill, out=None):
    """One command of that shape as a list of bytes; `fill[placeholder]()` gives bytes, or a list of them."""
    out = [] if out is None else out
    for node in tree:
        for _ in range(rng.randint(1, 3) if node[-1] else 1):
            if node[0] == "group":
                if not node[2] or rng.random() < 0.4:
                    expand(rng.choice(node[1]), rng, fill, out)
                continue
            maker = fill.get(node[1]) if out else None
            value = maker() if maker else node[1].encode()
            out.extend(value) if isinstance(value, list) else out.append(value)
    return out
