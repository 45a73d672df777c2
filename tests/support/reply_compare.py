"""When two replies count as the same. Equal bytes is the rule; every exception stands here with its reason."""
import random
import re

import resp

# The order depends on the hash seed of the process once a set is a hash table (strings: always, in Redis 7.0) or a
# sorted set a skip list, and KEYS walks the dictionary of all keys.
UNORDERED = {"keys", "smembers", "sunion", "sinter", "sdiff", "sscan", "zscan", "spop", "scan"}
# Picked at random by the server: only how much came can be compared.
RANDOM = {"srandmember", "hrandfield", "zrandmember"}
# Milliseconds pass between one server and the other.
CLOCK = {"ttl": 2, "pttl": 5000, "expiretime": 2, "pexpiretime": 5000, "object idletime": 3}
# SORT breaks ties by the order of its input when BY gives equal weights under ALPHA, or no weights at all.
SORTS = {"sort", "sort_ro"}
# Idle times in milliseconds, seen-time, and the radix tree's size in memory, which is the same only most of the time.
TIMED_FIELDS = re.compile(rb"\$(?:4\r\nidle|8\r\ninactive)\r\n:-?\d+\r\n")


def command_name(args):
    """Lower case; the two words of a command with subcommands."""
    words = [arg.decode("latin-1").lower() for arg in args[:2]]
    return " ".join(words) if words[0] in CONTAINERS else words[0]


CONTAINERS = {"object", "xinfo", "xgroup", "memory", "client", "config", "command", "acl", "cluster", "function",
              "latency", "module", "pubsub", "script", "slowlog", "debug"}


def same(args, left, right):
    """Whether two raw replies to one command are the same, as far as they can be."""
    if left == right:
        return True
    if left[:1] != right[:1] or left[:1] == b"-":
        return False
    name = command_name(args)
    if name in UNORDERED or name in SORTS:
        return _flat(left) == _flat(right)
    if name in RANDOM:
        return _shape(resp.parse(left)) == _shape(resp.parse(right))
    if name in CLOCK and left[:1] == b":":
        return _near(int(left[1:]), int(right[1:]), CLOCK[name])
    if name == "dump":  # the elements of a set stand in hash order
        return len(left) == len(right)
    if name == "hello":
        return mask_hello(left) == mask_hello(right)
    return TIMED_FIELDS.sub(b"", left) == TIMED_FIELDS.sub(b"", right)


def same_transaction(queued, left, right):
    """Two replies to EXEC, each element as the command that was queued there."""
    if left == right:
        return True
    head = b"*%d\r\n" % len(queued)
    if not (left.startswith(head) and right.startswith(head)):
        return False
    replies = [resp.split_replies(raw[len(head):]) for raw in (left, right)]
    return all(same(*triple) for triple in zip(queued, *replies))


def _flat(raw):
    """The lines of a reply in sorted order: the same values in any order, whatever nests them."""
    value = resp.parse(raw)
    return sorted(repr(item) for item in _leaves(value))


def _leaves(value):
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _shape(value):
    if isinstance(value, (list, tuple)):
        return [_shape(item) for item in value]
    return type(value)


def _near(left, right, slack):
    if left < 0 or right < 0:
        return left == right
    return abs(left - right) <= slack


def mask_hello(raw):
    """The connection's id is the proxy's own."""
    return re.sub(rb"(\$2\r\nid\r\n):\d+", rb"\1:0", raw)


def shuffled_chunks(rng, data, cuts):
    """`data` cut at random places, byte boundaries all."""
    places = sorted(rng.randrange(len(data) + 1) for _ in range(cuts))
    return [data[a:b] for a, b in zip([0] + places, places + [len(data)]) if a != b]


def new_rng(seed, *parts):
    return random.Random(":".join(str(part) for part in (seed, *parts)))
