"""Random commands through weir and directly to a second Redis: byte-identical replies, and the same data at the end.

WEIR_DIFF_COMMANDS (300000), WEIR_DIFF_SEED (random, printed), WEIR_DIFF_PROCESSES (2), WEIR_DIFF_SECONDS (600: a
worker stops there). Every process is a tenant of its own on the one weir; for a private Redis each has one, and so
each tenant is the other's foreign data. What is compared less strictly, and why: support/reply_compare.py.
"""
import multiprocessing
import os
import random
import time
import traceback
import unittest

import differential
import servers


def work(seed, index, proxied, direct, count, seconds, results):
    try:
        results.put((index, differential.Worker(seed, index, proxied, direct).run(count, seconds), None))
    except Exception as fault:  # pylint: disable=broad-except  # whatever it is, the parent reports it
        text = str(fault) if isinstance(fault, differential.Mismatch) else traceback.format_exc()
        results.put((index, 0, text))


class DifferentialTest(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("WEIR_DIFF_SEED", random.randrange(1 << 32)))
        self.total = int(os.environ.get("WEIR_DIFF_COMMANDS", 300_000))
        self.processes = int(os.environ.get("WEIR_DIFF_PROCESSES", 2))
        self.seconds = float(os.environ.get("WEIR_DIFF_SECONDS", 600))
        print(f"seed: {self.seed} (WEIR_DIFF_SEED)", flush=True)

    def test_replies_are_those_of_a_private_redis(self):
        upstream = self.folder.redis("upstream", hz=500)
        self._seed_foreign_keys(upstream)
        tenants = [f"d{index}" for index in range(self.processes)]
        weir = self.folder.weir(upstream, tenants, workers=2)
        before, start = self._foreign_keys(upstream), time.monotonic()
        done, faults = self._run_workers(weir, tenants)
        self.assertFalse(faults, "\n".join(faults))
        self.assertEqual(before, self._foreign_keys(upstream), "keys of nobody were touched")
        print(f"{done} commands in {time.monotonic() - start:.1f} s, every reply the same", flush=True)

    def _run_workers(self, weir, tenants):
        results, children = multiprocessing.SimpleQueue(), []
        for index, tenant in enumerate(tenants):
            direct = self.folder.redis(f"private{index}", hz=500)
            children.append(multiprocessing.Process(daemon=True, target=work, args=(
                self.seed, index, weir.addresses[tenant], direct.address, self.total // len(tenants), self.seconds,
                results)))
        for child in children:
            child.start()
        outcomes = [results.get() for _ in children]
        for child in children:
            child.join()
        return sum(done for _, done, _ in outcomes), [fault for _, _, fault in outcomes if fault]

    @staticmethod
    def _seed_foreign_keys(upstream):
        with upstream.client() as client:
            for database in range(4):
                client.call("SELECT", database)
                client.pipeline([("SET", f"foreign{i}", "x") for i in range(20)] +
                                [("SET", f"tenant:d:{i}", "x") for i in range(20)] +
                                [("SADD", "s0", "a"), ("HSET", "tenant:d00:h0", "m1", "foreign")])

    @staticmethod
    def _foreign_keys(upstream):
        """Key and serialised value of everything that no tenant of this test owns."""
        found = {}
        with upstream.client() as client:
            for database in range(differential.DATABASES):
                client.call("SELECT", database)
                for key in client.call("KEYS", "*"):
                    if not key.startswith((b"tenant:d0:", b"tenant:d1:", b"tenant:d2:", b"tenant:d3:")):
                        found[database, key] = client.call("DUMP", key)
        return found


if __name__ == "__main__":
    unittest.main(verbosity=2)
