"""What all clients of a round were told, brought together and judged when they are parked; and how long it took them."""
import collections

import history
import workload
import world
from history import Outcome, Sight


class Books:
    def __init__(self, crowd, weak_sight):
        """`weak_sight`: of a store that may not have what Redis had."""
        self._crowd, self._weak_sight = crowd, weak_sight
        self._writes = collections.defaultdict(list)
        self._times = collections.defaultdict(list)                   # of supported commands, by phase, of all rounds
        self._told = collections.defaultdict(collections.Counter)

    def forget(self):
        """The things that were written so far; how long it took stays."""
        self._writes.clear()
        for client in self._crowd.clients:
            client.forget_things()

    def judge(self, things, redis):
        """What is wrong with the round that is over, in words."""
        faults = []
        for client in self._crowd.clients:
            client.slot.read_phases()
            for thing, writes in client.writes.items():
                self._writes[thing] += writes
        for client in self._crowd.clients:
            faults += self._what_it_read(client)
            faults += self._how_its_counter_grew(client)
            faults += self._its_errors(client)
            self._count(client)
            client.forget_things()
            client.calls.clear()
        with redis.client() as direct:
            for thing in things:
                replies = direct.pipeline(thing.looks(world.PREFIX + thing.name.encode()))
                faults += [f"{thing.name}: {fault}" for fault in thing.faults(self._writes[thing], replies)]
        return faults

    def _what_it_read(self, client):
        phases = client.slot.phases
        for thing, reads in client.reads.items():
            own = [write for write in self._writes[thing] if write.client == client.name]
            for read in reads:
                done = [write for write in own if write.number < read.number and write.outcome is Outcome.DONE]
                has_all = phases.surely_closed(read.sent, read.got) or (done and phases.kept_all(done[-1].sent, read.got))
                for fault in history.read_faults(read, own, Sight.ALL if has_all else self._weak_sight):
                    yield f"{thing.name}: {fault}"

    def _how_its_counter_grew(self, client):
        phases = client.slot.phases
        for counter in (thing for thing in client.own if isinstance(thing, workload.Counter)):
            for fault in history.growth_faults(self._writes[counter], lambda write: phases.surely_closed(write.sent, write.got),
                                               lambda before, write: phases.stayed(before.sent, write.got)):
                yield f"{counter.name}: {fault}"

    @staticmethod
    def _phase(client, call):
        phase = client.slot.phases.during(call.sent, call.got) or "changing"
        return phase if not client.slot.phases.in_trouble(call.sent, call.got) else phase + ", no Postgres"

    def _its_errors(self, client):
        """Once the breaker has opened there are none, while the store is well."""
        for call in client.calls:
            if call.supported and call.error and self._phase(client, call) == "open":
                yield f"{client.name} was told {call.error!r} at {history.clock(call.sent)}, while the breaker was open"

    def _count(self, client):
        for call in client.calls:
            if call.supported:
                phase = self._phase(client, call)
                self._times[phase].append(call.got - call.sent)
                self._told[phase][" ".join(call.error.split()[:3]) if call.error else "ok"] += 1

    def calls_while(self, phase):
        return len(self._times[phase])

    def report(self):
        for phase, times in sorted(self._times.items()):
            told = self._told[phase]
            times.sort()
            p50, p99 = (times[len(times) * part // 100] * 1000 for part in (50, 99))
            print(f"  {phase:22} {len(times):7} calls  p50 {p50:7.1f} ms  p99 {p99:7.1f} ms  errors {100 * (1 - told.pop('ok', 0) / len(times)):6.2f} %  {dict(told)}")
