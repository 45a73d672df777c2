"""The processes: a Redis that writes all to its disk before it answers, a Postgres, and weirs, each with a relay of its own
between it and Redis. All of them can be killed and started again where they were."""
import collections
import os
import shutil
import signal
import tempfile
import time

import outages
import phases
import postgres
import relay
import resp
import servers
import terms

TENANT = "a"
PREFIX = f"tenant:{TENANT}:".encode()
# An outage is found and is over soon, and a Redis that takes no writes is one.
BREAKER = {"window": "1s", "open_for": "100ms", "max_open_for": "400ms", "probe_interval": "50ms",
           "failure_replies": ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "READONLY", "OOM", "NOREPLICAS"]}
COMMAND_TIMEOUT = 1.0
REDIS = {"appendonly": "yes", "appendfsync": "always", "auto_aof_rewrite_min_size": "4mb"}


class Slot:
    """A weir, or the place where there will be one again."""

    def __init__(self, name, folder, redis, fallback):
        self.name, self.phases = name, phases.Phases()
        self.killed = collections.Counter()  # by the state of its breaker
        self.is_down = True
        self.relay = relay.Relay(redis, name + ".relay")
        self._folder, self._fallback = folder, fallback
        self._address = os.path.join(folder, name + ".sock")
        self._read, self._past = 0, []

    def start(self):
        self.phases.note(time.time(), "closed")  # unless its log says something else
        self.weir = servers.Weir(self._folder, servers.weir_config(
            self.relay, [TENANT], listeners=[{"bind": "unix:" + self._address, "tenant": TENANT}],
            upstream={"command_timeout": f"{COMMAND_TIMEOUT * 1000:.0f}ms"}, breaker=BREAKER, fallback=self._fallback, admin=outages.ADMIN))
        self._read = 0
        self.is_down = False

    @property
    def kills(self):
        return self.killed.total()

    def kill(self):
        self.is_down = True
        self.killed[self.state()] += 1
        self.weir.kill()
        self.read_phases()
        self.weir.check_log()
        self._past += self.weir.lines
        self.phases.note(time.time(), "down")

    def client(self):
        return resp.Client(self._address)

    def read_phases(self):
        lines = self.weir.lines
        count = len(lines)
        self.phases.read(lines[self._read:count])
        self._read = count

    def log(self, since):
        """Of those that were killed as well."""
        return [line for line in self._past + self.weir.lines if line[:1].isdigit() and phases.time_of(line.split("Z")[0]) >= since]

    def state(self):
        self.read_phases()
        return self.phases.at(time.time() + 1)

    def is_well(self):
        """Answers come from Redis, and it has all."""
        assert self.weir.running(), f"weir has ended:\n{self.weir.tail(200)}"
        _, health = outages.page(self.weir, "/health")
        journal, store = health["fallback"]["journal"], health["fallback"]["postgres"]
        return health["status"] == "healthy" and journal["operations"] == 0 and not journal["replaying"] and \
            (store is None or store["available"] and store["journal"]["operations"] == 0)

    def close(self):
        self.relay.close()
        if not self.is_down:
            self.weir.stop()


class World:
    def __init__(self, order, weirs=2):
        """`order`: the fallback's stores. All of them have a journal."""
        self.folder = tempfile.mkdtemp(prefix="weir-chaos-")
        self.postgres = postgres.Postgres() if "postgres" in order else None
        self._trouble_since = None
        self.start_redis()
        self.slots = [Slot(f"w{index}", self.folder, self.redis, self._fallback(order)) for index in range(weirs)]
        for slot in self.slots:
            slot.start()

    def _fallback(self, order):
        settings = {"order": order}
        if "postgres" in order:
            settings["postgres"] = {"dsn": self.postgres.dsn, "pool": {"max": 4}}
        if "memory" in order:
            settings |= {"memory": {"replay": True}, "remember": {"what": "both"}}
        return settings

    def start_redis(self, empty=False):
        if empty:
            shutil.rmtree(os.path.join(self.folder, "appendonlydir"))
        self.redis = servers.Redis(self.folder, **REDIS)

    def end_redis(self):
        """As an operator does."""
        self.redis.signal(signal.SIGTERM)
        self.redis.wait()
        self.redis.kill()

    def ask_redis(self, *command):
        with self.redis.client() as direct:
            reply = direct.call(*command)
        assert not isinstance(reply, resp.Error), (command, reply)
        return reply

    def sweep(self):
        """Or each restart would read more than the one before."""
        if keys := self.ask_redis("KEYS", PREFIX + b"*"):
            self.ask_redis("DEL", *keys)

    def begin_trouble(self):
        """Of Postgres, or on the way there, until the round ends."""
        self._trouble_since = self._trouble_since or time.time()

    def end_trouble(self):
        if self._trouble_since:
            for slot in self.slots:
                slot.phases.note_trouble(self._trouble_since, time.time())
            self._trouble_since = None

    def are_well(self):
        return all([slot.is_well() for slot in self.slots])

    def leftovers(self):
        """What Redis did not get of a journal, in words."""
        for slot in self.slots:
            if refused := terms.sample(slot.weir, "weir_fallback_replay_refused_total"):
                yield f"{slot.name}: Redis refused {refused:.0f} operations"
        if self.postgres:
            for table in ("journal", "dead_letters"):
                if rows := self.postgres.sql(f"select * from weir.{table} limit 5"):
                    yield f"in {table}: {rows}"

    def killed(self):
        return dict(sum((slot.killed for slot in self.slots), collections.Counter()))

    def logs(self, since):
        return [line for slot in self.slots for line in ["", slot.name, *slot.log(since)]]

    def close(self):
        faults = []
        for slot in self.slots:
            try:
                slot.close()
            except AssertionError as fault:
                faults.append(str(fault))
        self.redis.kill()
        if self.postgres:
            self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if faults:
            raise AssertionError("\n".join(faults))
