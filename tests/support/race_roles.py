"""What the clients of the race test do. Every key, channel and payload carries the tenant's word, the session's
number and a
sequence number, so that whatever reaches a session can be told from what is its own: `alpha|17|42|...`.

A role runs on one connection, sometimes with a partner's, until its time is over, and then leaves in whatever way
the dice
say. An answer that is not the session's own raises Foreign. The server or its connections may go away at any time:
then a
session ends, and nothing is wrong.
"""
import socket
import struct
import time

import resp

GONE = (resp.ConnectionClosed, ConnectionError)
HANG = 25.0  # seconds without the answer that is due


class Foreign(AssertionError):
    """Something that does not belong to this session."""


class Ended(Exception):
    """weir told that it lost the server, or that it has no connection left: the session's state is unknown."""


class Session:
    """One client connection of a tenant; `said` counts what was asked."""

    def __init__(self, actor, protocol=2):
        self.actor, self.protocol = actor, protocol
        self.client = resp.Client(actor.address, 2, HANG)
        self.sequence, self.said, self.pushes = 0, 0, []
        actor.open.append(self)
        if protocol == 3:
            self.ask("HELLO", 3, "SETNAME", actor.word)

    def stamp(self, *more):
        """A text of this session's own that was never there before."""
        self.sequence += 1
        return "|".join([self.actor.word, str(self.actor.number), str(self.sequence), *map(str, more)]).encode()

    def send(self, *commands):
        self.said += len(commands)
        self.client.send_raw(b"".join(resp.encode(*command) for command in commands))

    def read(self):
        """The next reply; pushes before it are put aside. The tenant's word must be in whatever says one."""
        while isinstance(value := self.next(), resp.Push):
            self.pushes.append(value)
        if isinstance(value, resp.Error):
            if value.startswith((b"UPSTREAM", b"EXECABORT Transaction discarded because of: UPSTREAM", b"LOADING")):
                raise Ended(value.decode("latin-1"))
            if b"connection broke" in value or b"lost" in value:
                raise Ended(value.decode("latin-1"))
        return value

    def next(self):
        value = self.client.read()
        for text in leaves(value):
            if b"|" in text and not text.startswith(self.actor.word.encode() + b"|"):
                raise Foreign(f"{self.actor.name} got {value!r:.400}")
        return value

    def ask(self, *command):
        self.send(command)
        return self.read()

    def expect(self, expected, *command):
        found = self.ask(*command)
        if found != expected:
            raise Foreign(f"{self.actor.name} asked {command!r:.200}: {found!r:.300} instead of {expected!r:.300}")

    def all(self, pairs):
        """A pipeline of (command, reply that is due)."""
        self.send(*(command for command, _ in pairs))
        for command, expected in pairs:
            found = self.read()
            if found != expected:
                raise Foreign(f"{self.actor.name} asked {command!r:.200} in a pipeline: {found!r:.300}"
                              f" instead of {expected!r:.300}")

    def await_end(self):
        """A subscriber whom nothing reaches any more has lost the server, and is to be closed; else this hangs."""
        while True:
            self.next()

    def close(self):
        self.client.close()

    def leave(self, rng):
        """Good-bye, or without a word, or in the middle of one."""
        how = rng.randrange(7)
        try:
            if how == 0:
                self.send(("QUIT",))
            elif how == 1:
                self.client.half_close()
            elif how == 2:  # a reset instead of an end
                self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == 3:
                self.client.send_raw(resp.encode("SET", self.stamp("half"), "x" * 200)[:rng.randrange(1, 60)])
            elif how == 4:  # much is owed, nothing is read
                self.send(*[("GET", f"{self.actor.word}|big")] * 50)
            elif how == 5:
                self.send(("MULTI",), ("SET", self.stamp("never"), self.stamp()))
        except OSError:
            pass
        self.close()


def leaves(value):
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, bytes) and not isinstance(value, resp.Error):
        yield value


def plain(session, _, rng):
    """Reads back what it has just written, in pipelines of any length, values small and large."""
    pairs = []
    for _ in range(rng.choice((1, 1, 5, 40))):
        key, value = f"{session.actor.word}|k{session.actor.number}", session.stamp("v" * rng.choice((1, 100, 3000)))
        mark = session.stamp("echo")
        pairs += [(("SET", key, value), b"OK"), (("GET", key), value), (("ECHO", mark), mark),
                  (("STRLEN", key), len(value))]
    session.all(pairs)


def shared_name(session, _, rng):
    """Names that both tenants use: what is found there is this tenant's."""
    name = f"common{rng.randrange(5)}"
    for command in (("SET", name, session.stamp()), ("GET", name), ("GETSET", name, session.stamp()),
                    ("MGET", name, "common0", "common1"),
                    ("HSET", "commonhash", name, session.stamp()), ("HGETALL", "commonhash")):
        session.ask(*command)


def large(session, _, rng):
    key, value = f"{session.actor.word}|big", session.stamp("x" * rng.choice((70_000, 300_000)))
    session.expect(b"OK", "SET", f"{key}{session.actor.index}", value)
    session.expect(value, "GET", f"{key}{session.actor.index}")
    session.ask("SET", key, value)


def transaction(session, partner, rng):
    """WATCH, perhaps a conflict, MULTI, EXEC: what comes is the own queue's replies or nil."""
    key = f"{session.actor.word}|t{session.actor.number}"
    before, after = session.stamp("before"), session.stamp("after")
    session.all([(("SET", key, before), b"OK"), (("WATCH", key), b"OK"), (("GET", key), before)])
    conflict = rng.random() < 0.3
    if conflict:
        partner.expect(b"OK", "SET", key, before)
    mark = session.stamp("mark")
    session.all([(("MULTI",), b"OK"), (("SET", key, after), b"QUEUED"), (("GET", key), b"QUEUED"),
                 (("ECHO", mark), b"QUEUED")])
    if rng.random() < 0.1:
        session.expect(b"OK", "DISCARD")
        session.expect(before, "GET", key)
    else:
        session.expect(None if conflict else [b"OK", after, mark], "EXEC")


def blocking(session, partner, rng):
    """Blocks until the partner brings something, or until the time is over; elements come in order and to their
    owner."""
    key = f"{session.actor.word}|q{session.actor.number}"
    session.ask("DEL", key)
    token, mark = session.stamp("token"), session.stamp("behind")
    command, reply = rng.choice(((("BLPOP", key, "20"), [key.encode(), token]),
                                 (("BRPOP", f"{key}-none", key, "20"), [key.encode(), token]),
                                 (("BLMOVE", key, f"{key}-to", "LEFT", "LEFT", "20"), token),
                                 (("BLMPOP", "20", "1", key, "LEFT"),
                                  [key.encode(), [token]])))
    session.send(command, ("ECHO", mark))
    partner.ask("RPUSH", key, token)
    for expected in (reply, mark):
        found = session.read()
        if found != expected:
            raise Foreign(f"{session.actor.name} blocked in {command!r}: {found!r:.300} instead of {expected!r:.300}")
    session.ask("DEL", f"{key}-to")


def timing_out(session, _, rng):
    key = f"{session.actor.word}|none"
    session.expect(None, *rng.choice((("BLPOP", key, "0.01"), ("BZPOPMIN", key, "0.02"),
                                      ("XREAD", "BLOCK", "15", "STREAMS", key, "$"),
                                      ("BLMOVE", key, key, "LEFT", "LEFT", "0.005"))))


def common_queue(session, partner, rng):
    """One queue for all of a tenant's sessions, which die while they wait: a token is always the tenant's own."""
    if rng.random() < 0.6:
        partner.ask("RPUSH", "commonqueue", partner.stamp("common"))
    session.ask("BLPOP", "commonqueue", "0.05")
    if rng.random() < 0.05:
        session.send(("BLPOP", "commonqueue", "0"))
        return False
    return True


def unblocked(session, partner, _):
    """CLIENT UNBLOCK by the id of its own."""
    number = session.ask("CLIENT", "ID")
    session.send(("BLPOP", f"{session.actor.word}|none", "20"))
    for _ in range(2000):
        if partner.ask("CLIENT", "UNBLOCK", number, "ERROR") == 1:
            break
    found = session.read()
    if not (isinstance(found, resp.Error) and found.startswith(b"UNBLOCKED")):
        raise Foreign(f"{session.actor.name} was unblocked and got {found!r:.200}")


def subscriber(session, partner, rng):
    """Own channels in order and complete; the common ones carry the tenant's word alone."""
    word, number = session.actor.word, session.actor.number
    channel, pattern = f"{word}|c{number}", f"{word}|p{number}.*"
    for command in (("SUBSCRIBE", channel), ("SUBSCRIBE", "commonchannel"), ("PSUBSCRIBE", pattern),
                    ("PSUBSCRIBE", "commonp*")):
        session.send(command)
        confirmation(session, command)
    for _ in range(rng.randrange(1, 12)):
        payload, also = partner.stamp("m"), partner.stamp("p")
        for told in (("PUBLISH", channel, payload), ("PUBLISH", f"{word}|p{number}.x", also)):
            if (count := partner.ask(*told)) != 1:
                if count == 0:
                    session.await_end()
                raise Foreign(f"{session.actor.name}: {told!r:.100} reached {count!r}")
        partner.ask("PUBLISH", "commonchannel", partner.stamp("common"))
        partner.ask("PUBLISH", "commonpattern", partner.stamp("common"))
        due = [[b"message", channel.encode(), payload],
               [b"pmessage", pattern.encode(), f"{word}|p{number}.x".encode(), also]]
        while due:
            found = session.next()
            if found == due[0]:
                due.pop(0)
            elif b"commonchannel" not in found and b"commonpattern" not in found:
                raise Foreign(f"{session.actor.name} heard {found!r:.300} instead of {due[0]!r:.300}")
    for command in (("UNSUBSCRIBE", channel), ("UNSUBSCRIBE", "commonchannel"), ("PUNSUBSCRIBE", pattern),
                    ("PUNSUBSCRIBE", "commonp*")):
        if rng.random() < 0.1:
            return False  # leaves with a subscription
        session.send(command)
        confirmation(session, command)
    return True


def confirmation(session, command):
    while (found := session.next())[:2] != [command[0].lower().encode(), command[1].encode()]:
        if isinstance(found, resp.Error) and found.startswith(b"UPSTREAM"):
            raise Ended(found.decode("latin-1"))
        if not any(b"common" in text for text in leaves(found)):
            raise Foreign(f"{session.actor.name} sent {command} and heard {found!r:.300}")


def tracker(session, partner, rng):
    """RESP3: each key that was read is announced when the partner writes it, and no other key of anybody."""
    stem = f"{session.actor.word}|i{session.actor.number}-"
    mode = rng.choice(((), ("NOLOOP",), ("BCAST", "PREFIX", stem)))
    session.expect(b"OK", "CLIENT", "TRACKING", "ON", *mode)
    session.pushes.clear()
    for turn in range(rng.randrange(1, 10)):
        key = f"{stem}{turn}"
        session.ask("GET", key)
        partner.expect(b"OK", "SET", key, partner.stamp())
        wait_for_invalidation(session, stem, key)
    session.expect(b"OK", "CLIENT", "TRACKING", "OFF")
    session.pushes.clear()


def wait_for_invalidation(session, stem, key):
    while True:
        push = session.pushes.pop(0) if session.pushes else session.next()
        if not isinstance(push, resp.Push) or push[0] != b"invalidate":
            raise Foreign(f"{session.actor.name} waited for an invalidation of {key}: {push!r:.300}")
        for found in push[1] or ():
            if not found.startswith(stem.encode()):
                raise Foreign(f"{session.actor.name} was told of {found!r}")
        if push[1] is None or key.encode() in push[1]:
            return


def script(session, _, rng):
    key, value = f"{session.actor.word}|e{session.actor.number}", session.stamp("script")
    session.expect(value, "EVAL", "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])", "1", key,
                   value)
    session.expect(value, "GET", key)
    if rng.random() < 0.2:
        session.ask("EVALSHA", "f" * 40, "0")


def local(session, _, rng):
    """weir's own answers between those of the server, another protocol, another database and back."""
    key, value = f"{session.actor.word}|d{session.actor.number}", session.stamp("db")
    database = rng.randrange(1, 4)
    session.all([(("SELECT", database), b"OK"), (("SET", key, value), b"OK"), (("PING",), b"PONG"),
                 (("GET", key), value),
                 (("CLIENT", "SETNAME", "n"), b"OK"), (("CLIENT", "GETNAME"), b"n"), (("SELECT", 0), b"OK"),
                 (("EXISTS", key), 0)])
    session.send(("CLIENT", "REPLY", "SKIP"), ("GET", "common0"), ("ECHO", value))
    if (found := session.read()) != value:
        raise Foreign(f"{session.actor.name}: {found!r:.200} after CLIENT REPLY SKIP")


ROLES = {"plain": plain, "shared_name": shared_name, "large": large, "transaction": transaction,
         "blocking": blocking, "timing_out": timing_out,
         "common_queue": common_queue, "unblocked": unblocked, "subscriber": subscriber, "tracker": tracker,
         "script": script, "local": local}
WEIGHTS = (6, 3, 1, 4, 4, 1, 3, 1, 3, 3, 2, 2)


class Actor:
    """One thread's worth of clients of one tenant: connects, plays a role for a while, leaves, and again."""

    def __init__(self, word, number, address, rng):
        self.word, self.index, self.address, self.rng = word, number, address, rng
        self.number, self.lives = "", 0  # of a life: what an earlier one left behind may still be on its way out
        self.open, self.counts, self.said, self.ended = [], dict.fromkeys(ROLES, 0), 0, 0

    @property
    def name(self):
        return f"{self.word} {self.number}"

    def run(self, until):
        while time.monotonic() < until:
            try:
                self._life(until)
            except GONE:
                self.ended += 1
            except Ended:
                self.ended += 1
            except TimeoutError:
                raise Foreign(f"{self.name} had no answer for {HANG} s; last counts {self.counts}") from None
            finally:
                for session in self.open:
                    self.said += session.said
                    session.leave(self.rng)
                self.open.clear()

    def _life(self, until):
        self.lives += 1
        self.number = f"{self.index}.{self.lives}"
        session, partner = Session(self, self.rng.choice((2, 3))), Session(self)
        end = min(until, time.monotonic() + self.rng.choice((0.02, 0.2, 1, 3)))
        while time.monotonic() < end:
            name = self.rng.choices(list(ROLES), WEIGHTS)[0]
            if name == "tracker" and session.protocol == 2:
                continue
            going_on = ROLES[name](session, partner, self.rng)
            self.counts[name] += 1
            if going_on is False:
                return
            if self.rng.random() < 0.02:  # left blocked for ever
                session.send(("BLPOP", f"{self.word}|none", "0"))
                return
