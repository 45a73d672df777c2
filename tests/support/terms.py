"""What a tenant's limits and quotas are seen by: weir's error texts, its metrics, the calls that a server counted."""
import hashlib
import os
import re
import urllib.request

import resp

_REFUSAL = re.compile(rb"RATELIMITED limit '(?P<limit>[^']+)' of tenant '(?P<tenant>[^']+)': "
                      rb"(?P<rate>\d+ per \d+(?:ms|s|m|h|d)), retry in (?P<retry>\d+) ms "
                      rb"\(limit=(?P<count>\d+) remaining=(?P<remaining>\d+) reset_ms=(?P<reset>\d+)\)")


class Refusal:
    """One `-RATELIMITED` reply, read."""

    def __init__(self, reply):
        match = _REFUSAL.fullmatch(reply) if isinstance(reply, resp.Error) else None
        assert match, f"not a limit's refusal: {reply!r:.300}"
        self.limit, self.tenant, self.rate = (match[name].decode() for name in ("limit", "tenant", "rate"))
        self.retry, self.count, self.remaining, self.reset = (int(match[name]) for name in
                                                              ("retry", "count", "remaining", "reset"))


def is_refusal(reply):
    return isinstance(reply, resp.Error) and reply.startswith(b"RATELIMITED ")


def samples(weir):
    """Every sample of the metrics page: (name, labels) to value, the labels in the order of their names."""
    with urllib.request.urlopen("http://%s:%d/metrics" % weir.admin_address(), timeout=30) as answer:
        text = answer.read().decode()
    found = {}
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.M):
        found[name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))] = float(value)
    return found


def sample(weir, name, **labels):
    """One of them; None when there is no such."""
    return samples(weir).get((name, tuple(sorted(labels.items()))))


def decisions(weir, tenant, limit):
    """How many commands a limit has allowed, refused and delayed, and how many units remain."""
    page = samples(weir)
    counts = [page["weir_limit_commands_total", tuple(sorted({"tenant": tenant, "limit": limit,
                                                               "decision": decision}.items()))]
              for decision in ("allowed", "refused", "delayed")]
    return (*counts, page["weir_limit_remaining", tuple(sorted({"tenant": tenant, "limit": limit}.items()))])


def calls(redis, command):
    """How often the server itself was asked for a command, since CONFIG RESETSTAT."""
    with redis.client() as direct:
        match = re.search(rb"cmdstat_%s:calls=(\d+)" % command.encode(), direct.call("INFO", "commandstats"))
    return int(match[1]) if match else 0


def forget_calls(redis):
    with redis.client() as direct:
        assert direct.call("CONFIG", "RESETSTAT") == b"OK"


def password_file(folder, name):
    """A passwords_file in which the tenant's password is its name."""
    path = os.path.join(folder, name + ".passwords")
    with open(path, "w", encoding="ascii") as out:
        out.write("sha256:" + hashlib.sha256(name.encode()).hexdigest() + "\n")
    return path
