"""What clients were told of their writes, and whether what is found afterwards can have come of it.

Each function gets the writes to one thing, of all clients, each client's in the order in which it sent them, and what was
found there. It gives what is wrong, in words; nothing, when all is well. A write is

    DONE      acknowledged: its effect is there, once
    REFUSED   said not to have been carried out: it has none
    UNKNOWN   nobody knows: it has its effect once or not at all, and not behind what the same client sent later
"""
import collections
import dataclasses
import enum
import time


class Outcome(enum.Enum):
    DONE = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclasses.dataclass(slots=True)
class Write:
    client: str
    number: int  # a client's requests are numbered as it sends them
    value: object  # an amount, or bytes that nobody else ever writes; None: what a DEL leaves
    outcome: Outcome = Outcome.DONE
    sent: float = 0.0
    got: float = 0.0  # the reply, or the end of the connection
    field: bytes = None
    removes: bool = False
    reply: object = None

    def __str__(self):
        return f"{self.client} #{self.number} ({self.outcome.value}, {clock(self.sent)} to {clock(self.got)})"


@dataclasses.dataclass(slots=True)
class Read:
    """By a client of what only it writes."""
    client: str
    number: int
    found: object
    sent: float = 0.0
    got: float = 0.0
    field: bytes = None


class Sight(enum.Enum):
    """What a client's answers come from knows of the client's own writes."""
    ALL = "all"
    ALL_OR_NOTHING = "all of a thing, or nothing"
    SOME = "perhaps not the latest"


def clock(when):
    """As in weir's log."""
    return time.strftime("%H:%M:%S", time.gmtime(when)) + f".{int(when * 1000) % 1000:03}"


def sum_faults(writes, found):
    """Amounts that are added, all above zero."""
    least = sum(write.value for write in writes if write.outcome is Outcome.DONE)
    most = least + sum(write.value for write in writes if write.outcome is Outcome.UNKNOWN)
    found = found or 0
    if found < least:
        yield f"{found} is less than the {least} that were acknowledged: lost"
    elif found > most:
        yield f"{found} is more than the {least} that were acknowledged and {most - least} unknown: done twice, or though refused"


def sequence_faults(writes, found):
    """Elements that are appended, each other than all others."""
    known, seen = {write.value: write for write in writes}, collections.Counter(found)
    last = {}
    for element in found:
        write = known.get(element)
        if write is None:
            yield f"{element!r:.80} was never written here"
        elif write.outcome is Outcome.REFUSED:
            yield f"{write} is there"
        else:
            before = last.setdefault(write.client, write)
            if before.number > write.number:
                yield f"{write} stands behind {before}: out of order"
            last[write.client] = write
    for element, times in seen.items():
        if times > 1:
            yield f"{known.get(element, element)} is there {times} times"
    for write in writes:
        if write.outcome is Outcome.DONE and write.value not in seen:
            yield f"{write} is lost"


def register_faults(writes, found, one_order=False):
    """A value that each write replaces. `one_order`: what was acknowledged before another client's write was sent is older
    than that, as all clients came by one weir."""
    if found is None and not any(write.outcome is Outcome.DONE for write in writes):
        return
    candidates = [write for write in writes if write.value == found]
    if not candidates and found is not None:
        yield f"{found!r:.80} was never written here"
        return
    possible = [write for write in candidates if write.outcome is not Outcome.REFUSED]
    if candidates and not possible:
        yield f"{candidates[0]} is there"
    elif not any(_is_newest(write, writes, one_order) for write in possible):
        what = possible[-1] if possible else "nothing"
        newest = max((write for write in writes if write.outcome is Outcome.DONE), key=lambda write: write.sent)
        yield f"{what} is there, and {newest} was acknowledged later: lost"


def _is_newest(write, writes, one_order):
    def replaces(other):
        if other.outcome is not Outcome.DONE:
            return False
        if other.client == write.client:
            return other.number > write.number
        return one_order and other.sent > write.got
    return not any(replaces(other) for other in writes)


def membership_faults(writes, found):
    """Members that are added and removed, each by one client."""
    states, refused = {}, set()
    for write in writes:
        state = states.setdefault(write.value, {False})
        if write.outcome is Outcome.REFUSED:
            refused.add(write.value)
        elif write.outcome is Outcome.UNKNOWN:
            states[write.value] = state | {not write.removes}
        elif write.reply or not write.removes:  # a removal that found nothing has changed nothing
            states[write.value] = {not write.removes}
    for member, state in states.items():
        there = member in found
        if there not in state:
            why = "though refused" if member in refused else "though removed" if there else "lost"
            yield f"member {member!r:.80} is {'' if there else 'not '}there: {why}"
    for member in found:
        if member not in states:
            yield f"member {member!r:.80} was never written here"


def transfer_faults(writes, journal, debit, credit):
    """Transactions, each of which takes its amount from one account, gives it to the other, and notes that: `value` is
    the note, which ends with the amount."""
    yield from sequence_faults(writes, journal)
    amounts = {write.value: int(write.value.rsplit(b":", 1)[1]) for write in writes}
    moved = sum(amounts.get(note, 0) for note in journal)
    if (debit, credit) != (-moved, moved):
        yield f"accounts are {debit} and {credit}, and {moved} was moved by what is noted: a transaction was cut"


def by_field(faults, writes, found):
    """The same for each field or member of one key."""
    parts = collections.defaultdict(list)
    for write in writes:
        parts[write.field].append(write)
    for field in sorted(parts.keys() | found.keys()):
        for fault in faults(parts[field], found.get(field)):
            yield f"{field!r}: {fault}"


def read_faults(read, writes, sight):
    """`writes`: the reader's own, to what it alone writes. What it was shown counts as acknowledged from then on."""
    before = [write for write in writes if write.number < read.number and write.field == read.field and write.outcome is not Outcome.REFUSED]
    last = max((index for index, write in enumerate(before) if write.outcome is Outcome.DONE), default=None)
    later = before[last + 1:] if last is not None else before
    for write in later:
        if read.found is not None and write.value == read.found:
            write.outcome = Outcome.DONE
            return
    possible = {write.value for write in before[last or 0:]}
    if last is None or sight is not Sight.ALL:
        possible.add(None)
    if sight is Sight.SOME:
        possible |= {write.value for write in before}
    if read.found not in possible:
        yield f"{read.client} #{read.number} ({clock(read.sent)} to {clock(read.got)}) was shown {read.found!r:.80} behind {before[-1] if before else 'nothing'}"


def growth_faults(writes, absolute, continuous):
    """What a client was told of a counter that it alone adds to: replies, each of which counts all before it.

    `absolute(write)`: it was told by a Redis that has everything. `continuous(before, write)`: both were told by the same."""
    total = unknown = 0
    before, unknown_before = None, 0
    for write in writes:
        if write.outcome is Outcome.UNKNOWN:
            unknown += write.value
        if write.outcome is not Outcome.DONE:
            continue
        total += write.value
        if absolute(write) and not total <= write.reply <= total + unknown:
            yield f"{write} was told {write.reply}, and {total} (perhaps {unknown} more) were added"
        elif before and continuous(before, write):
            grown = write.reply - before.reply
            if not write.value <= grown <= write.value + unknown - unknown_before:
                yield f"{write} was told {write.reply} behind {before.reply}, and added {write.value}"
        before, unknown_before = write, unknown
