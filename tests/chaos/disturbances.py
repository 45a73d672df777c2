"""What happens in a round: something is broken, clients go on for a while, it is repaired. The tables at the end name them.

A fault is a context: broken inside of it, repaired when it is left. A scenario gets the stage, whose verbs are how long clients
go on: `some` replies, or until breakers have opened.
"""
import contextlib
import functools
import signal

import servers
import world
from relay import Relay


@contextlib.contextmanager
def redis_killed(stage, empty=False):
    stage.world.redis.kill()
    yield
    stage.world.start_redis(empty)


@contextlib.contextmanager
def redis_stopped(stage):
    stage.world.redis.signal(signal.SIGSTOP)
    yield
    stage.world.redis.signal(signal.SIGCONT)


@contextlib.contextmanager
def redis_restarted(stage):
    stage.world.end_redis()
    yield
    stage.world.start_redis()


@contextlib.contextmanager
def redis_asleep(stage):
    """It does nothing for some time; nobody can end that sooner."""
    with stage.world.redis.client() as sleeper:
        sleeper.send("DEBUG", "SLEEP", stage.rng.choice((0.3, world.COMMAND_TIMEOUT * 1.5, world.COMMAND_TIMEOUT * 2.5)))
        yield
        sleeper.read()


@contextlib.contextmanager
def read_only(stage):
    stage.world.ask_redis("REPLICAOF", "127.0.0.1", servers.free_port())
    yield
    stage.world.ask_redis("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def setting(stage, name, broken, well):
    stage.world.ask_redis("CONFIG", "SET", name, broken)
    yield
    stage.world.ask_redis("CONFIG", "SET", name, well)


@contextlib.contextmanager
def on_the_way(stage, fault, slots=None):
    """Between weirs and Redis: `fault` is what their relays do."""
    slots = slots or stage.world.slots
    for slot in slots:
        fault(slot.relay)
    yield
    for slot in slots:
        slot.relay.mend()


def slow(way):
    way.slow_down(0.05)


def too_slow(way):
    way.slow_down(world.COMMAND_TIMEOUT * 1.2)


@contextlib.contextmanager
def weir_killed(stage, slots=None):
    """One of them."""
    slots = slots or [stage.rng.choice(stage.world.slots)]
    for slot in slots:
        slot.kill()
    yield
    for slot in slots:
        slot.start()


def weirs_killed(stage):
    return weir_killed(stage, stage.world.slots)


@contextlib.contextmanager
def weir_stopped(stage):
    """One of them, which thinks that no time has passed when it goes on."""
    stage.world.begin_trouble()
    one = stage.rng.choice(stage.world.slots)
    one.weir.signal(signal.SIGSTOP)
    yield
    one.weir.signal(signal.SIGCONT)


@contextlib.contextmanager
def weir_robbed(stage):
    """One is stopped; and whoever replays, this one or the other, has lost the lock for it when it goes on."""
    with weir_stopped(stage):
        stage.world.postgres.sql("select pg_terminate_backend(pid) from pg_locks "
                                 "where locktype = 'advisory' and classid = 'weir'::regnamespace and objid = 2")
        yield


@contextlib.contextmanager
def postgres_killed(stage):
    stage.world.begin_trouble()
    stage.world.postgres.kill()
    yield
    stage.world.postgres.start()


@contextlib.contextmanager
def postgres_stopped(stage):
    stage.world.begin_trouble()
    stage.world.postgres.freeze()
    yield
    stage.world.postgres.thaw()


def flaky(stage):
    """Connections break when a request has been carried out, before its reply is there."""
    for slot in stage.world.slots:
        slot.relay.cut_at(world.PREFIX, times=stage.rng.randint(1, 6))
    stage.some()


def during(fault, *arguments):
    """Until all breakers have opened, and some more; now and then it is over before that."""
    def play(stage):
        with fault(stage, *arguments):
            stage.a_while()
    return play


def briefly(fault):
    def play(stage):
        with fault(stage):
            stage.some()
    return play


def together(*faults):
    """At once; and repaired in any order."""
    def play(stage):
        with contextlib.ExitStack() as stack:
            repairs = [begin(stack, fault, stage) for fault in faults]
            stage.some()
            repair(stage, stage.rng.sample(repairs, len(repairs)))
    return play


def one_by_one(*faults):
    """Each when the one before has had its effect; and repaired in any order, weirs last: one that starts while Postgres is away
    does not hear of the journal in time, and lets clients go before it."""
    def play(stage):
        with contextlib.ExitStack() as stack:
            repairs = []
            for fault in faults:
                repairs.append((fault in (weir_killed, weirs_killed), stage.rng.random(), begin(stack, fault, stage)))
                stage.a_while()
            stage.some()
            repair(stage, [one for *_, one in sorted(repairs)])
    return play


def begin(stack, fault, stage):
    """What repairs it, before or when the stack is left."""
    one = stack.enter_context(contextlib.ExitStack())
    one.enter_context(fault(stage))
    return one


def repair(stage, repairs):
    for one in repairs:
        one.close()
        stage.some((0, 20, 100))


def anything(*kinds):
    """One fault of some of these."""
    def play(stage):
        chosen = [stage.rng.choice(kind) for kind in stage.rng.sample(kinds, stage.rng.randint(2, len(kinds)))]
        stage.rng.choice((together, one_by_one))(*chosen)(stage)
    return play


def while_away(fault, redis_first=False):
    """Of Redis. `redis_first`: it comes back while the other is still broken."""
    def play(stage):
        with contextlib.ExitStack() as stack:
            redis = begin(stack, redis_killed, stage)
            stage.until_open()
            stage.some()
            other = begin(stack, fault, stage)
            stage.some()
            repair(stage, (redis, other) if redis_first else (other, redis))
    return play


def for_one_weir(fault):
    """The other one goes on with Redis."""
    def play(stage):
        one = stage.rng.choice(stage.world.slots)
        with on_the_way(stage, fault, [one]):
            stage.until_open([one])
            stage.some()
    return play


def emptied(stage):
    """What Redis had is gone. What counts is what is written from when it was known to be away."""
    with redis_killed(stage, empty=True):
        stage.until_open()
        stage.begin_anew()
        stage.some()


def again_in_the_replay(fault):
    """Redis is back, and the replay takes long enough that it is broken once more in the middle of it."""
    def play(stage):
        with redis_killed(stage):
            stage.until_open()
            stage.some()
            for slot in stage.world.slots:
                slow(slot.relay)
        with on_the_way(stage, slow):
            stage.until_one_is_back()
            stage.some((0, 1, 5, 20))
            with fault(stage):
                stage.some((0, 10, 50))
    return play


def battered(*faults):
    """One fault after the other while there is something to replay."""
    def play(stage):
        with redis_killed(stage):
            stage.until_open()
            with stage.crowd.in_a_hurry():
                stage.some((300, 1000, 3000))
        for _ in range(4):
            with on_the_way(stage, slow):
                stage.some((0, 5, 20, 50))
                with stage.rng.choice(faults)(stage):
                    stage.some((0, 10, 50))
    return play


def of_one_weir(fault):
    def broken(stage):
        return on_the_way(stage, fault, [stage.rng.choice(stage.world.slots)])
    return broken


OF_REDIS = {
    "Redis killed": during(redis_killed),
    "Redis stopped": during(redis_stopped),
    "Redis restarted": during(redis_restarted),
    "Redis restarted empty": emptied,
    "Redis asleep": during(redis_asleep),
    "Redis read-only": during(read_only),
    "Redis without its replicas": during(setting, "min-replicas-to-write", 1, 0),
    "Redis full": during(setting, "maxmemory", 1, 0),
    "cut off": during(on_the_way, Relay.cut_off),
    "nothing comes through": during(on_the_way, Relay.swallow),
    "slow": during(on_the_way, slow),
    "slower than the time-out": during(on_the_way, too_slow),
    "connections break": flaky,
    "one weir is cut off": for_one_weir(Relay.cut_off),
    "nothing comes through to one weir": for_one_weir(Relay.swallow),
    "Redis killed again in the replay": again_in_the_replay(redis_killed),
    "Redis stopped in the replay": again_in_the_replay(redis_stopped),
    "Redis full in the replay": again_in_the_replay(functools.partial(setting, name="maxmemory", broken=1, well=0)),
    "cut off in the replay": again_in_the_replay(functools.partial(on_the_way, fault=Relay.cut_off)),
}

OF_WEIRS = {
    "a weir killed": briefly(weir_killed),
    "both weirs killed": briefly(weirs_killed),
    "a weir killed while Redis is away": while_away(weir_killed),
    "both weirs killed while Redis is away": while_away(weirs_killed),
    "Redis back before a killed weir": while_away(weir_killed, redis_first=True),
    "Redis back before both killed weirs": while_away(weirs_killed, redis_first=True),
    "a weir killed in the replay": again_in_the_replay(weir_killed),
    "both weirs killed in the replay": again_in_the_replay(weirs_killed),
    "a weir stopped": briefly(weir_stopped),
    "a weir stopped while Redis is away": while_away(weir_stopped),
    "a weir stopped in the replay": again_in_the_replay(weir_stopped),
    "a weir is cut off, and one killed": one_by_one(of_one_weir(Relay.cut_off), weir_killed),
    "Redis and weirs killed again and again": battered(redis_killed, weir_killed, weirs_killed),
}

OF_POSTGRES = {
    "Postgres killed": briefly(postgres_killed),
    "Postgres stopped": briefly(postgres_stopped),
    "Postgres killed while Redis is away": while_away(postgres_killed),
    "Postgres stopped while Redis is away": while_away(postgres_stopped),
    "Redis back before Postgres": while_away(postgres_killed, redis_first=True),
    "Postgres killed in the replay": again_in_the_replay(postgres_killed),
    "Postgres stopped in the replay": again_in_the_replay(postgres_stopped),
    "Redis and Postgres killed": together(redis_killed, postgres_killed),
    "Redis and Postgres killed again and again": battered(redis_killed, postgres_killed),
    "a weir is cut off, and Postgres killed": one_by_one(of_one_weir(Relay.cut_off), postgres_killed),
}

OF_ALL = {
    "a weir stopped and robbed in the replay": again_in_the_replay(weir_robbed),
    "a weir killed while Postgres is": together(postgres_killed, weir_killed),
    "Redis, Postgres and a weir killed": together(redis_killed, postgres_killed, weir_killed),
    "Redis, Postgres and a weir killed one by one": one_by_one(redis_killed, postgres_killed, weir_killed),
    "all of them again and again": battered(redis_killed, postgres_killed, weir_killed, weirs_killed),
    "anything": anything([redis_killed, redis_stopped, redis_restarted, redis_asleep, read_only],
                         [of_one_weir(Relay.cut_off), of_one_weir(Relay.swallow), functools.partial(on_the_way, fault=slow)],
                         [weir_killed, weirs_killed], [postgres_killed, postgres_stopped]),
}
