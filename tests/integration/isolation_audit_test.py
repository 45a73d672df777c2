"""Isolation audit: every command a live server lists, in many shapes, sent as tenant `a` among other tenants' canaries.

Each reply is the one a private Redis gives (transparent), or a refusal; none holds a canary, nothing foreign changes,
and the connection survives; and the same once more between MULTI and EXEC. The refused commands must be those of refused.txt; WEIR_UPDATE=1 writes it anew.
WEIR_AUDIT_SEED (1), WEIR_AUDIT_VARIANTS (8) and WEIR_AUDIT_WRAPPED (6, of each command, in transactions) choose others.
"""
import os
import pathlib
import random
import shutil
import unittest

import audit_cases
import audit_verdict
import audit_world
import resp
import servers

REFUSED_FILE = pathlib.Path(__file__).with_name("refused.txt")
IN_PART = " (in part)"
WRAPPED = int(os.environ.get("WEIR_AUDIT_WRAPPED", 6))  # of each command's cases, between MULTI and EXEC


class Audit:
    """One run against one server in one protocol. `refused` maps a command to weir's text; `faults` are sentences."""

    def __init__(self, weir, shared, private, protocol):
        self.weir, self.shared, self.private, self.protocol = weir, shared, private, protocol
        self.world = audit_world.World(shared, private)
        with shared.client() as client:
            rng = random.Random(int(os.environ.get("WEIR_AUDIT_SEED", 1)))
            self.cases = audit_cases.Cases(client.call("COMMAND"), rng, int(os.environ.get("WEIR_AUDIT_VARIANTS", 8)))
        self.refused, self.faults, self.broken, self.sent = {}, [], {}, 0

    def run(self):
        for name in sorted(self.cases.rows):
            cases = self.cases.of(name)
            verdicts = {self._try(args) for args in cases}
            if name not in audit_verdict.NOT_WRAPPED:
                for args in cases[:WRAPPED]:
                    self._try_in_transaction(args)
            if "refused" in verdicts and "same" in verdicts:
                self.refused[name + IN_PART] = self.refused.pop(name)
            if (now := self.world.server_state()) != self.world.server_before:
                self._fault(name, f"changed the server for all: {_differences(self.world.server_before, now)}")
                self.world.server_before = now
            if heard := self.world.overheard():
                self._fault(name, f"reached foreign subscribers: {heard}")
        self.world.close()

    def _fault(self, name, text):
        """Noted, but of one command no more than a few."""
        self.broken[name] = self.broken.get(name, 0) + 1
        if self.broken[name] <= 3:
            self.faults.append(f"RESP{self.protocol} {name}: {text}")

    def _try(self, args):
        self.sent += 1
        self.world.reset()
        name = self.cases.name_of(args)
        if "|" not in name and tuple(arg.lower() for arg in args[:2]) in audit_verdict.NEWER:
            return "error"
        proxied = self._converse(self.weir.addresses["a"], name, args)
        if proxied is None:
            return "broken"
        private = None
        if not audit_verdict.dangerous(name):
            private = self._converse(self.private.address, name, args)
        self._check_isolation(name, args, proxied)
        found = audit_verdict.verdict(name, args, proxied, private)
        if found == "refused":
            self.refused.setdefault(name, audit_verdict.reason(proxied))
        elif found not in ("same", "error"):
            self._fault(name, found)
        return found

    def _try_in_transaction(self, args):
        self.sent += 1
        self.world.reset()
        name = self.cases.name_of(args)
        if "|" not in name and tuple(arg.lower() for arg in args[:2]) in audit_verdict.NEWER:
            return
        converse = audit_verdict.converse_in_transaction
        proxied = self._converse(self.weir.addresses["a"], name, args, converse)
        if proxied is None:
            return
        private = None
        if not audit_verdict.dangerous(name):
            private = self._converse(self.private.address, name, args, converse)
        self._check_isolation(name, args, proxied)
        found = audit_verdict.verdict_in_transaction(name, args, proxied, private)
        if found not in ("same", "error", "refused"):
            self._fault(name, found)

    def _converse(self, address, name, args, converse=audit_verdict.converse):
        """The replies, or None (and a fault) when the connection did not live through it."""
        try:
            with resp.Client(address, self.protocol) as client:
                if name in audit_verdict.CLOSES:
                    client.send(*args)
                    return [client.read_until_closed()]
                return converse(client, args, b"token-%d" % self.sent)
        except (resp.ConnectionClosed, OSError, AssertionError) as fault:
            self._fault(name, f"{b' '.join(args)!r:.300}: {fault!r:.300}")
            return None

    def _check_isolation(self, name, args, proxied):
        if found := audit_world.leaks(args, b"".join(proxied)):
            self._fault(name, f"{b' '.join(args)!r:.300} shows {found}: {b''.join(proxied)!r:.500}")
        if (after := self.world.foreign_state()) != self.world.before:
            changes = _differences(self.world.before, after)
            self._fault(name, f"{b' '.join(args)!r:.300} changed foreign keys: {changes}")


def _differences(before, after):
    return repr([(old, new) for old, new in zip(before, after) if old != new])[:500]


class IsolationAudit(servers.ServerTest):
    def audit(self, binary):
        """Both protocols against one kind of server; the commands it has, and what weir refused of them."""
        listed, refused, faults = set(), {}, []
        for protocol in (2, 3):
            shared = self.folder.redis(f"shared{protocol}", binary=binary, dbfilename="vcanary.rdb", hz=500)
            private = self.folder.redis(f"private{protocol}", binary=binary, hz=500)
            weir = self.folder.weir(shared, ("a", "b"))
            audit = Audit(weir, shared, private, protocol)
            audit.run()
            listed |= set(audit.cases.rows)
            refused.update(audit.refused)
            faults += audit.faults
            print(f"{binary}, RESP{protocol}: {audit.sent} requests of {len(audit.cases.rows)} commands", flush=True)
        self._report(binary, listed, refused)
        if os.environ.get("WEIR_UPDATE"):
            self._write_list(listed, refused)
        self.assertFalse(faults, f"{len(faults)} faults:\n" + "\n".join(faults[:100]))
        self._compare_with_list(listed, refused)

    @staticmethod
    def _report(binary, listed, refused):
        whole = [name for name in refused if not name.endswith(IN_PART)]
        print(f"{binary}: transparent: {len(listed) - len(whole)} refused: {len(whole)}"
              f" (and {len(refused) - len(whole)} in part)")
        for name, text in sorted(refused.items()):
            print(f"  {name}\t{text}")

    @staticmethod
    def _read_list():
        lines = REFUSED_FILE.read_text(encoding="utf-8").splitlines() if REFUSED_FILE.exists() else []
        return dict(line.split("\t", 1) for line in lines)

    def _write_list(self, listed, refused):
        """What this server lists is written anew; commands of other servers stay."""
        others = {name: text for name, text in self._read_list().items() if name.removesuffix(IN_PART) not in listed}
        lines = sorted(f"{name}\t{text}\n" for name, text in {**others, **refused}.items())
        REFUSED_FILE.write_text("".join(lines), encoding="utf-8")

    def _compare_with_list(self, listed, refused):
        here = {name for name in self._read_list() if name.removesuffix(IN_PART) in listed}
        self.assertEqual(here, set(refused), "refused.txt lists other commands; WEIR_UPDATE=1 writes it anew")

    def test_every_command_of_redis_is_transparent_or_refused(self):
        self.audit("redis-server")

    @unittest.skipUnless(shutil.which("valkey-server"), "no valkey-server here")
    def test_every_command_of_valkey_is_transparent_or_refused(self):
        self.audit("valkey-server")


if __name__ == "__main__":
    unittest.main(verbosity=2)
