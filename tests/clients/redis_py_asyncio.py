"""redis-py's asyncio client: many tasks on a pool, pipelines, transactions, pub/sub, blocking pops, scripts, locks."""
import asyncio
import uuid

import redis.asyncio as redis
from redis.exceptions import ConnectionError, LockNotOwnedError, NoScriptError, ResponseError, WatchError

from check import DEADLINE, HOST, PORT, TENANT, mine, run, same, true


async def fails(kind, awaitable):
    try:
        result = await awaitable
    except kind as error:
        return str(error)
    raise AssertionError(f"{result!r}; should be {kind.__name__}")


async def until(condition, what):
    async def look():
        while not await condition():
            await asyncio.sleep(0.005)
    try:
        await asyncio.wait_for(look(), DEADLINE)
    except asyncio.TimeoutError:
        raise AssertionError(f"{what} did not come about") from None


async def many_tasks(r):
    async def one(number):
        for i in range(20):
            same(await r.set(f"key:{number}", mine(i)), True)
            same(await r.get(f"key:{number}"), mine(i))
    await asyncio.gather(*(one(number) for number in range(50)))
    same({name async for name in r.scan_iter("key:*", count=7)}, {b"key:%d" % i for i in range(50)})
    same(await r.dbsize(), 50)
    same(await r.hset("hash", mapping={"f": mine(1)}), 1)
    same([pair async for pair in r.hscan_iter("hash")], [(b"f", mine(1))])
    same(await r.zadd("zset", {"m": 1.5}), 1)
    same(await r.zrange("zset", 0, -1, withscores=True), [(b"m", 1.5)])
    true((await fails(ResponseError, r.lpush("hash", "x"))).startswith("WRONGTYPE"), "WRONGTYPE")


async def pipelines_and_transactions(r):
    async with r.pipeline(transaction=False) as pipe:
        for i in range(2000):
            pipe.set(f"p{i}", mine(i)).get(f"p{i}")
        same(await pipe.execute(), [reply for i in range(2000) for reply in (True, mine(i))])
    await r.flushdb()
    async with r.pipeline() as pipe:
        await pipe.watch("counter")
        await r.set("counter", 5)
        pipe.multi()
        pipe.set("counter", "lost")
        await fails(WatchError, pipe.execute())
        await pipe.watch("counter")
        same(await pipe.get("counter"), b"5")
        pipe.multi()
        pipe.incr("counter").keys("*")
        same(await pipe.execute(), [6, [b"counter"]])

    async def worker():
        """As many as there are take part; each must have its turn."""
        async def increment(pipe):
            value = int(await pipe.get("counter"))
            pipe.multi()
            pipe.set("counter", value + 1)
        for _ in range(10):
            await r.transaction(increment, "counter")
    await asyncio.gather(*(worker() for _ in range(5)))
    same(await r.get("counter"), b"56")


async def pubsub(r):
    async with r.pubsub(ignore_subscribe_messages=True) as p:
        await p.subscribe("news")
        await p.psubscribe("n?ws", "other*")

        async def subscribed():
            return await r.pubsub_numsub("news") == [(b"news", 1)] and await r.pubsub_numpat() == 2

        async def next_message():
            async def look():
                while not (found := await p.get_message(timeout=DEADLINE)):
                    pass
                return found["type"], found["pattern"], found["channel"], found["data"]
            return await asyncio.wait_for(look(), DEADLINE)
        await until(subscribed, "the subscription")
        same(await r.publish("news", mine("a")), 2)
        same(sorted([(await next_message())[0], (await next_message())[0]]), ["message", "pmessage"])
        killed = (await r.client_list(_type="pubsub"))[0]["id"]
        same(await r.client_kill_filter(_id=killed), 1)
        await fails(ConnectionError, next_message())
        await p.connect()
        await until(subscribed, "the new subscription")
        same(await r.publish("other.channel", mine("b")), 1)
        same(await next_message(), ("pmessage", b"other*", b"other.channel", mine("b")))
        await p.unsubscribe()
        await p.punsubscribe()


async def blocking(r):
    pops = [asyncio.create_task(r.blpop(["none", f"queue:{i}"], 15)) for i in range(30)]

    async def all_blocked():
        return sum("b" in c["flags"] for c in await r.client_list()) == 30
    await until(all_blocked, "thirty blocked clients")
    for i in reversed(range(30)):
        same(await r.rpush(f"queue:{i}", mine(i)), 1)
    same(await asyncio.gather(*pops), [(b"queue:%d" % i, mine(i)) for i in range(30)])
    same(await r.blpop("none", 0.05), None)
    pop = asyncio.create_task(r.blpop("none", 0))
    await until(lambda: is_blocked(r), "a blocked client")
    pop.cancel()
    await asyncio.gather(pop, return_exceptions=True)
    same(await r.dbsize(), 0)


async def is_blocked(r):
    return any("b" in c["flags"] for c in await r.client_list())


async def scripts_and_locks(r):
    text = f"-- {TENANT} {uuid.uuid4()}\nreturn {{ARGV[1], redis.call('INCR', KEYS[1])}}"
    script = r.register_script(text)
    await fails(NoScriptError, r.evalsha(script.sha, 1, "counter", "x"))
    same([await script(keys=["counter"], args=[mine(i)]) for i in range(3)], [[mine(i), i + 1] for i in range(3)])
    inside = 0

    async def guarded():
        nonlocal inside
        async with r.lock("lock", timeout=30, sleep=0.005):
            inside += 1
            same(inside, 1, "tasks inside the lock")
            await r.incr("counter")
            inside -= 1
    await asyncio.gather(*(guarded() for _ in range(8)))
    same(await r.get("counter"), b"11")
    lock = r.lock("lock")
    same(await lock.acquire(), True)
    same(await r.delete("lock"), 1)
    await fails(LockNotOwnedError, lock.release())
    same(await r.keys(), [b"counter"])


async def main():
    # One connection for each task at most, and a time-out for whatever hangs.
    pool = redis.ConnectionPool(host=HOST, port=PORT, socket_timeout=DEADLINE)
    r = redis.Redis(connection_pool=pool)
    for section in (many_tasks, pipelines_and_transactions, pubsub, blocking, scripts_and_locks):
        same(await r.flushdb(), True)
        same(await r.keys(), [])
        try:
            await asyncio.wait_for(section(r), 3 * DEADLINE)
        except BaseException:
            print("in", section.__name__)
            raise
    same(await r.flushdb(), True)
    await pool.disconnect()


def everything():
    asyncio.run(main())


run([everything])
