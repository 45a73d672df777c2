"""redis-py over its tenant's limits: the error is the caller's to catch, and the connection goes on. run.py gives the tenant
the limits that stand here as LIMITS.
"""
import asyncio
import re
import time

import redis
import redis.asyncio

from check import HOST, PORT, TENANT, fails, mine, run, same, true

LIMITS = {"writes": 20, "lists": 6, "sets": 3, "scripts": 4, "asynchronous": 10}  # of each so many in an hour
REFUSED = (r"^RATELIMITED limit '%s' of tenant '" + re.escape(TENANT) + r"': %d per 1h, retry in \d+ ms "
           r"\(limit=%d remaining=0 reset_ms=\d+\)$")

r = None


def refused(name):
    return REFUSED % (name, LIMITS[name], LIMITS[name])


def connect():
    global r
    r = redis.Redis(host=HOST, port=PORT, single_connection_client=True, socket_timeout=20)
    same(r.ping(), True)


def the_error_is_a_response_error():
    """Not a ConnectionError, so redis-py neither retries nor throws the connection away."""
    number = r.client_id()
    for i in range(LIMITS["writes"]):
        same(r.set("key", mine(i)), True)
    for _ in range(30):
        fails(redis.ResponseError, refused("writes"), r.set, "key", "never")
        same(r.get("key"), mine(LIMITS["writes"] - 1))
    same(r.client_id(), number, "the connection is the one it was")


def a_pipeline_has_the_refusals_in_their_places():
    with r.pipeline(transaction=False) as pipe:
        for i in range(10):
            pipe.rpush("list", mine(i)).get("key")
        replies = pipe.execute(raise_on_error=False)
    same(replies[:2 * LIMITS["lists"]:2], list(range(1, LIMITS["lists"] + 1)))
    for reply in replies[2 * LIMITS["lists"]::2]:
        same(type(reply), redis.ResponseError)
        true("RATELIMITED limit 'lists'" in str(reply), str(reply))
    same(replies[1::2], [mine(LIMITS["writes"] - 1)] * 10, "the replies between")


def a_transaction_is_done_whole_or_not_at_all():
    with r.pipeline() as pipe:
        pipe.sadd("set", "a").sadd("set", "b").get("key").sadd("set", "c").sadd("set", "d")
        fails(redis.ResponseError, "RATELIMITED limit 'sets'", pipe.execute)
    same(r.exists("set"), 0)
    with r.pipeline() as pipe:
        same(pipe.get("key").exists("set").execute(), [mine(LIMITS["writes"] - 1), 0])


def scripts_and_retries():
    """A caller that waits as the error says would pass; `retry in` is a number it can read."""
    script = r.register_script("return ARGV[1]")
    count = 0
    try:
        while count < 10:
            same(script(args=[mine(count)]), mine(count))
            count += 1
    except redis.ResponseError as error:
        true(re.search(r"^RATELIMITED limit 'scripts' ", str(error)), str(error))
        wait = int(re.search(r"retry in (\d+) ms", str(error))[1])
        true(0 < wait <= 3_600_000, f"retry in {wait} ms")
    true(1 <= count <= LIMITS["scripts"], f"{count} scripts")


def delayed_calls_take_their_time():
    """`action: delay` is not seen by a client at all, but for the time."""
    started = time.monotonic()
    for i in range(6):
        same(r.getset("delayed", mine(i)), mine(i - 1) if i else None)
    true(0.4 < time.monotonic() - started < 15, "six calls at ten a second")


async def many_tasks():
    client = redis.asyncio.Redis(host=HOST, port=PORT, socket_timeout=20)
    outcomes = await asyncio.gather(*(client.hset("hash", f"f{i}", mine(i)) for i in range(40)), return_exceptions=True)
    errors = [outcome for outcome in outcomes if outcome != 1]
    same((len(errors), {type(error) for error in errors}), (40 - LIMITS["asynchronous"], {redis.ResponseError}))
    true(all(re.search(refused("asynchronous"), str(error)) for error in errors), "their texts")
    same(await client.hlen("hash"), LIMITS["asynchronous"])
    await client.close()


def asynchronous():
    asyncio.run(many_tasks())


def flush():
    same(r.flushall(), True)
    same(r.keys(), [])


run([connect, flush, the_error_is_a_response_error, a_pipeline_has_the_refusals_in_their_places,
     a_transaction_is_done_whole_or_not_at_all, scripts_and_retries, delayed_calls_take_their_time, asynchronous, flush])
