"""A client's commands take effect in the order it sent them, whichever connection carries them and whoever answers.

Random pipelines that mix commands for shared and dedicated connections, large ones, emulated and local ones go to a
private
Redis and through weir, cut at random; the streams of replies must be the same. WEIR_LANE_SEED (random, printed)
gives the
same again, WEIR_LANE_PIPELINES (60) how many.
"""
import os
import random
import re
import threading
import unittest

import reply_compare
import resp
import sides

MASK = re.compile(rb"\$2\r\nid\r\n:\d+")
END = b"the end of it"
TIMEOUT = float(os.environ.get("WEIR_LANE_TIMEOUT", "30"))


class Pipeline:
    """Commands of one connection whose every reply is known from those before it: nothing blocks, nothing is
    random."""

    def __init__(self, rng, alone):
        self.rng, self.alone = rng, alone
        self.database, self.queue = 0, {}  # elements in `q` of each database
        self.tracking, self.number, self.commands = False, 0, []

    def build(self, count):
        kinds = [self.plain] * 12 + [self.pop] * 5 + [self.transaction] * 4 + [self.large] * 2 + [self.local] * 4 + [
            self.script, self.whole_keyspace, self.select, self.watch, self.subscription, self.track, self.silence,
            self.protocol,
            self.timed_out, self.faulty]
        while len(self.commands) < count:
            self.rng.choice(kinds)()
        return self.commands + [("CLIENT", "REPLY", "ON"), ("ECHO", END)]

    def say(self, *command):
        self.commands.append(command)

    def next_number(self):
        self.number += 1
        return self.number

    def plain(self):
        number = self.next_number()
        if self.rng.random() < 0.3:
            self.queue[self.database] = self.queue.get(self.database, 0) + 1
            return self.say("RPUSH", "q", number)
        self.say(*self.rng.choice((("INCR", "n"), ("APPEND", "log", f"{number},"), ("GET", "n"), ("GET", "log"),
                                   ("STRLEN", "big"),
                                   ("LRANGE", "q", "0", "-1"), ("SET", "n", number), ("MGET", "n", "log"),
                                   ("PUBLISH", "nobody", number),
                                   ("XADD", "x", f"{number}-1", "f", number), ("XLEN", "x"),
                                   ("EXISTS", "n", "log", "q", "big"))))

    def pop(self):
        if self.queue.get(self.database, 0) == 0:
            return self.plain()
        self.queue[self.database] -= 1
        self.say(*self.rng.choice((("BLPOP", "missing", "q", "0"), ("BRPOP", "q", "0"), ("LPOP", "q"),
                                   ("BLMPOP", "0", "1", "q", "LEFT"),
                                   ("BLMOVE", "q", "moved", "LEFT", "RIGHT", "0"))))

    def transaction(self):
        self.say("MULTI")
        kept = dict(self.queue)
        for _ in range(self.rng.randrange(5)):
            self.rng.choice((self.plain, self.plain, self.pop, self.echo))()
        ending = self.rng.choice(("EXEC", "EXEC", "EXEC", "DISCARD", "BAD"))
        if ending == "BAD":
            self.say("nosuch", self.number)
            ending = "EXEC"
            self.queue = kept
        elif ending == "DISCARD":
            self.queue = kept
        self.say(ending)

    def echo(self):
        self.say("ECHO", self.next_number())

    def large(self):
        size = self.rng.choice((65_000, 66_000, 70_000, 300_000, 1_200_000))
        value = b"%d" % self.next_number() + b"x" * size
        self.say(*self.rng.choice((("SET", "big", value), ("GETSET", "big", value), ("GET", "big"), ("ECHO", value),
                                   ("nosuch", value[:100]),
                                   ("HSET", "h", "f", value), ("HGET", "h", "f"))))

    def local(self):
        self.say(*self.rng.choice((("PING",), ("PING", f"p{self.next_number()}"), ("ECHO", f"e{self.next_number()}"),
                                   ("CLIENT", "GETNAME"), ("CONFIG",),
                                   ("CLIENT", "SETNAME", f"name{self.next_number()}"), ("nosuch", "x"), ("GET",),
                                   ("CLIENT", "SETNAME", "a b"),
                                   ("COMMAND", "GETKEYS", "GET", "k"), ("UNWATCH",), ("DISCARD",), ("EXEC",))))

    def script(self):
        self.say("EVAL", "return redis.call('INCR', KEYS[1])", "1", "n")
        self.say("GET", "n")

    def whole_keyspace(self):
        if not self.alone:
            return self.plain()
        if self.tracking or self.rng.random() < 0.7:
            return self.say(*self.rng.choice((("DBSIZE",), ("KEYS", "n"), ("KEYS", "[l]og"))))
        self.queue[self.database] = 0
        self.say("FLUSHDB")

    def select(self):
        if self.alone:
            self.database = self.rng.randrange(4)
            self.say("SELECT", self.database)

    def watch(self):
        """Of what happens to a transaction behind a change of its own client the queue's length must not depend."""
        self.say("WATCH", "n", "q")
        if self.rng.random() < 0.5:
            for command in (("INCR", "n"), ("MULTI",), ("GET", "n"), ("EXEC",)):
                self.say(*command)
        else:
            self.say(*self.rng.choice((("GET", "n"), ("PING", "p"), ("SET", "big", b"x" * 70_000),
                                       ("BLPOP", "missing", "0.001"), ("DBSIZE",)
                                       if self.alone else ("GET", "log"))))
            self.transaction()

    def subscription(self):
        channel = f"c{self.rng.randrange(3)}"
        self.say("SUBSCRIBE", channel)
        if self.rng.random() < 0.5:
            self.say("PING", "x")
        self.say("UNSUBSCRIBE", channel)

    def track(self):
        self.tracking = not self.tracking
        self.say("CLIENT", "TRACKING", *(("ON", "NOLOOP") if self.tracking else ("OFF",)))

    def silence(self):
        if self.rng.random() < 0.5:
            self.say("CLIENT", "REPLY", "SKIP")
            return self.rng.choice((self.plain, self.local))()
        self.say("CLIENT", "REPLY", "OFF")
        for _ in range(self.rng.randrange(6)):
            self.rng.choice((self.plain, self.pop, self.local, self.large))()
        self.say("CLIENT", "REPLY", "ON")

    def protocol(self):
        self.say("HELLO", self.rng.choice(("2", "3")))
        if self.rng.random() < 0.1:
            self.say("RESET")
            self.database, self.tracking = 0, False

    def timed_out(self):
        self.say("BLPOP", "missing", "0.001")

    def faulty(self):
        self.say(*self.rng.choice((("BLPOP", "n2", "abc"), ("BLPOP", "q"), ("XREAD", "BLOCK", "0", "STREAMS"),
                                   ("WAIT", "0"), ("SELECT", "abc"))))


def play(address, commands, rng):
    """The replies to all of it, in order."""
    data = b"".join(resp.encode(*command) for command in commands)
    with resp.Client(address, timeout=TIMEOUT) as client:
        sender = client.send_in_background(reply_compare.shuffled_chunks(rng, data, rng.choice((0, 3, 40, 400))))
        replies = []
        while not replies or END not in replies[-1]:
            replies.append(MASK.sub(b"", client.read_raw()))
        sender.join()
    return replies


class LaneOrderTest(sides.SidesTest):
    options = {"hz": 500}

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("WEIR_LANE_SEED", random.randrange(1 << 32)))
        self.count = int(os.environ.get("WEIR_LANE_PIPELINES", "60"))
        print(f"seed: {self.seed} (WEIR_LANE_SEED)", flush=True)

    def compare(self, name, commands, expected, found):
        for place, (redis, weir) in enumerate(zip(expected, found)):
            if redis != weir:
                raise AssertionError(f"{name}, reply {place}:\n redis: {redis!r:.300}\n weir:  {weir!r:.300}\n"
                                     f" before it, redis: {expected[max(0, place - 6):place]!r:.900}\n commands: {commands!r:.6000}")
        self.assertEqual(len(found), len(expected), name)

    def test_random_pipelines_of_one_client(self):
        for turn in range(self.count):
            rng = reply_compare.new_rng(self.seed, "one", turn)
            commands = Pipeline(rng, True).build(rng.choice((5, 20, 100, 600)))
            expected, found = (play(side.client().sock.getpeername(), commands, rng) for side in (self.reference(),
                                                                                                  self.proxied()))
            self.compare(f"pipeline {turn}", commands, expected, found)
        self.assert_nothing_held(self.proxied())

    def test_random_pipelines_of_many_clients_at_once(self):
        """Each with keys of its own, so that its replies depend on nobody else."""
        faults = []

        def one(number):
            rng = reply_compare.new_rng(self.seed, "many", number)
            try:
                for turn in range(max(1, self.count // 20)):
                    commands = own_keys(Pipeline(rng, False).build(rng.choice((20, 100, 400))), number)
                    commands.insert(0, ("DEL", *(f"{number}-{name}" for name in ("n", "log", "q", "big", "x", "h",
                                                                                 "moved"))))
                    expected, found = (play(address, commands, rng) for address in addresses)
                    self.compare(f"client {number}, pipeline {turn}", commands, expected, found)
            except Exception as fault:  # pylint: disable=broad-except  # told to the test below
                faults.append(f"{fault!r:.3000}")
        addresses = [side.client().sock.getpeername() for side in (self.reference(), self.proxied())]
        threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])


NAMES = {"n", "log", "q", "big", "x", "h", "moved", "missing", "n2"}


def own_keys(commands, number):
    def own(command, word):
        return f"{number}-{word}" if word in NAMES and command[0] not in ("ECHO", "PING") else word
    return [(command[0], *(own(command, word) for word in command[1:])) for command in commands]


if __name__ == "__main__":
    unittest.main(verbosity=2)
