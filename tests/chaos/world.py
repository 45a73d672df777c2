"""The processes: a Redis that writes all to its disk before it answers, a Postgres, and weirs, each with a relay of its own
between it and Redis. All of them can be killed and started again where they were."""
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import outages
import phases
import relay
import resp
import servers

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
        self.kills, self.is_down = 0, True
        self.relay = relay.Relay(redis, name + ".relay")
        self._folder, self._fallback = folder, fallback
        self._address = os.path.join(folder, name + ".sock")
        self._read = 0
        self._reading = threading.Lock()

    def start(self):
        self.weir = servers.Weir(self._folder, servers.weir_config(
            self.relay, [TENANT], listeners=[{"bind": "unix:" + self._address, "tenant": TENANT}],
            upstream={"command_timeout": f"{COMMAND_TIMEOUT * 1000:.0f}ms"}, breaker=BREAKER, fallback=self._fallback, admin=outages.ADMIN))
        self._read = 0
        self.phases.note(time.time(), "closed")
        self.is_down = False

    def kill(self):
        self.is_down = True
        self.kills += 1
        self.weir.kill()
        self.read_phases()
        self.weir.check_log()
        self.phases.note(time.time(), "down")

    def client(self):
        return resp.Client(self._address)

    def read_phases(self):
        lines = self.weir.lines
        count = len(lines)
        self.phases.read(lines[self._read:count])
        self._read = count

    def state(self):
        self.read_phases()
        return self.phases.at(time.time() + 1)

    def is_well(self):
        """Answers come from Redis, and it has all."""
        assert self.weir.running(), f"weir has ended:\n{self.weir.tail(200)}"
        _, health = outages.page(self.weir, "/health")
        journal = health["fallback"]["journal"]
        return health["status"] == "healthy" and journal["operations"] == 0 and not journal["replaying"]

    def close(self):
        self.relay.close()
        if not self.is_down:
            self.weir.stop()


class World:
    def __init__(self, weirs=2):
        self.folder = tempfile.mkdtemp(prefix="weir-chaos-")
        self.start_redis()
        fallback = {"order": ["memory"], "memory": {"replay": True}, "remember": {"what": "both"}}
        self.slots = [Slot(f"w{index}", self.folder, self.redis, fallback) for index in range(weirs)]
        for slot in self.slots:
            slot.start()

    def start_redis(self, empty=False):
        if empty:
            shutil.rmtree(os.path.join(self.folder, "appendonlydir"))
        self.redis = servers.Redis(self.folder, **REDIS)

    def end_redis(self):
        """As an operator does."""
        self.redis.signal(signal.SIGTERM)
        try:
            self.redis.wait()
        except subprocess.TimeoutExpired:
            raise AssertionError(f"Redis does not end:\n{self.redis.tail()}") from None
        self.redis.kill()

    def ask_redis(self, *command):
        with self.redis.client() as direct:
            reply = direct.call(*command)
        assert not isinstance(reply, resp.Error), (command, reply)
        return reply

    def are_well(self):
        return all([slot.is_well() for slot in self.slots])

    def close(self):
        faults = []
        for slot in self.slots:
            try:
                slot.close()
            except AssertionError as fault:
                faults.append(str(fault))
        self.redis.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        if faults:
            raise AssertionError("\n".join(faults))
