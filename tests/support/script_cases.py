"""Scripts for scripts_test.py: (name, script, keys, arguments). Each runs on empty databases, through weir and on a private
Redis, and must leave both with the same reply and the same keys. Keys that no `KEYS` declares are built inside, as
libraries do."""

STRINGS = """
redis.call('set', 'n', 5)
redis.call('mset', 'a', 1, 'b', 2, 3, 'three', 1.5, 'fraction')
local r = {}
for _, c in ipairs({{'incr', 'n'}, {'get', 'n'}, {'mget', 'a', 'b', 3, 1.5, 'none'}, {'append', 'a', 'xyz'}, {'strlen', 'a'},
    {'getrange', 'a', 0, 2}, {'exists', 'a', 'b', 'none'}, {'msetnx', 'a', 1, 'new', 2}, {'setex', 'e', 1000, 'v'},
    {'type', 'a'}, {'GETSET', 'a', 'again'}, {'Get', 'a'}, {'del', 'a', 'b'}, {'unlink', 'n'}, {'touch', 'e', 'q'},
    {'setbit', 'bits', 7, 1}, {'bitcount', 'bits'}, {'bitop', 'not', 'dest', 'bits'}, {'bitop', 'OR', 'd2', 'bits', 'dest'},
    {'get', 'dest'}, {'lcs', 'e', 'd2', 'len'}, {'rename', 'e', 'f'}, {'renamenx', 'f', 'g'}, {'copy', 'g', 'h'},
    {'copy', 'g', 'h', 'REPLACE'}, {'persist', 'h'}, {'getdel', 'h'}, {'pfadd', 'p1', 'x', 'y'}, {'pfadd', 'p2', 'z'},
    {'pfcount', 'p1', 'p2'}, {'object', 'encoding', 'g'}, {'echo', 'a'}, {'ping'},
    {'ping', 'text'}, {'dump', 'none'}, {'substr', 'g', 0, 0}, {'del', 'one'}, {'bitfield', 'bf', 'set', 'u8', 0, 200}}) do
  r[#r + 1] = redis.call(unpack(c))
end
return r
"""

COLLECTIONS = """
local call, r = redis.call, {}
call('rpush', 'l', 1, 2, 3, 4, 5, 6)
call('sadd', 's1', 'a', 'b', 'c')
call('sadd', 's2', 'b', 'c', 'd')
call('sadd', 'one', 'x')
call('zadd', 'z1', 1, 'a', 2, 'b')
call('zadd', 'z2', 3, 'b', 4, 'c')
for _, c in ipairs({{'lmove', 'l', 'm', 'left', 'right'}, {'rpoplpush', 'l', 'm'}, {'lrange', 'm', 0, -1}, {'lpop', 'l'},
    {'lmpop', 2, 'none', 'l', 'LEFT'}, {'lmpop', '1', 'l', 'RIGHT', 'COUNT', '2'}, {'lmpop', 1, 'none', 'LEFT'},
    {'blpop', 'none', 'm', 0}, {'brpop', 'none', 0}, {'blmpop', 0, 2, 'none', 'm', 'LEFT'}, {'blmove', 'm', 'l', 'LEFT', 'LEFT', 0},
    {'brpoplpush', 'l', 'm', 0}, {'sinter', 's1', 's2'}, {'sinterstore', 's3', 's1', 's2'}, {'sunionstore', 's4', 's1', 's2'},
    {'sdiff', 's1', 's2'}, {'sdiffstore', 's5', 's1', 's2'}, {'sintercard', 2, 's1', 's2'}, {'smove', 's1', 's2', 'a'},
    {'sunion', 'one', 'none'}, {'zunionstore', 'z3', 2, 'z1', 'z2', 'WEIGHTS', 2, 3}, {'zrange', 'z3', 0, -1, 'WITHSCORES'},
    {'zinterstore', 'z4', '2', 'z1', 'z2'}, {'zdiff', 2, 'z1', 'z2'}, {'zdiffstore', 'z5', 2, 'z1', 'z2'},
    {'zunion', 2, 'z1', 'z2', 'withscores'}, {'zinter', 2, 'z1', 'z2'}, {'zintercard', 2, 'z1', 'z2', 'LIMIT', 1},
    {'zmpop', 2, 'none', 'z1', 'MIN'}, {'bzmpop', 0, 1, 'z1', 'MAX'}, {'bzpopmin', 'none', 'z3', 0}, {'bzpopmax', 'z3', 0},
    {'zrangestore', 'z6', 'z2', 0, -1}, {'zmpop', 1, 'none', 'MAX'}, {'hset', 'h', 'f', 'v', 'g', 'w'}, {'hgetall', 'h'},
    {'hmget', 'h', 'f', 'none'}, {'hincrby', 'h', 'n', 3}, {'geoadd', 'geo', 13.361389, 38.115556, 'P', 15.087269, 37.502669, 'C'},
    {'geosearch', 'geo', 'FROMMEMBER', 'P', 'BYRADIUS', 200, 'km', 'ASC'},
    {'geosearchstore', 'g2', 'geo', 'FROMMEMBER', 'P', 'BYRADIUS', 200, 'km', 'ASC'},
    {'georadius_ro', 'geo', 15, 37, 200, 'km', 'ASC'}, {'sort', 'z2', 'by', 'nosort'}, {'sort', 'm', 'STORE', 'sorted'},
    {'sort', 'm', 'LIMIT', 0, 1, 'DESC'}, {'sort_ro', 'm'}, {'zmscore', 'z2', 'b', 'x'}}) do
  r[#r + 1] = {c[1], call(unpack(c)) or 'nil'}
end
return r
"""

STREAMS = """
local call, r = redis.call, {}
if ARGV[1] == '3' then redis.setresp(3) end
call('xadd', 's', '1-1', 'f', 'v')
call('xadd', 's', '2-1', 'f', 'w')
call('xgroup', 'create', 's', 'g', 0)
local function flat(x)
  if type(x) ~= 'table' then return tostring(x) end
  local names = {}
  for k, v in pairs(x) do names[#names + 1] = tostring(k) .. '=' .. flat(v) end
  table.sort(names)
  return '{' .. table.concat(names, ',') .. '}'
end
for _, c in ipairs({{'xread', 'streams', 's', 'none', '0', '0'}, {'xread', 'COUNT', 1, 'STREAMS', 's', 0},
    {'xread', 'STREAMS', 'none', 0}, {'xreadgroup', 'GROUP', 'g', 'c', 'COUNT', 1, 'STREAMS', 's', '>'},
    {'xreadgroup', 'GROUP', 'g', 'STREAMS', 'STREAMS', 's', '>'}, {'xpending', 's', 'g'}, {'xack', 's', 'g', '1-1'},
    {'xlen', 's'}, {'xrange', 's', '-', '+'}, {'xautoclaim', 's', 'g', 'd', 0, 0}, {'xtrim', 's', 'MAXLEN', 1},
    {'xgroup', 'createconsumer', 's', 'g', 'e'}, {'xgroup', 'delconsumer', 's', 'g', 'e'}, {'xinfo', 'groups', 's'}}) do
  r[#r + 1] = c[1] .. ' ' .. flat(call(unpack(c)))
end
return r
"""

# What a job queue does: all names from one prefix argument, several states, events and a packed argument.
JOBS = """
local rcall = redis.call
local prefix, id = ARGV[1], ARGV[2]
local opts = cmsgpack.unpack(ARGV[3])
local jobKey = prefix .. id
if rcall('EXISTS', jobKey) == 1 then return {err = 'job exists'} end
if rcall('HEXISTS', prefix .. 'meta', 'paused') == 1 then return -1 end
rcall('HMSET', jobKey, 'name', opts.name, 'data', cjson.encode({x = opts.x}), 'timestamp', 1700000000000)
rcall('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'event', 'added', 'jobId', id)
rcall('LPUSH', KEYS[1], id)
rcall('ZADD', prefix .. 'priority', 2 * 0x100000000 + bit.band(7, 3), id)
local moved = rcall('RPOPLPUSH', KEYS[1], KEYS[2])
local lock = rcall('SET', prefix .. moved .. ':lock', 'token', 'PX', 30000, 'NX')
rcall('INCR', prefix .. 'id')
local next = rcall('LMOVE', prefix .. 'wait', prefix .. 'active', 'RIGHT', 'LEFT')
rcall('PUBLISH', prefix .. 'events', id)
rcall('DEL', prefix .. id .. ':lock')
return {moved, lock, next or 'none', KEYS[1], rcall('HGETALL', prefix .. moved), rcall('LRANGE', KEYS[2], 0, -1)}
"""

# {name='send', x=7}, as cmsgpack.pack() writes it
JOB_OPTIONS = b"\x82\xa4name\xa4send\xa1x\x07"

CASES = [
    ("strings", STRINGS, [], []),
    ("collections", COLLECTIONS, [], []),
    ("streams", STREAMS, [], ["2"]),
    ("streams in RESP3", STREAMS, [], ["3"]),
    ("jobs", JOBS, ["q:wait", "q:active", "q:events"], ["q:", "1", JOB_OPTIONS]),
    ("declared keys come back as sent", "return {KEYS, ARGV, #KEYS, KEYS[1] == ARGV[1]}", ["one", "two"], ["one"]),
    ("keys of all bytes", "redis.call('set', KEYS[1], KEYS[2]) return {KEYS[1], redis.call('get', ARGV[1])}",
     [b"a\r\n\x00\xff\"'\\", b""], [b"a\r\n\x00\xff\"'\\"]),
    ("writable KEYS", "KEYS[1] = 'other' redis.call('set', KEYS[1], 1) return KEYS[1]", ["k"], []),
    ("a name that begins with the prefix", "redis.call('set', 'tenant:a:k', 1) return {KEYS[1], redis.call('exists', KEYS[1])}",
     ["tenant:a:k"], []),
    ("a value that looks like a name", "redis.call('rpush', 'l', 'tenant:a:x') return redis.call('lmpop', 1, 'l', 'LEFT')", [], []),
    ("numbers as names", "redis.call('set', 1700000000000, 1) redis.call('set', 0.1, 2) redis.call('set', 2^53, 3) "
     "redis.call('set', -3, 4) redis.call('set', 1700000000000000.5, 4) redis.call('mset', 1e15, 5, 123456789.25, 6) return redis.call('get', 0.1)", [], []),
    ("number of database", "redis.call('set', 'k', 0) redis.call('select', 1) redis.call('set', 'k', 1) redis.call('select', 0) "
     "local a = redis.call('move', 'k', 1) redis.call('select', 1) redis.call('del', 'k') return a", [], []),
    ("publish", "return {redis.call('publish', 'channel', 'm'), redis.call('spublish', 'channel', 'm')}", [], []),
    ("libraries", "return {cjson.encode({1, 2}), cmsgpack.unpack(cmsgpack.pack('x')), bit.tohex(255), struct.pack('>I', 1), "
     "redis.sha1hex('x'), redis.status_reply('FINE'), tostring(redis.REPL_ALL), redis.LOG_WARNING}", [], []),
    ("type of redis", "return {type(redis), type(redis.call), tostring(redis.nothing)}", [], []),
    ("nil reply", "return {tostring(redis.call('get', 'none')), tostring(redis.call('lpop', 'none'))}", [], []),
    ("boolean in RESP3", "redis.setresp(3) redis.call('hset', 'h', 'f', 1.5) return {redis.call('hgetall', 'h'), "
     "redis.call('get', 'none') == nil, redis.call('zadd', 'z', 1.5, 'm'), redis.call('zscore', 'z', 'm')}", [], []),
    ("local redis", "local redis = redis local call = redis.call return call('set', 'k', 1)", [], []),
    ("functions", "local function get(k) return redis.call('get', k) end redis.call('set', 'k', 'v') return {get('k'), get(KEYS[1])}", ["k"], []),
    ("coroutines", "local c = coroutine.wrap(function() coroutine.yield(redis.call('set', 'k', 1)) end) return c()", [], []),
    ("begins with a bracket", "(function() redis.call('set', 'k', 1) end)()", [], []),
    ("empty", "", [], []),
    ("only a comment", "-- nothing", [], []),
    ("CRLF lines", "local a = 1\r\nreturn a", [], []),
    ("shebang", "#!lua flags=no-writes\nreturn {redis.call('get', 'k'), KEYS[1]}", ["k"], []),
    ("shebang, writing", "#!lua\nredis.call('set', 'k', 1)\nreturn redis.call('get', 'k')", [], []),
    ("7,000 names", "local t = {} for i = 1, 7000 do t[i] = 'k' .. i end redis.call('mset', unpack(t)) "
     "return {redis.call('exists', unpack(t)), redis.call('del', unpack(t)), #redis.call('mget', unpack(t))}", [], []),
    ("7,998 values", "local t = {} for i = 1, 7998 do t[i] = i end return redis.call('rpush', 'l', unpack(t))", [], []),
    ("7,999 names", "local t = {} for i = 1, 7999 do t[i] = i end return redis.call('del', unpack(t))", [], []),
    ("pcall", "redis.call('set', 'k', 'v') local e = redis.pcall('incr', 'k') local ok, f = pcall(redis.call, 'incr', 'k') "
     "return {e.err, tostring(ok), tostring(f), redis.pcall('get', 'k')}", [], []),
    ("xpcall", "redis.call('set', 'k', 'v') return {xpcall(function() redis.call('incr', 'k') end, "
     "function(e) return type(e) == 'table' and e.err or e end)}", [], []),
]

ERRORS = [
    ("on the line", "\n\nredis.call('set', 'k', 'v')\nlocal x = redis.call('incr', 'k')\nreturn x", [], []),
    ("on the first line", "redis.call('set', 'k', 'v') redis.call('incr', 'k')", [], []),
    ("returned", "redis.call('set', 'k', 'v') return redis.call('incr', 'k')", [], []),
    ("in a function", "redis.call('set', 'k', 'v')\nlocal function f()\n local x = redis.call('incr', 'k')\n return x\nend\nf()", [], []),
    ("below a shebang", "#!lua\nredis.call('set', 'k', 'v')\n\nredis.call('incr', 'k')", [], []),
    ("first line below a shebang", "#!lua\nredis.call('set', 'k', 'v') redis.call('incr', 'k')", [], []),
    ("of pcall, returned", "redis.call('set', 'k', 'v') return redis.pcall('incr', 'k')", [], []),
    ("raised again", "redis.call('set', 'k', 'v')\nlocal ok, e = pcall(redis.call, 'incr', 'k')\n\nerror(e)", [], []),
    ("raised again as a table", "redis.call('set', 'k', 'v')\nlocal e = redis.pcall('incr', 'k')\n\nerror(e)", [], []),
    ("of the script's own", "\nerror('mine')", [], []),
    ("a table of the script's own", "\nerror({err = 'MINE text'})", [], []),
    ("an error reply", "return redis.error_reply('MINE text')", [], []),
    ("no arguments", "redis.call()", [], []),
    ("no key", "redis.call('get')", [], []),
    ("too few", "redis.call('set', 'k')", [], []),
    ("too many", "redis.call('get', 'k', 'x')", [], []),
    ("nil name", "redis.call('get', ARGV[1])", [], []),
    ("nil name of several", "redis.call('mget', 'a', ARGV[1], 'b')", [], []),
    ("nil at the end", "redis.call('del', 'a', nil)", [], []),
    ("nil value", "redis.call('set', 'k', nil)", [], []),
    ("nil command", "redis.call(nil, 'k')", [], []),
    ("no argument where none is needed", "redis.call('ping', nil)", [], []),
    ("table as a name", "redis.call('get', {})", [], []),
    ("boolean as a name", "redis.call('mget', 'a', true)", [], []),
    ("table as a command", "redis.call({}, 'k')", [], []),
    ("number as a command", "redis.call(12, 'k')", [], []),
    ("unknown command", "redis.call('nosuch', 'k')", [], []),
    ("empty command", "redis.call('', 'k')", [], []),
    ("numkeys zero", "redis.call('lmpop', 0, 'l', 'LEFT')", [], []),
    ("numkeys no number", "redis.call('zunion', 'x', 'k')", [], []),
    ("numkeys a fraction", "redis.call('zunion', 1.5, 'k')", [], []),
    ("numkeys too large", "redis.call('zunionstore', 'd', 5, 'k')", [], []),
    ("numkeys huge", "redis.call('sintercard', 1e18, 'k')", [], []),
    ("numkeys negative", "redis.call('sintercard', -1, 'k')", [], []),
    ("unbalanced streams", "redis.call('xread', 'streams', 'a', 'b', '0')", [], []),
    ("streams alone", "redis.call('xread', 'count', 1, 'streams')", [], []),
    ("no streams", "redis.call('xread', 'count', 1, 'a', '0')", [], []),
    ("no such key", "redis.call('xgroup', 'create', 's', 'g', 0)", [], []),
    ("no such group", "redis.call('xadd', 's', '1-1', 'f', 'v') local x = redis.call('xreadgroup', 'group', 'g', 'c', 'streams', 's', '>')", [], []),
    ("no such group, pcall", "return redis.pcall('xreadgroup', 'group', 'g', 'c', 'streams', 's', '>').err", [], []),
    ("no such group, XINFO", "redis.call('xadd', 's', '1-1', 'f', 'v') return redis.pcall('xinfo', 'consumers', 's', 'g').err", [], []),
    ("no such group, XCLAIM", "return redis.pcall('xclaim', 's', 'g', 'c', 0, '1-1').err", [], []),
    ("no such group, XPENDING", "return redis.pcall('xpending', 's', 'g').err", [], []),
    ("sort options", "redis.call('rpush', 'l', 1) redis.call('sort', 'l', 'nonsense')", [], []),
    ("wrong subcommand", "redis.call('object', 'nosuch', 'k')", [], []),
    ("subcommand alone", "redis.call('object', 'encoding')", [], []),
    ("noscript command", "redis.call('watch', 'k')", [], []),
    ("global variable", "x = 1", [], []),
    ("unknown variable", "\nreturn nothing", [], []),
    ("syntax", "return redis.call('get'", [], []),
    ("syntax on line 3", "\n\nreturn )", [], []),
    ("stray semicolon", ";return 1", [], []),
    ("a string alone", "'x'", [], []),
    ("end too many", "end", [], []),
    ("shebang without a line end", "#!lua", [], []),
    ("unknown shebang", "#!python\nreturn 1", [], []),
    ("unknown flag", "#!lua flags=nosuch\nreturn 1", [], []),
    ("writing against the flag", "#!lua flags=no-writes\nreturn redis.call('set', 'k', 1)", [], []),
    ("8,000 arguments", "local t = {} for i = 1, 8000 do t[i] = i end redis.call('del', unpack(t))", [], []),
]
