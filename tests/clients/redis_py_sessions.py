"""redis-py: all that belongs to a connection: pub/sub, blocking commands, scripts, locks, tracking, CLIENT."""
import contextlib
import uuid

import redis
from redis.exceptions import ConnectionError, LockError, LockNotOwnedError, NoScriptError, ResponseError

from check import DEADLINE, HOST, PORT, TENANT, at_once, fails, mine, run, same, true, until

r = redis.Redis(HOST, PORT, socket_timeout=DEADLINE)

# How redis-py tells that weir closed a connection: the kernel answers late bytes with a reset, so either may come first.
CUT = "closed by server|reset by peer"


def message(subscriber):
    """The next message of any kind, as (type, pattern, channel, data)."""
    for _ in range(10):
        if found := subscriber.get_message(timeout=DEADLINE):
            return found["type"], found["pattern"], found["channel"], found["data"]
    raise AssertionError("no message")


def nothing_left(subscriber):
    """A message that we send ourselves is the next to come, so nothing was on its way before it."""
    token = mine(uuid.uuid4())
    subscriber.subscribe("fence")
    true(message(subscriber)[0] == "subscribe", "the fence's acknowledgement comes next")
    same(r.publish("fence", token), 1, "PUBLISH reaches us alone")
    same(message(subscriber), ("message", None, b"fence", token))
    subscriber.unsubscribe("fence")
    true(message(subscriber)[0] == "unsubscribe", "the fence's end")


def channels():
    p = r.pubsub()
    p.subscribe("news", "other")
    same([message(p), message(p)], [("subscribe", None, b"news", 1), ("subscribe", None, b"other", 2)])
    p.psubscribe("n*")
    same(message(p), ("psubscribe", None, b"n*", 3))
    same(sorted(r.pubsub_channels()), [b"news", b"other"])
    same(r.pubsub_channels("n*"), [b"news"])
    same(r.pubsub_numsub("news", "nobody"), [(b"news", 1), (b"nobody", 0)])
    same(r.pubsub_numpat(), 1)
    same(r.publish("news", mine("hello")), 2)
    same(sorted([message(p), message(p)], key=str), sorted([
        ("message", None, b"news", mine("hello")), ("pmessage", b"n*", b"news", mine("hello"))], key=str))
    same(r.publish("nobody", "x"), 1)
    same(message(p), ("pmessage", b"n*", b"nobody", b"x"))
    same(r.publish("unheard", "x"), 0)
    p.ping("still here")
    same(message(p), ("pong", None, None, b"still here"))
    p.unsubscribe("news")
    same(message(p), ("unsubscribe", None, b"news", 2))
    same(r.publish("news", "by pattern"), 1)
    same(message(p), ("pmessage", b"n*", b"news", b"by pattern"))
    p.punsubscribe()
    same(message(p), ("punsubscribe", None, b"n*", 1))
    nothing_left(p)
    p.unsubscribe()
    same(message(p), ("unsubscribe", None, b"other", 0))
    same(p.subscribed, False)
    same([r.pubsub_channels(), r.pubsub_numpat()], [[], 0])
    p.close()


def everything_of_ours():
    """PSUBSCRIBE * hears all that this tenant says, in order, and nothing of the other, who says the same words now."""
    p = r.pubsub(ignore_subscribe_messages=True)
    p.psubscribe("*")
    until(lambda: r.pubsub_numpat() == 1, "the subscription")
    with r.pipeline(transaction=False) as pipe:
        for i in range(500):
            pipe.publish(f"channel{i % 7}", mine(i))
        same(pipe.execute(), [1] * 500)
    for i in range(500):
        same(message(p), ("pmessage", b"*", b"channel%d" % (i % 7), mine(i)))
    p.close()
    until(lambda: r.publish("channel1", "x") == 0, "the end of the subscription")


def several_subscribers():
    """Ten connections on one channel; each gets everything once."""
    subscribers = [r.pubsub(ignore_subscribe_messages=True) for _ in range(10)]
    for p in subscribers:
        p.subscribe("shared", "only")
    until(lambda: r.pubsub_numsub("shared") == [(b"shared", 10)], "ten subscriptions")
    for p in subscribers[5:]:
        p.unsubscribe("only")
    until(lambda: r.pubsub_numsub("only") == [(b"only", 5)], "five subscriptions")
    same([r.publish("shared", mine(i)) for i in range(20)], [10] * 20)
    same(r.publish("only", mine("few")), 5)
    for number, p in enumerate(subscribers):
        wanted = [("message", None, b"shared", mine(i)) for i in range(20)]
        wanted += [("message", None, b"only", mine("few"))] if number < 5 else []
        same([message(p) for _ in wanted], wanted)
    for p in subscribers:
        p.close()
    until(lambda: r.pubsub_channels() == [], "the end of the subscriptions")


def handlers_on_a_thread():
    heard = []
    p = r.pubsub(ignore_subscribe_messages=True)
    p.subscribe(**{"handled": heard.append})
    p.psubscribe(**{"pattern.*": heard.append})
    thread = p.run_in_thread(sleep_time=0.05, daemon=True)
    until(lambda: r.publish("handled", mine(1)) == 1, "the subscription")
    until(lambda: r.publish("pattern.x", mine(2)) == 1, "the subscription")
    until(lambda: len(heard) >= 2, "both messages")
    same([(m["channel"], m["data"]) for m in heard], [(b"handled", mine(1)), (b"pattern.x", mine(2))])
    thread.stop()
    thread.join(DEADLINE)


def resubscribes_after_a_cut():
    """The server's administrator ends the connection; redis-py connects again by itself and subscribes anew."""
    p = r.pubsub(ignore_subscribe_messages=True)
    p.subscribe("news")
    p.psubscribe("p.*")
    until(lambda: r.pubsub_numsub("news") == [(b"news", 1)] and r.pubsub_numpat() == 1, "the subscription")
    ids = [int(c["id"]) for c in r.client_list(_type="pubsub")]
    same(len(ids), 1, "connections of type pubsub")
    same(r.client_kill_filter(_id=ids[0]), 1)
    until(lambda: r.pubsub_numsub("news") == [(b"news", 0)], "the end of the killed connection")
    fails(ConnectionError, CUT, until, lambda: p.get_message(timeout=DEADLINE), "the cut")
    same(p.get_message(timeout=0), None, "what comes next, once connected again")
    until(lambda: r.pubsub_numsub("news") == [(b"news", 1)] and r.pubsub_numpat() == 1, "the new subscription")
    true(int(r.client_list(_type="pubsub")[0]["id"]) > ids[0], "a new connection has a higher id")
    same(r.publish("news", mine("again")), 1)
    same(message(p), ("message", None, b"news", mine("again")))
    same(r.publish("p.q", mine("pattern")), 1)
    same(message(p), ("pmessage", b"p.*", b"p.q", mine("pattern")))
    p.close()
    until(lambda: r.pubsub_channels() == [], "the end of the subscriptions")


def blocked(name):
    """Waits until the client of that name is blocked."""
    until(lambda: any(c["name"] == name and "b" in c["flags"] for c in r.client_list()), f"{name} blocked")


@contextlib.contextmanager
def waiter(name="waiter"):
    """A client with one connection, on which something blocks."""
    with redis.Redis(HOST, PORT, client_name=name, single_connection_client=True) as client:
        yield client


def blocking_pops():
    with waiter() as w:
        waits = (
            (lambda: w.blpop(["none", "list"], 0), lambda: r.rpush("list", mine(1)), (b"list", mine(1))),
            (lambda: w.brpop("list", 15), lambda: r.rpush("list", mine(2)), (b"list", mine(2))),
            (lambda: w.blmove("list", "moved", 15), lambda: r.rpush("list", mine(3)), mine(3)),
            (lambda: w.brpoplpush("list", "moved", 15), lambda: r.rpush("list", mine(4)), mine(4)),
            (lambda: w.blmpop(15, 2, "none", "list", direction="LEFT", count=2), lambda: r.rpush("list", "a", "b", "c"), [b"list", [b"a", b"b"]]),
            (lambda: w.blpop("list", 15), lambda: None, (b"list", b"c")),
            (lambda: w.bzpopmin(["none", "zset"], 15), lambda: r.zadd("zset", {mine(5): 1.5}), (b"zset", mine(5), 1.5)),
            (lambda: w.bzpopmax("zset", 15), lambda: r.zadd("zset", {mine(6): 2}), (b"zset", mine(6), 2.0)),
            (lambda: w.bzmpop(15, 2, ["none", "zset"], min=True), lambda: r.zadd("zset", {mine(7): 2}), [b"zset", [[mine(7), b"2"]]]),
            (lambda: w.xread({"stream": "$"}, block=15000), lambda: r.xadd("stream", {"f": mine(8)}, id="1-1"),
             [[b"stream", [(b"1-1", {b"f": mine(8)})]]]),
        )
        for wait, push, wanted in waits:
            reply = at_once(wait)
            if wanted != (b"list", b"c"):
                blocked("waiter")
            push()
            same(reply.result(DEADLINE), wanted)
        same(r.lrange("moved", 0, -1), [mine(4), mine(3)])
        r.xgroup_create("stream", "group", "$")
        reply = at_once(w.xreadgroup, "group", "c", {"stream": ">"}, block=15000)
        blocked("waiter")
        r.xadd("stream", {"f": mine(9)}, id="2-1")
        same(reply.result(DEADLINE), [[b"stream", [(b"2-1", {b"f": mine(9)})]]])
        reply = at_once(w.xreadgroup, "group", "c", {"stream": ">"}, block=15000)
        blocked("waiter")
        r.delete("stream")
        fails(ResponseError, "^(UNBLOCKED|NOGROUP) ", reply.result, DEADLINE)
    same(sorted(r.keys()), [b"moved"])


def timeouts_of_blocking_pops():
    same([r.blpop("none", 0.05), r.brpop("none", 0.05), r.bzpopmin("none", 0.05), r.blmove("none", "x", 0.05)], [None] * 4)
    same(r.xread({"none": "$"}, block=50), [])
    same(r.execute_command("BLMPOP", 0.05, 1, "none", "LEFT"), None)
    same(r.wait(0, 50), 0)
    same(r.dbsize(), 0)


def unblocked_by_another():
    with waiter() as w:
        number = w.client_id()
        for error, wanted in ((False, None), (True, "UNBLOCKED client unblocked via CLIENT UNBLOCK")):
            reply = at_once(w.blpop, "none", 0)
            blocked("waiter")
            same(r.client_unblock(number, error=error), True)
            if wanted:
                fails(ResponseError, f"^{wanted}$", reply.result, DEADLINE)
            else:
                same(reply.result(DEADLINE), None)
        same(r.client_unblock(number), False)
        same(w.ping(), True)


def one_queue_many_workers():
    """Twenty blocked consumers, a hundred jobs: each job once, none of the other tenant's."""
    def consume():
        got = []
        with redis.Redis(HOST, PORT, single_connection_client=True) as client:
            while (job := client.blpop("jobs", 15)[1]) != b"end":
                got.append(job)
        return got
    workers = [at_once(consume) for _ in range(20)]
    for i in range(100):
        r.rpush("jobs", mine(i))
    r.rpush("jobs", *["end"] * 20)
    got = [job for worker in workers for job in worker.result(DEADLINE)]
    same(sorted(got), sorted(mine(i) for i in range(100)))
    same(r.dbsize(), 0)


def a_worker_that_dies_takes_nothing():
    with waiter("doomed") as w:
        reply = at_once(w.blpop, "jobs", 0)
        blocked("doomed")
        w.connection._sock.shutdown(2)
        fails(ConnectionError, CUT, reply.result, DEADLINE)
        until(lambda: not any(c["name"] == "doomed" for c in r.client_list()), "the end of the client")
    same(r.rpush("jobs", mine("kept")), 1)
    same(r.blpop("jobs", 1), (b"jobs", mine("kept")))


def scripts():
    unique = f"-- {TENANT} {uuid.uuid4()}\n"
    script = r.register_script(unique + "redis.call('SET', KEYS[1], ARGV[1]) return {KEYS[1], redis.call('GET', KEYS[1])}")
    same(r.script_exists(script.sha), [False])
    fails(NoScriptError, "No matching script", r.evalsha, script.sha, 1, "key", "v")
    reply = script(keys=["key"], args=[mine("v")])
    true(reply[0].endswith(b"key"), "KEYS[1]")
    same(reply[1], mine("v"))
    same(r.script_exists(script.sha, "f" * 40), [True, False])
    same(r.evalsha(script.sha, 1, "key", mine("w"))[1], mine("w"))
    same(r.get("key"), mine("w"))
    text = unique + "return redis.call('GET', KEYS[1])"
    sha = r.script_load(text)
    same([r.evalsha(sha, 1, "key"), r.eval(text, 1, "key"), r.eval_ro(text, 1, "key"), r.evalsha_ro(sha, 1, "key")], [mine("w")] * 4)
    same(r.eval("return {1, 'two', false, {3.9}}", 0), [1, b"two", None, [3]])
    same(r.eval("return redis.status_reply('FINE')", 0), b"FINE")
    fails(ResponseError, "^my own error", r.eval, "return redis.error_reply('my own error')", 0)
    fails(ResponseError, "^WRONGTYPE ", r.eval, "return redis.call('LPUSH', KEYS[1], 'x')", 1, "key")
    fails(ResponseError, "^Error compiling script", r.eval, "this is no Lua", 0)
    fails(ResponseError, "greater than number of args", r.eval, "return 1", 5, "key")
    same(r.eval("return #KEYS + #ARGV", 2, "a", "b", "c"), 3)
    with r.pipeline() as pipe:
        again = pipe.register_script(unique + "return redis.call('INCRBY', KEYS[1], ARGV[1])")
        again(keys=["counter"], args=[4])
        pipe.incr("counter")
        same(pipe.execute(), [4, 5])
    same(sorted(r.keys()), [b"counter", b"key"])


def scripts_stay_inside():
    """Names that the script does not declare: whatever it gets, it is nothing of another tenant's."""
    r.set("key", mine("v"))
    for body in ("return redis.call('GET', 'foreign')", "return redis.call('GET', 'tenant:c:foreign')", "return redis.call('KEYS', '*')",
                 "return redis.call('SCAN', '0', 'COUNT', '1000')[2]", "return redis.call('RANDOMKEY')"):
        try:
            reply = r.eval(body, 0)
        except ResponseError:
            continue
        names = reply if isinstance(reply, list) else [reply]
        true(all(name in (None, b"key") for name in names), f"{body} gives {reply!r}")


def locks():
    first = r.lock("lock", timeout=30)
    second = r.lock("lock", timeout=30, blocking_timeout=0.05, sleep=0.01)
    same([first.acquire(), second.acquire(), first.locked(), first.owned(), second.owned()], [True, False, True, True, False])
    true(0 < r.pttl("lock") <= 30_000, "the lock's time-out")
    same([first.extend(30), first.reacquire()], [True, True])
    true(r.pttl("lock") <= 30_000, "the lock's time-out is as it was")
    same(r.get("lock"), first.local.token)
    fails(LockError, "unlocked lock", second.release)
    first.release()
    waiting = r.lock("lock", sleep=0.01)
    with second:
        result = at_once(waiting.acquire, token=mine("token"))
        same([result.done(), r.keys()], [False, [b"lock"]])
    same(result.result(DEADLINE), True)
    same(r.get("lock"), mine("token"))
    stolen = r.lock("stolen")
    same(stolen.acquire(), True)
    r.set("stolen", "by another")
    same(r.lock("stolen", blocking=False).acquire(), False)
    fails(LockNotOwnedError, "no longer owned", stolen.release)
    same(sorted(r.keys()), [b"lock", b"stolen"])


def names_and_numbers():
    with redis.Redis(HOST, PORT, client_name="one", single_connection_client=True) as one, waiter("two") as two:
        same([one.client_getname(), two.client_getname()], ["one", "two"])
        true(one.client_id() < two.client_id(), "ids grow")
        same(one.client_setname("uno"), True)
        info = one.client_info()
        same([info["name"], info["id"], info["db"], info["sub"], info["multi"]], ["uno", one.client_id(), 0, 0, -1])
        listed = {int(c["id"]): c for c in one.client_list()}
        true({one.client_id(), two.client_id()} <= listed.keys(), "CLIENT LIST has us")
        same([listed[one.client_id()]["name"], listed[two.client_id()]["name"]], ["uno", "two"])
        same({c["name"] for c in listed.values()} - {"uno", "two", ""}, set(), "CLIENT LIST has clients of ours alone")
        same([int(c["id"]) for c in one.client_list(client_id=[str(two.client_id())])], [two.client_id()])
        number = two.client_id()
        same(one.client_kill_filter(_id=str(number)), 1)
        fails(ConnectionError, "losed|reset", two.get, "key")
        same(one.client_kill_filter(_id=str(number)), 0)
        fails(ResponseError, "cannot contain spaces", one.client_setname, "a b")
        same([one.ping(), one.echo("text"), one.client_getname()], [True, b"text", "uno"])
        same(one.reset(), "RESET")
        same(one.client_getname(), None)
        true(abs(one.time()[0] - r.time()[0]) <= 1, "TIME")
        same(one.quit(), True)


def about_the_server():
    info = r.info()
    for name in ("redis_version", "uptime_in_seconds", "connected_clients"):
        true(name in info, f"INFO has {name}")
    same([info["role"], info["cluster_enabled"], info["loading"]], ["master", 0, 0])
    true(info["arch_bits"] in (32, 64), "arch_bits")
    same(r.info("replication")["role"], "master")
    same(r.role()[0], b"master")
    same(r.acl_whoami(), "default")
    known = r.command()
    true("get" in known and known["get"]["arity"] == 2, "COMMAND")
    true(r.command_count() > 150, "COMMAND COUNT")
    same(r.command_getkeys("MSET", "a", 1, "b", 2), ["a", "b"])
    described, unknown = r.execute_command("COMMAND INFO", "get", "nosuch")
    same([described[0], described[1], unknown], [b"get", 2, None])
    true(b"Redis ver" in r.lolwut() or b"alkey" in r.lolwut(), "LOLWUT")


@contextlib.contextmanager
def tracked(**options):
    """A client whose invalidations go to a second connection, as in RESP2; gives it and the names that come."""
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.connection = listener.connection_pool.get_connection("pubsub")
    listener.connection.send_command("CLIENT", "ID")
    number = listener.connection.read_response()
    listener.connection.register_connect_callback(listener.on_connect)
    listener.subscribe("__redis__:invalidate")
    with redis.Redis(HOST, PORT, single_connection_client=True) as client:
        same(client.client_tracking_on(clientid=number, **options), b"OK")
        same(client.client_getredir(), number)
        yield client, lambda: message(listener)[2:]
        same(client.client_tracking_off(), b"OK")
        same(client.client_getredir(), -1)
    listener.close()


def client_side_caching():
    channel = b"__redis__:invalidate"
    with tracked() as (client, invalidated):
        true("on" in str(client.client_trackinginfo()), "TRACKINGINFO")
        same(client.mget("one", "two"), [None, None])
        r.set("unread", "v")
        r.set("two", mine(2))
        same(invalidated(), (channel, [b"two"]))
        same(client.get("two"), mine(2))
        client.set("two", "by myself")
        same(invalidated(), (channel, [b"two"]))
        r.delete("one")
        r.set("one", "v")
        same(invalidated(), (channel, [b"one"]))
    with tracked(bcast=True, prefix=["user:"], noloop=True) as (client, invalidated):
        client.set("user:1", "by myself")
        r.set("other", "v")
        r.set("user:2", mine(2))
        same(invalidated(), (channel, [b"user:2"]))
    r.flushdb()
    with tracked(optin=True) as (client, invalidated):
        client.get("key")
        client.execute_command("CLIENT", "CACHING", "YES")
        client.get("cached")
        r.set("key", "v")
        r.set("cached", "v")
        same(invalidated(), (channel, [b"cached"]))


def keyspace_events():
    """The server tells of every key that changes: our names, and ours alone."""
    keys, events = r.pubsub(ignore_subscribe_messages=True), r.pubsub(ignore_subscribe_messages=True)
    keys.psubscribe("__keyspace@0__:*")
    events.psubscribe("__keyevent@*__:*")
    until(lambda: r.pubsub_numpat() == 2, "the subscriptions")
    other = redis.Redis(HOST, PORT, db=9)
    for i in range(20):
        r.set(f"key{i}", "v")
        other.lpush("list", "v")
    r.rename("key1", "renamed")
    r.delete("key2")
    other.flushdb()
    seen = [message(keys)[2:] for _ in range(23)]
    wanted = [(b"__keyspace@0__:key%d" % i, b"set") for i in range(20)]
    wanted += [(b"__keyspace@0__:key1", b"rename_from"), (b"__keyspace@0__:renamed", b"rename_to"), (b"__keyspace@0__:key2", b"del")]
    same([event for event in seen if event[1] != b"new"], wanted)
    seen = [message(events)[2:] for _ in range(43)]
    same([event for event in seen if event[0].startswith(b"__keyevent@9")], [(b"__keyevent@9__:lpush", b"list")] * 20)
    same([event for event in seen if event[0] == b"__keyevent@0__:set"], [(b"__keyevent@0__:set", b"key%d" % i) for i in range(20)])
    same(seen[-3:], [(b"__keyevent@0__:rename_from", b"key1"), (b"__keyevent@0__:rename_to", b"renamed"), (b"__keyevent@0__:del", b"key2")])
    for p in (keys, events):
        p.close()
    other.close()


def health_checks():
    """A pool that pings before each command, and one subscribed connection that does."""
    with redis.Redis(HOST, PORT, health_check_interval=1e-9, client_name="checked") as client:
        for i in range(20):
            same(client.set("key", mine(i)), True)
            same(client.get("key"), mine(i))
        p = client.pubsub(ignore_subscribe_messages=True)
        p.subscribe("health")
        until(lambda: client.publish("health", mine("x")) == 1, "the subscription")
        same(message(p), ("message", None, b"health", mine("x")))
        p.close()


def empty():
    same(r.flushall(), True)
    same([r.dbsize(), r.keys()], [0, []])


SECTIONS = (channels, everything_of_ours, several_subscribers, handlers_on_a_thread, resubscribes_after_a_cut, blocking_pops,
            timeouts_of_blocking_pops, unblocked_by_another, one_queue_many_workers, a_worker_that_dies_takes_nothing,
            scripts, scripts_stay_inside, locks, names_and_numbers, about_the_server, client_side_caching,
            keyspace_events, health_checks)
run([step for section in SECTIONS for step in (empty, section)] + [empty])
