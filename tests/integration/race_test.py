"""Two tenants at once on two workers, under load: clients that connect, block, subscribe, track, time out and die
at random.

No reply, push or invalidation ever reaches a session that is not its own (support/race_roles.py); no client waits
in vain;
and at the end every dedicated connection is back. WEIR_RACE_SECONDS (20) says how long, WEIR_RACE_SEED what the
dice say.
While they play, an operator ends connections of weir's to the server, now and then.
"""
import multiprocessing
import os
import random
import threading
import time
import traceback
import unittest

import race_roles
import reply_compare
import servers
import sides

SECONDS = float(os.environ.get("WEIR_RACE_SECONDS", "20"))
WORDS = {"a": "alpha", "b": "bravo"}
PROCESSES, THREADS = 4, 14


def play(word, first, address, seed, until, results):
    """One process: its actors' counts, and what went wrong."""
    actors = [race_roles.Actor(word, first + i, address,
                               reply_compare.new_rng(seed, word, first + i)) for i in range(THREADS)]
    faults = []

    def run(actor):
        try:
            actor.run(until)
        except race_roles.Foreign as fault:
            faults.append(str(fault))
        except Exception:  # pylint: disable=broad-except  # whatever it is, the parent reports it
            faults.append(traceback.format_exc())
    threads = [threading.Thread(target=run, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {name: sum(actor.counts[name] for actor in actors) for name in race_roles.ROLES}
    results.put((sum(actor.said for actor in actors), sum(actor.ended for actor in actors), counts, faults))


class RaceTest(servers.ServerTest):
    def race(self, seconds, chaos):
        self.redis = self.folder.redis(hz=100)
        weir = self.folder.weir(self.redis, workers=2, admin={"bind": "127.0.0.1:0"}, upstream={"pool": {"max": 400}})
        seed = int(os.environ.get("WEIR_RACE_SEED", random.randrange(1 << 32)))
        print(f"seed: {seed} (WEIR_RACE_SEED), {seconds:.0f} s", flush=True)
        results, until = multiprocessing.SimpleQueue(), time.monotonic() + seconds
        children = [multiprocessing.Process(daemon=True, target=play, args=(
            WORDS["ab"[i % 2]], i * THREADS, weir.addresses["ab"[i % 2]], seed, until,
            results)) for i in range(PROCESSES)]
        for child in children:
            child.start()
        with self.redis.client() as admin:
            if chaos:
                self.end_connections(admin, random.Random(seed), until)
            outcomes = [results.get() for _ in children]
            for child in children:
                child.join()
            faults = [fault for outcome in outcomes for fault in outcome[3]]
            counts = {name: sum(outcome[2][name] for outcome in outcomes) for name in race_roles.ROLES}
            said, ended = (sum(outcome[i] for outcome in outcomes) for i in (0, 1))
            print(f"{said / seconds:.0f} commands a second, {ended} sessions ended from outside, roles: {counts}",
                  flush=True)
            self.assertFalse(faults, f"{len(faults)} faults:\n" + "\n".join(faults[:20]))
            for name, count in counts.items():
                self.assertGreater(count, seconds / 4, name)
            sides.nothing_held(admin, weir)
            servers.wait_until(lambda: sides.labelled(weir, "weir_client_connections") == 0,
                               what="the end of all sessions")
            self.check_contents(admin)

    @staticmethod
    def end_connections(admin, rng, until):
        """An operator who kills a connection of weir's, then another."""
        pause = threading.Event()
        while time.monotonic() < until:
            pause.wait(rng.uniform(0.1, 0.6))
            ids = [line.split()[0][3:] for line in admin.call("CLIENT", "LIST").splitlines() if b"name=weir" in line]
            if ids:
                admin.call("CLIENT", "KILL", "ID", rng.choice(ids))

    def check_contents(self, admin):
        """What each tenant left behind carries its own word in name and value."""
        for database in range(4):
            admin.call("SELECT", database)
            for key in admin.call("KEYS", "*"):
                word = WORDS[key[7:8].decode()].encode()
                self.assertTrue(key[9:].startswith((word + b"|", b"common")), key)
                if admin.call("TYPE", key) == b"string":
                    self.assertTrue(admin.call("GET", key).startswith(word + b"|"), key)

    def test_two_tenants_race(self):
        self.race(SECONDS * 0.6, chaos=False)

    def test_two_tenants_race_while_connections_to_the_server_die(self):
        self.race(SECONDS * 0.4, chaos=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
