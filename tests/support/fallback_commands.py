"""What is answered while Redis is away, and what is not: one script over every supported command, to be sent to weir and to a
real Redis, and the commands that are refused."""
import re

_SCRIPT = """
SET s v | GET s | SET s w NX | SET s w XX GET | SET s 5 KEEPTTL | SET t v EX 100 | TTL t | SET t v PX 100000 | SET t v EXAT 4000000000
EXPIRETIME t | PEXPIRETIME t | SET s v PXAT 4000000000000 NX | SET s v EX 0 | SET s v EX abc | SET s v NX XX | SET s
GETEX s PERSIST | GETEX s EXAT 4000000000 | GETEX missing | GETEX s NOSUCH | GETDEL t | GETDEL t | GETSET s 6 | GETSET new v
SETNX s v | SETNX other v | SETEX e 100 v | SETEX e 0 v | PSETEX e 100000 v | MGET s missing l other | MSET a 1 b 2 | MSET a
MSETNX a 1 c 2 | MSETNX c 1 d 2 | APPEND a xyz | APPEND fresh v | STRLEN a | STRLEN missing | GETRANGE a 0 -2 | GETRANGE a 5 1
SETRANGE a 2 !!! | SETRANGE pad 5 x | SETRANGE a -1 x | SUBSTR a 0 1 | INCR n | INCR n | DECR n | INCRBY n 40 | DECRBY n 7
INCRBYFLOAT n 0.5 | INCRBYFLOAT f 3.25 | INCR a | INCR n x | INCRBY n 99999999999999999999 | DECRBY n -9223372036854775808
LCS s a | LCS s a LEN | LCS a b IDX
HSET h f 1 g 2 h 3 | HSET h f | HGET h f | HGET h missing | HMGET h f missing g | HMSET h i 4 | HGETALL h | HKEYS h | HVALS h | HLEN h
HEXISTS h f | HEXISTS h x | HDEL h f x | HINCRBY h g 5 | HINCRBY h s x | HINCRBYFLOAT h g 0.25 | HSETNX h g 9 | HSETNX h new 9
HSTRLEN h g | HSCAN h 0 | HSCAN h 0 MATCH g* COUNT 5 | HRANDFIELD missing | HRANDFIELD h 100 | HGET s f | HSET s f v
RPUSH l a b c d e | LPUSH l z y | LLEN l | LRANGE l 0 -1 | LRANGE l 1 2 | LINDEX l 0 | LINDEX l -1 | LINDEX l 99 | LSET l 0 Y
LSET l 99 x | LSET missing 0 x | LINSERT l BEFORE a 0 | LINSERT l AFTER nosuch 0 | LPOP l | RPOP l | LPOP l 2 | RPOP l 0 | LPOP missing 2
LPUSHX l q | RPUSHX missing q | LREM l 0 q | LTRIM l 0 2 | LPOS l b | LPOS l b RANK -1 COUNT 0 | LMOVE l l2 LEFT RIGHT
RPOPLPUSH l l2 | LMPOP 2 missing l LEFT | LMPOP 1 l2 RIGHT COUNT 5 | LMPOP 1 missing LEFT | LPUSH s x | LRANGE l a b
SADD t1 a b c 1 2 | SADD t1 a | SADD t2 b c d | SCARD t1 | SISMEMBER t1 a | SMISMEMBER t1 a x b | SMEMBERS t1 | SINTER t1 t2
SUNION t1 t2 | SDIFF t1 t2 | SINTERCARD 2 t1 t2 | SINTERCARD 2 t1 t2 LIMIT 1 | SINTERSTORE t3 t1 t2 | SUNIONSTORE t4 t1 t2
SDIFFSTORE t5 t1 t2 | SMOVE t1 t2 a | SMOVE t1 t2 nosuch | SREM t1 b nosuch | SSCAN t2 0 COUNT 100 | SRANDMEMBER missing
SRANDMEMBER t1 100 | SPOP t4 100 | SPOP missing | SPOP missing 3 | SADD s x | SCARD missing
ZADD z 1 a 2 b 3 c | ZADD z NX 5 a 6 d | ZADD z XX CH 9 a | ZADD z GT 1 a | ZADD z LT CH 1 a | ZADD z INCR 4 a | ZADD z NX GT 1 a
ZADD z x a | ZSCORE z a | ZSCORE z x | ZMSCORE z a x b | ZCARD z | ZCOUNT z 2 5 | ZCOUNT z (2 +inf | ZINCRBY z 2.5 b | ZRANK z a
ZREVRANK z a | ZRANK z nosuch | ZRANGE z 0 -1 | ZRANGE z 0 -1 WITHSCORES | ZRANGE z 0 -1 REV | ZRANGE z 1 5 BYSCORE LIMIT 0 2
ZRANGE z +inf -inf BYSCORE REV WITHSCORES | ZREVRANGE z 0 -1 WITHSCORES | ZRANGEBYSCORE z -inf (6 WITHSCORES
ZREVRANGEBYSCORE z 9 0 LIMIT 1 2 | ZADD lex 0 a 0 b 0 c 0 d | ZRANGEBYLEX lex [b + | ZREVRANGEBYLEX lex + - LIMIT 1 2 | ZLEXCOUNT lex - (c
ZRANGE lex [b (d BYLEX | ZREMRANGEBYLEX lex [a [b | ZRANGESTORE z9 z 0 1 | ZRANGESTORE z9 z 1 3 BYSCORE | ZUNION 2 z lex WITHSCORES
ZINTER 2 z lex | ZDIFF 2 z lex WITHSCORES | ZINTERCARD 2 z lex LIMIT 1 | ZUNIONSTORE z1 2 z lex WEIGHTS 2 3 AGGREGATE MAX
ZINTERSTORE z2 2 z lex | ZDIFFSTORE z3 2 z lex | ZREM z nosuch c | ZPOPMIN z | ZPOPMAX z 2 | ZMPOP 1 z1 MIN COUNT 2 | ZMPOP 1 missing MAX
ZADD z 1 a 2 b 3 c | ZREMRANGEBYRANK z 0 0 | ZREMRANGEBYSCORE z (2 3 | ZSCAN z 0 | ZRANDMEMBER missing | ZRANDMEMBER z 10 WITHSCORES | ZADD s 1 x
ZADD inf inf a -inf b | ZRANGE inf 0 -1 WITHSCORES | ZINCRBY inf -inf a | ZUNIONSTORE z1 1 s
DEL a missing | UNLINK b | EXISTS s s missing | TYPE h | TYPE missing | TTL s | PTTL missing | EXPIRE h 100 | EXPIRE h 50 GT | EXPIRE h 200 NX
PEXPIRE h 100000 XX | EXPIREAT h 4000000000 | PEXPIREAT h 4000000000000 LT | PERSIST h | PERSIST h | EXPIRE missing 10 | EXPIRE h -1
EXISTS h | RENAME l lr | RENAME missing x | RENAMENX lr s | RENAMENX lr l | COPY s copied | COPY s copied | COPY s n REPLACE | COPY s s
TOUCH s missing | KEYS * | KEYS s* | KEYS nosuch? | DBSIZE | SCAN 0 COUNT 1000 | SCAN 0 MATCH t* COUNT 1000 | SCAN 0 TYPE zset COUNT 1000
SCAN x | RPUSH nums 3 1 2 10 | SORT nums | SORT nums DESC LIMIT 1 2 | SORT nums ALPHA | SORT nums STORE sorted | LRANGE sorted 0 -1
SET w_1 9 | SET w_2 8 | SET w_3 7 | SET w_10 1 | SORT nums BY w_* | SORT nums BY w_* GET # GET w_* | SORT nums BY nosort | SORT_RO nums DESC
SORT s | SORT missing | FLUSHDB | DBSIZE | KEYS * | RANDOMKEY | GET s | SET s after | GET s | RANDOMKEY | FLUSHDB ASYNC | EXISTS s
GET | SET | NOSUCH x | LPOP | ZADD z | HSET h | EXPIRE s
"""

_BINARY = [
    (b"SET", b"\x00\xff\r\n", b"\r\n$5\r\n\x00"), (b"GET", b"\x00\xff\r\n"), (b"SET", b"", b""), (b"GET", b""), (b"APPEND", b"", b"\x80"),
    (b"SET", b"large", b"0123456789" * 5000), (b"GET", b"large"), (b"STRLEN", b"large"), (b"GETRANGE", b"large", b"100", b"60000"),
    (b"HSET", b"hb", b"\r\n", b"\x00"), (b"HGETALL", b"hb"), (b"SADD", b"tb", b"\x00", b"\x01"), (b"SISMEMBER", b"tb", b"\x00"),
    (b"KEYS", b"\x00*"), (b"RPUSH", b"wide", *(b"%d" % i for i in range(2000))), (b"LRANGE", b"wide", b"0", b"-1"),
]


def script():
    """Commands as lists of bytes, in an order that makes sense of them; it leaves few keys."""
    words = [command.split() for line in _SCRIPT.strip().splitlines() for command in line.split(" | ")]
    return [[word.encode() for word in command] for command in words] + [list(command) for command in _BINARY]


SUPPORTED = sorted({command[0].decode().lower() for command in script()} - {"nosuch"})

# One of each kind that needs Redis itself.
REFUSED = [command.split() for command in re.split(r"\n| \| ", """
XADD x * f v | XREAD STREAMS x 0 | XLEN x | XRANGE x - + | XGROUP CREATE x g 0 MKSTREAM | XINFO STREAM x | XREADGROUP GROUP g c STREAMS x >
XACK x g 1-1 | XDEL x 1-1 | XTRIM x MAXLEN 5 | EVAL return 0 | EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0 | EVAL_RO return 0
BLPOP l 0.01 | BRPOP l 0.01 | BLMOVE l m LEFT LEFT 0.01 | BRPOPLPUSH l m 0.01 | BLMPOP 0.01 1 l LEFT | BZPOPMIN z 0.01 | BZPOPMAX z 0.01
BZMPOP 0.01 1 z MIN | PUBLISH c m | SPUBLISH c m | SUBSCRIBE c | PSUBSCRIBE c* | SSUBSCRIBE c | PUBSUB CHANNELS
GEOADD g 13 38 m | GEOPOS g m | GEODIST g m m | GEOSEARCH g FROMMEMBER m BYRADIUS 1 km | GEORADIUS g 1 1 1 km
PFADD p a | PFCOUNT p | PFMERGE p q | SETBIT b 1 1 | GETBIT b 1 | BITCOUNT b | BITOP AND b c d | BITFIELD b GET u8 0 | BITPOS b 1
WATCH k | DUMP k | RESTORE k 0 x
""".strip())]
