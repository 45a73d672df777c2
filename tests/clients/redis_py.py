"""redis-py: commands of every type, iterators, pipelines, transactions, errors. Once with each of its two parsers."""
import functools

import redis
from redis.connection import HiredisParser, PythonParser

from check import HOST, PORT, TENANT, fails, mine, run, same, true

r = None  # the client of the round


def own_keys(*names, client=None):
    """Exactly these keys are there, however one asks."""
    client, names = client or r, sorted(name.encode() for name in names)
    same(sorted(client.keys()), names, "KEYS *")
    same(sorted(set(client.scan_iter(count=3))), names, "SCAN")  # which may say a name twice
    same(client.dbsize(), len(names), "DBSIZE")
    true(client.randomkey() in (names or [None]), "RANDOMKEY gives a key that is not ours")


def strings():
    same(r.set("key", mine("v")), True)
    same(r.get("key"), mine("v"))
    same(r["key"], mine("v"))
    same(r.get("missing"), None)
    same(r.set("key", "x", nx=True), None)
    same(r.set("key", mine("w"), xx=True, get=True), mine("v"))
    same(r.setnx("key", "x"), False)
    same(r.append("key", "!"), len(mine("w!")))
    same(r.getrange("key", -2, -1), b"w!")
    same(r.setrange("key", 0, TENANT), len(mine("w!")))
    same(r.strlen("key"), len(mine("w!")))
    same(r.getset("key", mine("v")), mine("w!"))
    same(r.mset({"m1": mine(1), "m2": mine(2)}), True)
    same(r.msetnx({"m2": "x", "m3": "x"}), False)
    same(r.mget("m1", "missing", "m2"), [mine(1), None, mine(2)])
    same([r.incr("counter"), r.incrby("counter", 9), r.decr("counter"), r.decrby("counter", 4)], [1, 10, 9, 5])
    same(r.incrbyfloat("counter", 0.5), 5.5)
    same(r.getdel("counter"), b"5.5")
    same(r.lcs("m1", "m2"), mine(""))
    same(r.exists("key", "m1", "m2", "counter"), 3)
    own_keys("key", "m1", "m2")
    same(r.delete("m1", "missing"), 1)
    same(r.unlink("m2"), 1)
    same(r.touch("key", "m2"), 1)
    same("key" in r, True)
    for name in (b"", b"\r\n", b"a\0b", b"tenant:b:key", b"tenant:" + TENANT.encode() + b":key", b"{tag}" * 500, "käse".encode()):
        same(r.set(name, name), True, f"SET {name[:30]!r}")
        same(r.get(name), name, f"GET {name[:30]!r}")
        same(r.exists(name), 1)
        true(name in r.keys(), f"KEYS does not have {name[:30]!r}")
        same(r.delete(name), 1)
    big = mine("") + b"\r\n\0 " * 300_000
    same(r.set("key", big), True)
    same(r.get("key") == big, True, "a megabyte comes back")
    own_keys("key")


def expiry():
    r.set("key", "v", ex=100)
    true(98 <= r.ttl("key") <= 100, "TTL after EX")
    same(r.persist("key"), True)
    same(r.ttl("key"), -1)
    same(r.pexpire("key", 100_000), True)
    true(98_000 <= r.pttl("key") <= 100_000, "PTTL")
    same(r.expireat("key", 4_000_000_000), True)
    same(r.expiretime("key"), 4_000_000_000)
    same(r.expire("key", 10, gt=True), False)
    same(r.getex("key", persist=True), b"v")
    same(r.ttl("missing"), -2)
    same(r.setex("short", 100, "v"), True)
    same(r.expire("short", -1), True)
    same(r.get("short"), None)
    own_keys("key")


def hashes():
    same(r.hset("hash", "f", mine(1)), 1)
    same(r.hset("hash", mapping={"f": mine(2), "g": 1}), 1)
    same(r.hgetall("hash"), {b"f": mine(2), b"g": b"1"})
    same(r.hget("hash", "missing"), None)
    same(r.hmget("hash", "f", "missing"), [mine(2), None])
    same([r.hincrby("hash", "g", 4), r.hlen("hash"), r.hstrlen("hash", "f")], [5, 2, len(mine(2))])
    same(r.hincrbyfloat("hash", "g", 0.25), 5.25)
    same([r.hexists("hash", "f"), r.hexists("hash", "h")], [True, False])
    same((sorted(r.hkeys("hash")), sorted(r.hvals("hash"))), ([b"f", b"g"], sorted([mine(2), b"5.25"])))
    same(r.hsetnx("hash", "f", "x"), 0)
    true(r.hrandfield("hash") in (b"f", b"g"), "HRANDFIELD")
    same(r.hdel("hash", "f", "g", "h"), 2)
    same(r.exists("hash"), 0)
    fields = {b"field%d" % i: mine(i) for i in range(700)}
    same(r.hset("hash", mapping=fields), 700)
    same(dict(r.hscan_iter("hash", count=50)), fields)
    same(dict(r.hscan_iter("hash", match="field69*")), {name: v for name, v in fields.items() if name.startswith(b"field69")})
    own_keys("hash")


def lists():
    same(r.rpush("list", "a", "b", mine("c")), 3)
    same(r.lpush("list", "z"), 4)
    same(r.lrange("list", 0, -1), [b"z", b"a", b"b", mine("c")])
    same([r.lindex("list", 1), r.llen("list"), r.lpos("list", "b")], [b"a", 4, 2])
    same(r.linsert("list", "after", "a", "a2"), 5)
    same(r.lset("list", 0, "y"), True)
    same(r.lrem("list", 0, "a2"), 1)
    same(r.ltrim("list", 0, 2), True)
    same([r.lpop("list"), r.rpop("list"), r.rpop("list", 2), r.lpop("list")], [b"y", b"b", [b"a"], None])
    same(r.lpushx("list", "x"), 0)
    r.rpush("queue", mine(1), mine(2), mine(3))
    same(r.lmove("queue", "other", "LEFT", "RIGHT"), mine(1))
    same(r.rpoplpush("queue", "other"), mine(3))
    same(r.lrange("other", 0, -1), [mine(3), mine(1)])
    same(r.lmpop(3, "missing", "other", "queue", direction="LEFT", count=5), [b"other", [mine(3), mine(1)]])
    r.rpush("numbers", 3, 10, 1)
    same(r.sort("numbers", desc=True), [b"10", b"3", b"1"])
    r.mset({"w_3": 1, "w_10": 2, "w_1": 3, "v_3": mine(3), "v_10": mine(10), "v_1": mine(1)})
    same(r.sort("numbers", by="w_*", get=("v_*", "#"), groups=True), [(mine(3), b"3"), (mine(10), b"10"), (mine(1), b"1")])
    same(r.sort("numbers", store="sorted"), 3)
    same(r.sort_ro("sorted", by="nosort"), [b"1", b"3", b"10"])
    own_keys("queue", "numbers", "sorted", "w_3", "w_10", "w_1", "v_3", "v_10", "v_1")


def sets():
    same(r.sadd("set", "a", "b", mine("c"), "a"), 3)
    same(r.sadd("set2", "b", mine("c"), "d"), 3)
    same(r.smembers("set"), {b"a", b"b", mine("c")})
    same([r.scard("set"), r.sismember("set", "a"), r.sismember("set", "d")], [3, True, False])
    same(r.smismember("set", "a", "d"), [1, 0])
    same(r.sinter("set", "set2"), {b"b", mine("c")})
    same(r.sunion("set", "set2"), {b"a", b"b", mine("c"), b"d"})
    same(r.sdiff("set", "set2"), {b"a"})
    same(r.sintercard(2, ["set", "set2"]), 2)
    same([r.sinterstore("i", "set", "set2"), r.sunionstore("u", "set", "set2"), r.sdiffstore("d", "set", "set2")], [2, 4, 1])
    same(r.smove("set", "set2", "a"), True)
    same(r.srem("set2", "a", "missing"), 1)
    true(r.srandmember("set") in (b"b", mine("c")), "SRANDMEMBER")
    same(r.spop("set", 5).__len__(), 2)
    own_keys("set2", "i", "u", "d")
    members = {b"m%d" % i for i in range(700)}
    same(r.sadd("set", *members), 700)
    same(set(r.sscan_iter("set", match="m*", count=50)), members)


def sorted_sets():
    same(r.zadd("zset", {"a": 1, "b": 2, mine("c"): 3.5}), 3)
    same(r.zadd("zset", {"a": 1, "d": 4}, nx=True), 1)
    same(r.zadd("zset", {"d": 1}, incr=True), 5.0)
    same(r.zrange("zset", 0, -1, withscores=True), [(b"a", 1.0), (b"b", 2.0), (mine("c"), 3.5), (b"d", 5.0)])
    same(r.zrevrange("zset", 0, 0), [b"d"])
    same(r.zrangebyscore("zset", "(1", "+inf", start=0, num=2), [b"b", mine("c")])
    same(r.zrange("zset", "-", "(b", bylex=True), [b"a"])
    same([r.zcard("zset"), r.zcount("zset", 2, 5), r.zrank("zset", "b"), r.zrevrank("zset", "b")], [4, 3, 1, 2])
    same([r.zscore("zset", mine("c")), r.zscore("zset", "missing"), r.zincrby("zset", 0.5, "a")], [3.5, None, 1.5])
    same(r.zmscore("zset", ["a", "missing"]), [1.5, None])
    same([r.zpopmin("zset"), r.zpopmax("zset", 2)], [[(b"a", 1.5)], [(b"d", 5.0), (mine("c"), 3.5)]])
    r.zadd("zset2", {"b": 10, "e": 1})
    same(r.zunion(["zset", "zset2"], withscores=True), [(b"e", 1.0), (b"b", 12.0)])
    same(r.zinter({"zset": 2, "zset2": 1}, withscores=True), [(b"b", 14.0)])
    same(r.zdiff(["zset2", "zset"]), [b"e"])
    same([r.zunionstore("u", ["zset", "zset2"]), r.zinterstore("i", ["zset", "zset2"]), r.zdiffstore("d", ["zset2", "zset"])], [2, 1, 1])
    same(r.zintercard(2, ["zset", "zset2"]), 1)
    same(r.zrangestore("s", "zset2", 0, -1), 2)
    same(r.zmpop(2, ["missing", "zset2"], min=True), [b"zset2", [[b"e", b"1"]]])
    same([r.zrem("s", "b"), r.zremrangebyscore("s", 0, 5)], [1, 1])
    same(r.zrandmember("u", 5).__len__(), 2)
    own_keys("zset", "zset2", "u", "i", "d")
    scores = {b"m%d" % i: float(i) for i in range(700)}
    same(r.zadd("zset", scores), 700)
    same(dict(r.zscan_iter("zset", match="m*", count=50)), scores)


def streams():
    same(r.xadd("stream", {"f": mine(1)}, id="1-1"), b"1-1")
    same(r.xadd("stream", {"f": mine(2)}, id="2-1"), b"2-1")
    same(r.xlen("stream"), 2)
    same(r.xrange("stream", "-", "+"), [(b"1-1", {b"f": mine(1)}), (b"2-1", {b"f": mine(2)})])
    same(r.xrevrange("stream", count=1), [(b"2-1", {b"f": mine(2)})])
    r.xadd("STREAMS", {"f": "v"}, id="5-1")
    same(r.xread({"stream": "1-1", "STREAMS": "0"}, count=5),
         [[b"stream", [(b"2-1", {b"f": mine(2)})]], [b"STREAMS", [(b"5-1", {b"f": b"v"})]]])
    same(r.xread({"stream": "2-1"}), [])
    same(r.xgroup_create("stream", "group", id="0"), True)
    fails(redis.ResponseError, "^BUSYGROUP Consumer Group name already exists$", r.xgroup_create, "stream", "group")
    fails(redis.ResponseError, "^NOGROUP No such key 'nothing' or consumer group 'group' in XREADGROUP with GROUP option$",
          r.xreadgroup, "group", "c", {"nothing": ">"})
    same(r.xreadgroup("group", "c", {"stream": ">"}, count=1), [[b"stream", [(b"1-1", {b"f": mine(1)})]]])
    same(r.xpending("stream", "group"), {"pending": 1, "min": b"1-1", "max": b"1-1", "consumers": [{"name": b"c", "pending": 1}]})
    same(r.xpending_range("stream", "group", "-", "+", 9)[0]["message_id"], b"1-1")
    same(r.xclaim("stream", "group", "d", 0, ["1-1"]), [(b"1-1", {b"f": mine(1)})])
    same(r.xautoclaim("stream", "group", "e", 0, justid=True), [b"1-1"])
    same(r.xack("stream", "group", "1-1", "9-9"), 1)
    same(r.xinfo_stream("stream")["length"], 2)
    same(r.xinfo_groups("stream")[0]["name"], b"group")
    same(sorted(c["name"] for c in r.xinfo_consumers("stream", "group")), [b"c", b"d", b"e"])
    same([r.xdel("stream", "1-1"), r.xtrim("stream", maxlen=0)], [1, 1])
    same([r.xgroup_delconsumer("stream", "group", "c"), r.xgroup_destroy("stream", "group")], [0, True])
    own_keys("stream", "STREAMS")


def geo_bits_and_counts():
    same(r.geoadd("geo", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")), 2)
    same(round(r.geodist("geo", "Palermo", "Catania", "km")), 166)
    same(r.geohash("geo", "Palermo"), ["sqc8b49rny0"])
    same([round(x, 3) for x in r.geopos("geo", "Catania")[0]], [15.087, 37.503])
    same(r.geosearch("geo", longitude=15, latitude=37, radius=100, unit="km", withdist=True)[0][0], b"Catania")
    same(sorted(r.georadius("geo", 15, 37, 200, "km")), [b"Catania", b"Palermo"])
    same(r.georadiusbymember("geo", "Palermo", 200, "km", store="near"), 2)
    same(r.geosearchstore("found", "geo", member="Palermo", radius=1, unit="km"), 1)
    same([r.pfadd("hll", "a", "b", "c"), r.pfadd("hll", "a"), r.pfadd("hll2", "d"), r.pfcount("hll", "hll2")], [1, 0, 1, 4])
    same([r.pfmerge("merged", "hll", "hll2"), r.pfcount("merged")], [True, 4])
    same([r.setbit("bits", 7, 1), r.setbit("bits", 7, 1), r.getbit("bits", 7), r.bitcount("bits"), r.bitpos("bits", 1)], [0, 1, 1, 1, 7])
    r.set("other", b"\xff")
    same([r.bitop("AND", "and", "bits", "other"), r.get("and")], [1, b"\x01"])
    same(r.bitfield("field").set("u8", 0, 255).incrby("u8", 0, 10, "SAT").get("u4", 0).execute(), [0, 255, 15])
    own_keys("geo", "near", "found", "hll", "hll2", "merged", "bits", "other", "and", "field")


def keyspace():
    names = {f"user:{i}".encode(): mine(i) for i in range(500)}
    same(r.mset(names), True)
    own_keys(*(name.decode() for name in names))
    same(sorted(set(r.scan_iter("user:1?"))), sorted(b"user:1%d" % i for i in range(10)))
    same(sorted(r.keys("user:[45]")), [b"user:4", b"user:5"])
    same(list(r.scan_iter(_type="list")), [])
    same([r.type("user:1"), r.type("missing")], [b"string", b"none"])
    same(r.rename("user:1", "renamed"), True)
    same(r.renamenx("renamed", "user:2"), False)
    fails(redis.ResponseError, "^no such key$", r.rename, "user:1", "x")
    same([r.copy("renamed", "copy"), r.get("copy")], [True, mine(1)])
    same(r.restore("restored", 0, r.dump("copy")), b"OK")
    same([r.get("restored"), r.object("refcount", "copy"), r.object("encoding", "copy")], [mine(1), 1, b"embstr"])
    true(r.memory_usage("copy") > 0, "MEMORY USAGE")
    same(r.flushdb(), True)
    own_keys()


def databases():
    other = redis.Redis(HOST, PORT, db=9, decode_responses=False)
    other.flushdb()
    r.set("key", mine(0))
    other.set("key", mine(9))
    other.set("more", "v")
    same([r.get("key"), other.get("key")], [mine(0), mine(9)])
    own_keys("key")
    own_keys("key", "more", client=other)
    same([r.move("key", 9), other.move("more", 0), r.get("more")], [False, True, b"v"])
    same(r.copy("key", "copied", destination_db=9), True)
    own_keys("key", "copied", client=other)
    same(other.flushdb(), True)
    own_keys("key", "more")
    own_keys(client=other)
    other.close()


def pipelines():
    with r.pipeline(transaction=False) as pipe:
        for i in range(5000):
            pipe.set(f"p{i}", mine(i)).get(f"p{i}").ping()
        same(pipe.execute(), [reply for i in range(5000) for reply in (True, mine(i), True)])
    with r.pipeline(transaction=False) as pipe:
        pipe.set("key", "v").lpush("key", "x").echo("after").execute_command("NOSUCHCOMMAND", "a").get("key")
        replies = pipe.execute(raise_on_error=False)
    same([replies[0], replies[2], replies[4]], [True, b"after", b"v"])
    true(isinstance(replies[1], redis.ResponseError) and str(replies[1]).startswith("WRONGTYPE"), replies[1])
    same(str(replies[3]), "unknown command 'NOSUCHCOMMAND', with args beginning with: 'a' ")
    same(r.dbsize(), 5001)


def transactions():
    with r.pipeline() as pipe:
        pipe.set("key", mine(1)).incr("counter").rpush("list", "a", "b").lmpop(1, "list", direction="LEFT").scan(count=10_000).keys("k*")
        *replies, (cursor, found), matching = pipe.execute()
        same(replies, [True, 1, 2, [b"list", [b"a"]]])
        same([cursor, sorted(found), matching], [0, [b"counter", b"key", b"list"], [b"key"]], "SCAN and KEYS inside EXEC")
    with r.pipeline() as pipe:
        pipe.set("key", "v").lpush("key", "x").get("key")
        replies = pipe.execute(raise_on_error=False)
        true(isinstance(replies[1], redis.ResponseError), "LPUSH inside EXEC")
        same([replies[0], replies[2]], [True, b"v"])
    with r.pipeline() as pipe:
        pipe.set("key", "never").execute_command("GET")
        fails(redis.ResponseError, "wrong number of arguments for 'get' command", pipe.execute)
    same(r.get("key"), b"v")
    own_keys("key", "counter", "list")


def conflicts():
    """Our own writer makes EXEC fail; the other tenant, who runs the same at this moment, never does."""
    attempts = []

    def increment(pipe):
        value = int(pipe.get("counter") or 0)
        attempts.append(value)
        if len(attempts) < 3:
            r.set("counter", value + 10)
        pipe.multi()
        pipe.set("counter", value + 1)
    same(r.transaction(increment, "counter"), [True])
    same([attempts, r.get("counter")], [[0, 10, 20], b"21"])
    with r.pipeline() as pipe:
        pipe.watch("counter")
        r.delete("counter")
        pipe.multi()
        pipe.set("counter", "lost")
        fails(redis.WatchError, "Watched variable changed", pipe.execute)
        pipe.watch("counter")
        r.flushdb()
        pipe.unwatch()
        pipe.watch("counter")
        pipe.multi()
        pipe.set("counter", 0)
        same(pipe.execute(), [True])
        for i in range(200):
            pipe.watch("counter")
            same(pipe.get("counter"), b"%d" % i)
            pipe.multi()
            pipe.incr("counter")
            same(pipe.execute(), [i + 1], "a transaction that nobody of ours disturbs")
    own_keys("counter")


def errors():
    r.set("key", "v")
    fails(redis.ResponseError, "^WRONGTYPE Operation against a key holding the wrong kind of value$", r.lpush, "key", "x")
    fails(redis.ResponseError, "^value is not an integer or out of range$", r.incr, "key")
    fails(redis.ResponseError, "^unknown command 'nosuch', with args beginning with: 'a' 'b' $", r.execute_command, "nosuch", "a", "b")
    fails(redis.ResponseError, "^wrong number of arguments for 'get' command$", r.execute_command, "GET")
    fails(redis.ResponseError, "^syntax error$", r.execute_command, "SET", "key", "v", "BOGUS")
    fails(redis.ResponseError, "^DB index is out of range$", r.execute_command, "SELECT", 99)
    fails(redis.ResponseError, "^invalid cursor$", r.execute_command, "SCAN", "nonsense")
    same(r.get("key"), b"v")


def empty():
    same(r.flushdb(), True)
    own_keys()


def connect(parser):
    global r
    pool = redis.ConnectionPool(host=HOST, port=PORT, parser_class=parser, socket_timeout=20)
    r = redis.Redis(connection_pool=pool)


def main():
    sections = (strings, expiry, hashes, lists, sets, sorted_sets, streams, geo_bits_and_counts, keyspace, databases,
                pipelines, transactions, conflicts, errors)
    steps = []
    for parser in (HiredisParser, PythonParser):
        steps.append(functools.wraps(connect)(functools.partial(connect, parser)))
        for section in sections:
            steps += [empty, section]
        steps.append(empty)
    run(steps)


main()
