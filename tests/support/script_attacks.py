"""What a script may try against other tenants, and what it needs for its own work. Own keys begin with `tenant:a:`.

ATTACKS have to fail on the server with a refusal; each reaches for `tenant:b:` or for what all tenants share.
"""
FOREIGN = "tenant:b:ncanary-string"


def _call(*words):
    return "return redis.call(%s)" % ",".join("'%s'" % word for word in words)


NAMES = [  # of keys, channels, clients, commands
    _call("SCAN", "0"), _call("SCAN", "0", "MATCH", "tenant:a:*"), _call("KEYS", "*"), _call("KEYS", "tenant:a:*"),
    _call("RANDOMKEY"), _call("DBSIZE"), _call("PUBSUB", "CHANNELS"), _call("PUBSUB", "NUMSUB", "ncanary-chan"),
    _call("PUBSUB", "SHARDCHANNELS"), _call("PUBSUB", "NUMPAT"), _call("INFO"), _call("INFO", "keyspace"),
    _call("CLIENT", "LIST"), _call("CLIENT", "INFO"), _call("CLIENT", "ID"),
    _call("CLIENT", "KILL", "TYPE", "normal"), _call("CLIENT", "NO-EVICT", "on"), _call("CLIENT", "TRACKING", "on"),
    _call("CLIENT", "REPLY", "off"), _call("SLOWLOG", "GET"), _call("LATENCY", "LATEST"),
    _call("LATENCY", "HISTOGRAM"), _call("MEMORY", "STATS"), _call("MEMORY", "DOCTOR"), _call("MEMORY", "PURGE"),
    _call("MEMORY", "USAGE", FOREIGN), _call("ROLE"), _call("COMMAND"), _call("COMMAND", "GETKEYS", "GET", FOREIGN),
    _call("COMMAND", "LIST"), _call("COMMAND", "COUNT"), _call("LASTSAVE"), _call("LOLWUT"), _call("CLUSTER", "INFO"),
    _call("CLUSTER", "GETKEYSINSLOT", "0", "10"), _call("WAIT", "0", "1"), _call("MONITOR"), _call("HELLO", "3"),
    _call("AUTH", "default", ""), _call("RESET"), _call("ACL", "WHOAMI"), _call("ACL", "LIST"),
    _call("ACL", "SETUSER", "ncanary-user", "allkeys"), _call("ACL", "LOG"), _call("CONFIG", "GET", "*"),
    _call("CONFIG", "SET", "maxmemory", "0"), _call("DEBUG", "OBJECT", FOREIGN), _call("DEBUG", "SLEEP", "0"),
    _call("FUNCTION", "LIST"), _call("FUNCTION", "FLUSH"), _call("FUNCTION", "STATS"), _call("SCRIPT", "FLUSH"),
    _call("SCRIPT", "LOAD", "return 1"), _call("MODULE", "LIST"), _call("SHUTDOWN", "NOSAVE"), _call("SAVE"),
    _call("BGSAVE"), _call("REPLICAOF", "NO", "ONE"), _call("SUBSCRIBE", "ncanary-chan"), _call("PSUBSCRIBE", "*"),
    _call("SSUBSCRIBE", "ncanary-chan"), _call("MULTI"), _call("WATCH", FOREIGN),
    _call("EVAL", "return redis.call(\\'GET\\',\\'" + FOREIGN + "\\')", "0"), _call("EVAL", "return 1", "0"),
    _call("FCALL", "ncanary_function", "0"), _call("FCALL_RO", "ncanary_function", "0"), _call("FLUSHALL"),
    _call("FLUSHDB"), _call("SWAPDB", "0", "1"), _call("MIGRATE", "127.0.0.1", "1", FOREIGN, "0", "1"),
]
VALUES = [  # of keys that are not declared, declared as arguments alone, or stand where another is expected
    _call("GET", FOREIGN), _call("get", FOREIGN), _call("MGET", "tenant:a:s0", FOREIGN), _call("GETDEL", FOREIGN),
    "return redis.call('GET', ARGV[1])", "return redis.pcall('GET', ARGV[1])",
    "return redis.call('MGET', unpack(ARGV))", "redis.setresp(3) return redis.call('GET', ARGV[1])",
    "redis.setresp(3) return redis.call('HGETALL', 'tenant:b:ncanary-hash')",
    "local call = redis.call return call('GET', ARGV[1])",
    "return loadstring([[return redis.call('GET', 'ncanary-string')]])()",
    "local co = coroutine.wrap(function() return redis.call('GET', ARGV[1]) end) return co()",
    "redis.replicate_commands() return redis.call('GET', ARGV[1])",
    "redis.set_repl(redis.REPL_NONE) return redis.call('SET', ARGV[1], '1')", _call("EXISTS", FOREIGN),
    _call("TYPE", FOREIGN), _call("TTL", FOREIGN), _call("DUMP", FOREIGN), _call("TOUCH", FOREIGN),
    _call("OBJECT", "ENCODING", FOREIGN), _call("OBJECT", "FREQ", FOREIGN), _call("STRLEN", FOREIGN),
    _call("LCS", "tenant:a:s0", FOREIGN), _call("SORT", "tenant:a:l0", "BY", "nosort", "GET", "tenant:b:*"),
    _call("SORT", "tenant:a:l0", "BY", "tenant:b:*"),
    _call("SORT", "tenant:a:l0", "BY", "nosort", "GET", "tenant:a:*"),
    "return redis.call('SORT','tenant:a:l0','BY','nosort','GET\\0','tenant:b:*')",
    "return redis.call('SORT','tenant:a:l0','BY\\0x','tenant:b:*')", _call("SORT", "tenant:b:ncanary-list"),
    _call("SORT_RO", "tenant:a:l0", "BY", "nosort", "GET", "tenant:b:*"), _call("SORT_RO", "tenant:b:ncanary-list"),
    _call("XREAD", "STREAMS", "tenant:b:ncanary-stream", "0"),
    _call("XREAD", "STREAMS", "tenant:a:x0", "tenant:b:ncanary-stream", "0", "0"),
    _call("XREAD", "COUNT", "1", "streams", "tenant:b:ncanary-stream", "0"),
    _call("XRANGE", "tenant:b:ncanary-stream", "-", "+"),
    _call("XREADGROUP", "GROUP", "STREAMS", "c", "STREAMS", "tenant:b:ncanary-stream", ">"),
    _call("XREADGROUP", "NOACK", "GROUP", "g0", "STREAMS", "STREAMS", "tenant:b:ncanary-stream", ">"),
    _call("XREADGROUP", "COUNT", "1", "GROUP", "g0", "STREAMS", "STREAMS", "tenant:b:ncanary-stream", ">"),
    _call("XREADGROUP", "GROUP", "g0", "tenant:a:x", "NOACK", "STREAMS", "tenant:b:ncanary-stream", ">"),
    _call("XINFO", "STREAM", "tenant:b:ncanary-stream"), _call("XPENDING", "tenant:b:ncanary-stream", "g0"),
    _call("LMPOP", "1", "tenant:b:ncanary-list", "LEFT"),
    _call("LMPOP", "2", "tenant:a:l9", "tenant:b:ncanary-list", "LEFT"),
    _call("ZMPOP", "2", "tenant:a:z9", "tenant:b:ncanary-zset", "MIN"),
    _call("BLPOP", "tenant:a:l9", "tenant:b:ncanary-list", "0"),
    _call("BLMPOP", "0", "2", "tenant:a:l9", "tenant:b:ncanary-list", "LEFT"),
    _call("BZPOPMIN", "tenant:a:z9", "tenant:b:ncanary-zset", "0"),
    _call("SINTERCARD", "2", "tenant:a:t0", "tenant:b:ncanary-set"),
    _call("ZUNION", "2", "tenant:a:z0", "tenant:b:ncanary-zset"),
    _call("PFCOUNT", "tenant:a:p0", "tenant:b:ncanary-hll"), _call("SUNION", "tenant:a:t0", "tenant:b:ncanary-set"),
    _call("GEOSEARCH", "tenant:b:ncanary-geo", "FROMLONLAT", "13", "38", "BYRADIUS", "900", "km"),
    _call("GEORADIUS_RO", "tenant:b:ncanary-geo", "13", "38", "900", "km"),
    _call("HSCAN", "tenant:b:ncanary-hash", "0"),
]
COPIES = [  # of foreign data into own keys
    _call("COPY", FOREIGN, "tenant:a:k"), _call("RENAME", FOREIGN, "tenant:a:k"),
    _call("BITOP", "OR", "tenant:a:k", FOREIGN), _call("ZUNIONSTORE", "tenant:a:k", "1", "tenant:b:ncanary-zset"),
    _call("ZUNIONSTORE", "tenant:a:k", "2", "tenant:a:z0", "tenant:b:ncanary-zset"),
    _call("SUNIONSTORE", "tenant:a:k", "tenant:b:ncanary-set"),
    _call("PFMERGE", "tenant:a:k", "tenant:b:ncanary-hll"),
    _call("ZRANGESTORE", "tenant:a:k", "tenant:b:ncanary-zset", "0", "-1"),
    _call("SORT", "tenant:b:ncanary-list", "STORE", "tenant:a:k"),
    _call("GEOSEARCHSTORE", "tenant:a:k", "tenant:b:ncanary-geo", "FROMLONLAT", "13", "38", "BYRADIUS", "900", "km"),
    _call("GEORADIUS", "tenant:b:ncanary-geo", "13", "38", "900", "km", "STORE", "tenant:a:k"),
    _call("RPOPLPUSH", "tenant:b:ncanary-list", "tenant:a:l0"),
    _call("LMOVE", "tenant:b:ncanary-list", "tenant:a:l0", "LEFT", "LEFT"),
    _call("SMOVE", "tenant:b:ncanary-set", "tenant:a:t0", "vcanary-4"),
    _call("SDIFFSTORE", "tenant:a:k", "tenant:b:ncanary-set"),
]
WRITES = [  # to foreign keys and channels
    _call("SET", FOREIGN, "x"), _call("DEL", FOREIGN), _call("DEL", "tenant:a:s0", FOREIGN), _call("UNLINK", FOREIGN),
    _call("MSET", "tenant:a:s0", "1", FOREIGN, "2"), _call("MSETNX", FOREIGN, "2", "tenant:a:new", "1"),
    _call("EXPIRE", FOREIGN, "1"), _call("COPY", "tenant:a:s0", FOREIGN, "REPLACE"),
    _call("RENAME", "tenant:a:s0", FOREIGN), _call("RENAMENX", "tenant:a:s0", "tenant:b:new"),
    _call("MOVE", FOREIGN, "1"), _call("RESTORE", FOREIGN, "0", "x", "REPLACE"),
    _call("RESTORE-ASKING", FOREIGN, "0", "x"), _call("SORT", "tenant:a:l0", "STORE", "tenant:b:new"),
    _call("SORT", "tenant:a:l0", "STORE", "tenant:a:k", "STORE", "tenant:b:new"),
    _call("SORT", "tenant:a:l0", "STORE", "by", "STORE", "tenant:b:new"),
    _call("SORT", "tenant:a:l0", "STORE", "store", "tenant:b:new"),
    _call("GEORADIUS", "tenant:a:g0", "13", "38", "900", "km", "STORE", "tenant:b:new"),
    _call("GEORADIUS", "tenant:a:g0", "13", "38", "900", "km", "STORE", "tenant:a:k", "STORE", "tenant:b:new"),
    _call("GEORADIUS", "tenant:a:g0", "13", "38", "900", "km", "STOREDIST", "tenant:a:k", "STOREDIST", "tenant:b:new"),
    _call("GEORADIUSBYMEMBER", "tenant:a:g0", "m1", "900", "km", "STORE", "tenant:a:k", "STORE", "tenant:b:new"),
    _call("GEOSEARCHSTORE", "tenant:b:new", "tenant:a:g0", "FROMMEMBER", "m1", "BYRADIUS", "900", "km"),
    _call("BITOP", "OR", "tenant:b:new", "tenant:a:s0"), _call("ZUNIONSTORE", "tenant:b:new", "1", "tenant:a:z0"),
    _call("SMOVE", "tenant:a:t0", "tenant:b:ncanary-set", "1"),
    _call("LMOVE", "tenant:a:l0", "tenant:b:ncanary-list", "LEFT", "LEFT"),
    _call("XADD", "tenant:b:ncanary-stream", "*", "f", "v"),
    _call("XGROUP", "CREATE", "tenant:b:ncanary-stream", "g1", "0"), _call("PFADD", "tenant:b:ncanary-hll", "x"),
    _call("PFMERGE", "tenant:b:new"), _call("PFMERGE", "tenant:b:ncanary-hll"),
    _call("PFMERGE", "tenant:b:new", "tenant:a:p0"),
    _call("PUBLISH", "ncanary-chan", "x"), _call("PUBLISH", "tenant:b:ncanary-chan", "x"),
    _call("PUBLISH", "__keyspace@0__:tenant:b:k", "x"), _call("SPUBLISH", "ncanary-chan", "x"),
    _call("SPUBLISH", "tenant:b:ncanary-chan", "x"), _call("PUBLISH", "tenant:a", "x"),
    "redis.call('SELECT', '1') return redis.call('SET', 'ncanary-string', 'x')",
    "redis.call('SELECT', '9') return redis.call('SET', 'new', 'x')",
]
LIES = [  # about the number of keys: the server's own error, whatever it checks
    _call("LMPOP", "9", "tenant:b:ncanary-list", "LEFT"), _call("LMPOP", "-1", "tenant:b:ncanary-list", "LEFT"),
    _call("LMPOP", "0", "tenant:b:ncanary-list", "LEFT"), _call("LMPOP", "abc", "tenant:b:ncanary-list", "LEFT"),
    _call("LMPOP", "4294967297", "tenant:b:ncanary-list", "LEFT"),
    _call("LMPOP", " 1", "tenant:b:ncanary-list", "LEFT"), _call("ZUNIONSTORE", "tenant:b:new", "9", "tenant:a:z0"),
    _call("ZUNIONSTORE", "tenant:b:new", "-1", "tenant:a:z0"),
    _call("ZUNIONSTORE", "tenant:b:new", "18446744073709551617", "tenant:a:z0"),
    _call("ZUNIONSTORE", "tenant:b:new", "1.0", "tenant:a:z0"), _call("SINTERCARD", "9", "tenant:b:ncanary-set"),
    _call("ZDIFF", "99999999999", "tenant:b:ncanary-zset"),
    _call("ZUNIONSTORE", FOREIGN, "0", "tenant:a:z0"), _call("ZUNIONSTORE", FOREIGN, "0", FOREIGN),
]
ATTACKS = NAMES + VALUES + COPIES + WRITES

LOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"
RATE_LIMIT = ("local count = redis.call('INCR', KEYS[1]) if count == 1 then "
              "redis.call('PEXPIRE', KEYS[1], ARGV[1]) end "
              "return {count, redis.call('PTTL', KEYS[1]) > 0}")
SLIDING_WINDOW = ("local now = redis.call('TIME') local at = now[1] * 1000 + math.floor(now[2] / 1000) "
                  "redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, at - ARGV[1]) "
                  "redis.call('ZADD', KEYS[1], at, ARGV[2]) return redis.call('ZCARD', KEYS[1])")
QUEUE = ("local id = redis.call('INCR', KEYS[1] .. ':id') redis.call('HSET', KEYS[1] .. ':' .. id, 'data', ARGV[1]) "
         "redis.call('LPUSH', KEYS[1] .. ':wait', id) "
         "redis.call('XADD', KEYS[1] .. ':events', '*', 'event', 'added', 'id', id) "
         "redis.call('PUBLISH', KEYS[1] .. ':added', id) "
         "local moved = redis.call('RPOPLPUSH', KEYS[1] .. ':wait', KEYS[1] .. ':active') "
         "return {moved, redis.call('HGET', KEYS[1] .. ':' .. moved, 'data'), "
         "#redis.call('XRANGE', KEYS[1] .. ':events', '-', '+')}")
WORK = [  # script, keys, arguments, what it returns
    ("redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', 10000) " + LOCK, ["tenant:a:lock"], ["token"], 1),
    (RATE_LIMIT, ["tenant:a:limit"], ["60000"], [1, 1]), (SLIDING_WINDOW, ["tenant:a:window"], ["60000", "x"], 1),
    (QUEUE, ["tenant:a:queue"], ["job"], [b"1", b"job", 1]),
    ("return redis.call('GET', 'tenant:a:s0')", [], [], b"10"),
    ("redis.setresp(3) return redis.call('HGETALL', KEYS[1])['map']['m1']", ["tenant:a:h0"], [], b"v1"),
    ("return redis.call('SORT', KEYS[1], 'ALPHA', 'DESC')", ["tenant:a:l0"], [], [b"m2", b"m1", b"5"]),
    ("return redis.call('SORT', KEYS[1], 'BY', 'nosort', 'STORE', KEYS[2])",
     ["tenant:a:l0", "tenant:a:sorted"], [], 3),
    ("return redis.call('XREAD', 'COUNT', 1, 'STREAMS', KEYS[1], 0)[1][1]", ["tenant:a:x0"], [], b"tenant:a:x0"),
    ("return redis.call('XREADGROUP', 'GROUP', 'g0', 'c', 'COUNT', 1, 'STREAMS', KEYS[1], '>')[1][1]",
     ["tenant:a:x0"], [], b"tenant:a:x0"),
    ("return redis.call('LMPOP', 2, 'tenant:a:l9', KEYS[1], 'LEFT')[1]", ["tenant:a:l0"], [], b"tenant:a:l0"),
    ("return #redis.call('HSCAN', KEYS[1], 0)[2]", ["tenant:a:h0"], [], 4),
    ("return redis.call('GEOSEARCHSTORE', KEYS[2], KEYS[1], 'FROMMEMBER', 'm1', 'BYRADIUS', 900, 'km')",
     ["tenant:a:g0", "tenant:a:near"], [], 2),
    ("return #redis.call('GEORADIUS_RO', KEYS[1], 13, 38, 900, 'km')", ["tenant:a:g0"], [], 2),
    ("return redis.call('OBJECT', 'ENCODING', KEYS[1])", ["tenant:a:s0"], [], b"int"),
    ("return redis.call('RESTORE', KEYS[2], 0, redis.call('DUMP', KEYS[1]))['ok']",
     ["tenant:a:s0", "tenant:a:restored"], [], b"OK"),
    ("return redis.call('COPY', KEYS[1], KEYS[2], 'DB', 3)", ["tenant:a:s0", "tenant:a:copied"], [], 1),
    ("redis.call('SELECT', 1) return redis.call('GET', KEYS[1])", ["tenant:a:s0"], [], b"10"),
    ("return redis.call('PING')['ok']", [], [], b"PONG"), ("return redis.call('ECHO', ARGV[1])", [], ["x"], b"x"),
    ("return redis.pcall('INCR', KEYS[1])['err'] ~= nil", ["tenant:a:l0"], [], 1),
    ("return cjson.encode({redis.sha1hex(''):sub(1, 4), tostring(redis.acl_check_cmd('GET', ARGV[1])), "
     "tostring(redis.acl_check_cmd('GET', KEYS[1]))})",
     ["tenant:a:s0"], [FOREIGN], b'["da39","false","true"]'),
    ("redis.log(redis.LOG_DEBUG, 'x') return redis.status_reply('FINE')['ok']", [], [], b"FINE"),
    ("return KEYS[1]", ["tenant:a:"], [], b"tenant:a:"),
]
