"""What clients write and read: one class for each kind of thing, which knows how it is written, what replies may be, how it is
looked at in Redis, and which of history's rules holds for it.

A thing stands under one name, or some that begin with it. What a client writes carries its name and number, so that it is
told from everything else; what it reads back is what nobody else writes.
"""
import dataclasses

import history
from history import Read, Write


@dataclasses.dataclass(slots=True)
class Request:
    """What is sent, and what becomes of it. The last reply is the one that counts."""
    thing: object
    commands: list
    write: Write = None
    read: Read = None

    @property
    def supported(self):
        return self.thing is None or self.thing.supported


class Thing:
    supported = True  # by the fallback

    def __init__(self, name, one_order=True):
        self.name = name
        self.one_order = one_order  # written by way of one weir

    def write(self, rng, client, number):
        raise NotImplementedError

    def read(self, client, number):
        return None

    def looks(self, name):
        """Commands that show all of it, under its name in Redis."""
        raise NotImplementedError

    def faults(self, writes, replies):
        raise NotImplementedError

    def _request(self, client, number, value, *commands, **more):
        return Request(self, list(commands), Write(client, number, value, **more))


def token(client, number):
    return b"%s:%d" % (client.encode(), number)


class Counter(Thing):
    def write(self, rng, client, number):
        amount = rng.randint(1, 3)
        return self._request(client, number, amount, ("INCRBY", self.name, amount))

    def looks(self, name):
        return [("GET", name)]

    def faults(self, writes, replies):
        return history.sum_faults(writes, int(replies[0] or 0))


class List(Thing):
    def write(self, rng, client, number):
        value = token(client, number)
        return self._request(client, number, value, ("RPUSH", self.name, value))

    def looks(self, name):
        return [("LRANGE", name, 0, -1)]

    def faults(self, writes, replies):
        return history.sequence_faults(writes, replies[0])


class Text(Thing):
    def write(self, rng, client, number):
        value = token(client, number)
        return self._request(client, number, value, ("APPEND", self.name, value + b";"))

    def looks(self, name):
        return [("GET", name)]

    def faults(self, writes, replies):
        return history.sequence_faults(writes, (replies[0] or b"").split(b";")[:-1])


class Stream(Thing):
    supported = False

    def write(self, rng, client, number):
        value = token(client, number)
        return self._request(client, number, value, ("XADD", self.name, "*", "w", value))

    def looks(self, name):
        return [("XRANGE", name, "-", "+")]

    def faults(self, writes, replies):
        return history.sequence_faults(writes, [fields[1] for _, fields in replies[0]])


class Register(Thing):
    """Some values expire, an hour from then, and say so."""

    EXPIRING = b"+expires"

    def write(self, rng, client, number):
        value = token(client, number)
        roll = rng.random()
        if roll < 0.1:
            return self._request(client, number, None, ("DEL", self.name))
        if roll < 0.3:
            value += self.EXPIRING
            return self._request(client, number, value, ("SET", self.name, value, "PX", 3_600_000))
        if roll < 0.35:
            value += b"." * 3000
        return self._request(client, number, value, ("SET", self.name, value))

    def looks(self, name):
        return [("GET", name), ("PTTL", name)]

    def faults(self, writes, replies):
        value, ttl = replies
        yield from history.register_faults(writes, value, self.one_order)
        if value is not None and (ttl >= 0) != value.endswith(self.EXPIRING):
            yield f"{value!r:.80} has the time to live {ttl}"


class OwnRegister(Register):
    def read(self, client, number):
        return Request(self, [("GET", self.name)], read=Read(client, number, None))


class Fields(Thing):
    """A hash in which each client has a field."""

    def write(self, rng, client, number):
        value = token(client, number)
        return self._request(client, number, value, ("HSET", self.name, client, value), field=client.encode())

    def read(self, client, number):
        return Request(self, [("HGET", self.name, client)], read=Read(client, number, None, field=client.encode()))

    def looks(self, name):
        return [("HGETALL", name)]

    def faults(self, writes, replies):
        found = dict(zip(replies[0][::2], replies[0][1::2], strict=True))
        return history.by_field(history.register_faults, writes, found)


class Totals(Thing):
    def write(self, rng, client, number):
        field, amount = rng.choice((b"red", b"green", b"blue")), rng.randint(1, 3)
        return self._request(client, number, amount, ("HINCRBY", self.name, field, amount), field=field)

    def looks(self, name):
        return [("HGETALL", name)]

    def faults(self, writes, replies):
        return _sums(writes, replies[0])


class Scores(Thing):
    def write(self, rng, client, number):
        member, amount = rng.choice((b"ann", b"bob", b"cleo")), rng.randint(1, 3)
        return self._request(client, number, amount, ("ZINCRBY", self.name, amount, member), field=member)

    def looks(self, name):
        return [("ZRANGE", name, 0, -1, "WITHSCORES")]

    def faults(self, writes, replies):
        return _sums(writes, replies[0])


def _sums(writes, pairs):
    found = {field: int(value) for field, value in zip(pairs[::2], pairs[1::2], strict=True)}
    return history.by_field(history.sum_faults, writes, found)


class Members(Thing):
    """Each client adds members, and removes some of those that it added."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._added = {}

    def write(self, rng, client, number):
        if client in self._added and rng.random() < 0.4:
            value = self._added.pop(client)
            return self._request(client, number, value, ("SREM", self.name, value), removes=True)
        value = self._added[client] = token(client, number)
        return self._request(client, number, value, ("SADD", self.name, value))

    def looks(self, name):
        return [("SMEMBERS", name)]

    def faults(self, writes, replies):
        return history.membership_faults(writes, set(replies[0]))


class Transfers(Thing):
    """Two accounts, which have nothing together, and a list of what was moved."""

    def write(self, rng, client, number):
        amount = rng.randint(1, 9)
        note = token(client, number) + b":%d" % amount
        return self._request(client, number, note, ("MULTI",), ("DECRBY", self.name + ":from", amount),
                             ("INCRBY", self.name + ":to", amount), ("RPUSH", self.name + ":notes", note), ("EXEC",))

    def looks(self, name):
        return [("LRANGE", name + b":notes", 0, -1), ("GET", name + b":from"), ("GET", name + b":to")]

    def faults(self, writes, replies):
        return history.transfer_faults(writes, replies[0], int(replies[1] or 0), int(replies[2] or 0))


class Echo:
    """Whose reply it is, nothing else."""

    @staticmethod
    def request(client, number):
        return Request(None, [("ECHO", token(client, number))])


SHARED = (Counter, List, Text, Register, Fields, Totals, Scores, Members, Transfers, Stream)
OWN = (Counter, OwnRegister, List)


def things_of(generation, group, kinds, **more):
    return [kind(f"g{generation}:{group}:{kind.__name__.lower()}", **more) for kind in kinds]
