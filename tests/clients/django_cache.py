"""django-redis: Django's cache, its sessions and rate-limit style counters, on three configurations of the back end."""
import threading

import django
import redis
from django.conf import settings

from check import DEADLINE, HOST, PORT, TENANT, at_once, fails, run, same, true, until

URL = f"redis://{HOST}:{PORT}"


def backend(database, **options):
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"{URL}/{database}", "TIMEOUT": 300,
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient", **options.pop("OPTIONS", {})}, **options}


settings.configure(
    SECRET_KEY="no secret", USE_TZ=True, INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache", SESSION_CACHE_ALIAS="sessions",
    CACHES={
        "default": backend(0),
        "compact": backend(1, KEY_PREFIX="app", VERSION=2, OPTIONS={
            "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer", "CONNECTION_POOL_KWARGS": {"max_connections": 50}}),
        "sessions": backend(2, OPTIONS={"PARSER_CLASS": "redis.connection.PythonParser"}),
        "herd": backend(3, OPTIONS={"CLIENT_CLASS": "django_redis.client.HerdClient"}),
    })
django.setup()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.core.cache import cache, caches  # noqa: E402
from django_redis import get_redis_connection  # noqa: E402


def stored(alias, *names):
    """Exactly these keys are there, as the server has them."""
    connection = get_redis_connection(alias)
    same(sorted(connection.keys()), sorted(names), "KEYS *")
    same(connection.dbsize(), len(names), "DBSIZE")


def values():
    value = {"tenant": TENANT, "list": [1, 2.5, None], "bytes": b"\0\xff"}
    same([cache.set("key", value), cache.get("key"), cache.get("none", "default")], [True, value, "default"])
    same([cache.add("key", "x"), cache.add("new", 1), cache.has_key("new"), "none" in cache], [False, True, True, False])
    same([cache.incr("new"), cache.incr("new", 4), cache.decr("new", 2), cache.get("new")], [2, 6, 4, 4])
    fails(ValueError, "not found", cache.incr, "none")
    same([cache.get_or_set("made", lambda: TENANT), cache.get_or_set("made", "x")], [TENANT, TENANT])
    cache.set_many({f"many{i}": i for i in range(100)}, timeout=60)
    same(dict(cache.get_many([f"many{i}" for i in range(100)] + ["none"])), {f"many{i}": i for i in range(100)})
    cache.delete_many([f"many{i}" for i in range(1, 100)])
    same([cache.ttl("many0") > 50, cache.ttl("none"), cache.persist("many0"), cache.ttl("many0")], [True, 0, True, None])
    same([cache.expire("many0", 100), cache.touch("many0", 200), 150 < cache.ttl("many0") <= 200, cache.pttl("many0") > 150_000], [True] * 4)
    stored("default", b":1:key", b":1:new", b":1:made", b":1:many0")
    same([cache.delete("many0"), cache.delete("many0"), cache.set("gone", 1, timeout=0), cache.get("gone")], [True, False, False, None])
    same([cache.set("only", 1, nx=True), cache.set("only", 2, nx=True), cache.get("only")], [True, False, 1])


def patterns():
    cache.set_many({f"user:{i}:{part}": TENANT for i in range(200) for part in "ab"})
    same(len(cache.keys("user:*")), 400)
    same(sorted(set(cache.iter_keys("user:1?:a", itersize=20))), [f"user:1{i}:a" for i in range(10)])
    same(cache.delete_pattern("user:*:b", itersize=50), 200)
    same(len(set(cache.iter_keys("*"))), 200)
    same(cache.keys("none*"), [])
    cache.clear()
    stored("default")


def versions_and_prefixes():
    compact = caches["compact"]
    compact.set("key", {"tenant": TENANT, "text": "x" * 10_000})
    same(compact.get("key"), {"tenant": TENANT, "text": "x" * 10_000})
    same([compact.get("key", version=1), compact.incr_version("key"), compact.get("key", version=3)["tenant"]], [None, 3, TENANT])
    stored("compact", b"app:3:key")
    true(get_redis_connection("compact").strlen("app:3:key") < 1000, "it is compressed")
    same(caches["herd"].set("key", TENANT, timeout=100), True)
    same(caches["herd"].get("key"), TENANT)
    stored("herd", b":1:key")


def locks():
    """Ten threads, each of which adds to a number that only the lock protects."""
    cache.set("number", 0)

    def add():
        with cache.lock("lock", timeout=30, sleep=0.005):
            cache.set("number", cache.get("number") + 1)
    for done in [at_once(add) for _ in range(10)]:
        done.result(DEADLINE)
    same(cache.get("number"), 10)
    stored("default", b":1:number")


def counters():
    """Many threads on one pool."""
    cache.set("hits", 0)
    barrier = threading.Barrier(8)

    def hit():
        barrier.wait(DEADLINE)
        return [cache.incr("hits") for _ in range(50)]
    numbers = sorted(number for done in [at_once(hit) for _ in range(8)] for number in done.result(DEADLINE))
    same(numbers, list(range(1, 401)))


def sessions():
    first = SessionStore()
    first["tenant"], first["cart"] = TENANT, [1, 2]
    first.set_expiry(500)
    first.save()
    again = SessionStore(session_key=first.session_key)
    same([again["tenant"], again["cart"], again.exists(first.session_key)], [TENANT, [1, 2], True])
    again.cycle_key()
    same([SessionStore(session_key=first.session_key).get("tenant"), SessionStore(session_key=again.session_key)["tenant"]], [None, TENANT])
    same(len(get_redis_connection("sessions").keys("*sessions*")), 1)
    again.flush()
    stored("sessions")


def raw():
    """What Django programs do with the connection itself: pipelines, pub/sub, scripts, tags as sets."""
    connection = get_redis_connection("default")
    with connection.pipeline() as pipe:
        pipe.sadd("tag", "a", "b").zadd("board", {TENANT: 5}).zrevrange("board", 0, 0, withscores=True)
        same(pipe.execute(), [2, 1, [(TENANT.encode(), 5.0)]])
    subscriber = connection.pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe("signals")
    until(lambda: connection.publish("signals", TENANT) == 1, "the subscription")
    same(until(lambda: subscriber.get_message(timeout=1), "the message")["data"], TENANT.encode())
    subscriber.close()
    limit = connection.register_script(f"-- {TENANT}\nlocal n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n")
    same([limit(keys=["limit"], args=[60]) for _ in range(3)], [1, 2, 3])
    true(50 < connection.ttl("limit") <= 60, "the limit's time-out")
    fails(redis.ResponseError, "^WRONGTYPE", connection.get, "tag")
    stored("default", b"tag", b"board", b"limit")


def empty():
    for alias in settings.CACHES:
        caches[alias].clear()
        stored(alias)


SECTIONS = (values, patterns, versions_and_prefixes, locks, counters, sessions, raw)
run([step for section in SECTIONS for step in (empty, section)] + [empty])
