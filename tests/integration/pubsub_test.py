"""Pub/sub of two tenants through one weir, held against a private Redis: confirmations, messages, key space and key event
notifications, counts; subscribers that do not read, an upstream that dies, thousands who share one subscription.
"""
import random
import re
import signal
import unittest
import urllib.request

import resp
import servers

MIB = 1 << 20
NOTIFY = {"notify_keyspace_events": "KEA"}


def subscribe(client, command, *names):
    """One confirmation for each name."""
    client.send(command, *names)
    return [client.read() for _ in names]


def metric(weir, name):
    host, port = weir.admin_address()
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=30) as page:
        values = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", page.read().decode(), re.M)
    return sum(float(value) for value in values)


def messages_until(client, last):
    """What comes before the message whose payload is `last`."""
    found = []
    while (message := client.read())[-1] != last:
        found.append(list(message))
    return found


def pubsub_connections(redis):
    with redis.client() as direct:
        return [line for line in direct.call("CLIENT", "LIST", "TYPE", "pubsub").splitlines() if line]


class SameAsRedis(servers.ServerTest):
    """Each step is done through weir and on a Redis of its own; the bytes must be the same."""

    CONVERSATION = [
        ("PING",), ("UNSUBSCRIBE",), ("PUNSUBSCRIBE",), ("SUNSUBSCRIBE",), ("UNSUBSCRIBE", "never"),
        ("SUBSCRIBE", "a", "b"), ("SUBSCRIBE", "a"), ("PSUBSCRIBE", "p*", "*", "__key*__:*"), ("PSUBSCRIBE", "p*"),
        ("SSUBSCRIBE", "a", "s"), ("PING",), ("PING", "text"), ("PING", "a", "b"), ("GET", "k"), ("get",), ("nosuch", "x"),
        ("CLIENT", "ID"), ("CLIENT", "NOSUCH"), ("MULTI",), ("CONFIG", "GET", "nothing"), ("UNSUBSCRIBE", "a", "a", "c"),
        ("SUBSCRIBE", "", "a\r\nb", "a", "a"), ("PUNSUBSCRIBE", "*"), ("SUNSUBSCRIBE", "s"), ("SUBSCRIBE",),
        ("SUNSUBSCRIBE",), ("SUBSCRIBE", "__redis__:invalidate", "z"), ("UNSUBSCRIBE", "__redis__:invalidate", "z"),
        ("subscribe", "__keyspace@0__:k", "__keyevent@0__:set"), ("RESET",), ("GET", "k"), ("UNSUBSCRIBE",),
        ("SUBSCRIBE", "q"), ("UNSUBSCRIBE",), ("GET", "k"), ("SUBSCRIBE", "q"), ("QUIT",),
    ]
    # What is not answered alike: the id, and what a subscriber of RESP2 may not do.
    RESP3_CONVERSATION = [command for command in CONVERSATION[:CONVERSATION.index(("RESET",))]
                          if command not in (("CLIENT", "ID"), ("MULTI",))] + [("QUIT",)]

    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis(**NOTIFY)
        self.private = self.folder.redis("private", **NOTIFY)
        self.weir = self.folder.weir(self.redis, workers=2)

    @staticmethod
    def replies_to(command):
        """How many replies a step has: one for each name where it is about names."""
        word = command[0].upper()
        return max(1, len(command) - 1) if word.endswith("SUBSCRIBE") else 1

    def test_a_conversation_with_a_subscriber(self):
        for protocol in (2, 3):
            with self.weir.client("a", protocol) as ours, self.private.client(protocol) as theirs:
                for command in self.CONVERSATION if protocol == 2 else self.RESP3_CONVERSATION:
                    replies = []
                    for client in (ours, theirs):
                        client.send(*command)
                        replies.append([client.read_raw() for _ in range(self.replies_to(command))])
                    self.assertEqual(*replies, f"RESP{protocol}: {command}")
                self.assertEqual(ours.read_until_closed(), b"")

    def test_leaving_everything_names_everything(self):
        for protocol in (2, 3):
            with self.weir.client("a", protocol) as ours, self.private.client(protocol) as theirs:
                heard = []
                for client in (ours, theirs):
                    subscribe(client, "SUBSCRIBE", *range(20))
                    subscribe(client, "PSUBSCRIBE", *range(10))
                    client.send("UNSUBSCRIBE")
                    left = [client.read() for _ in range(20)]
                    heard.append((sorted(name for _, name, _ in left), [count for _, _, count in left]))
                self.assertEqual(*heard)

    def test_switching_to_resp2_confines_a_subscriber(self):
        with self.weir.client("a", 3) as client:
            subscribe(client, "SUBSCRIBE", "x")
            self.assertEqual(client.call("SET", "k", "v"), b"OK")
            client.call("HELLO", 2)
            self.assertIsInstance(client.call("GET", "k"), resp.Error)
            self.assertRegex(client.call("HELLO", 3), rb"^ERR Can't execute 'hello': only \(P\|S\)SUBSCRIBE")
            client.send_raw(resp.encode("SET", "k", b"x" * 300_000))
            self.assertIsInstance(client.read(), resp.Error)
            with self.weir.client() as other:
                self.assertEqual(other.call("GET", "k"), b"v")

    def activity(self, client):
        """What one tenant does; with notifications on."""
        return client.pipeline([
            ("SET", "k", "1"), ("SET", "a__:k", "1"), ("LPUSH", "list", "x"), ("DEL", "k"), ("PUBLISH", "news", "one"),
            ("PUBLISH", "__keyspace@0__:made", "up"), ("PUBLISH", "__keyevent@0__:made", "up"), ("PUBLISH", "", "empty"),
            ("PUBLISH", "__keyspace@odd", "odd"), ("SPUBLISH", "news", "shard"), ("SELECT", 3), ("SET", "in3", "1"),
            ("SELECT", 0), ("PUBLISH", b"bin\r\n\x00ary", b"\r\n\x00"), ("RENAME", "a__:k", "k"), ("EXPIRE", "k", 0)])

    PATTERNS = ["*", "?*", "__key*__:*", "__keyspace@0__:*", "__keyspace@*__:k", "__keyspace@[0-3]__:*", "__keyevent@*__:*",
                "__keyevent@0__:[ds]*", "n?ws", "__keyspace@*", "\\_*", "[_]*:k", "b*\x00*", "*__:k", "", "__keyevent@0__:made"]
    CHANNELS = ["news", "__keyspace@0__:k", "__keyspace@3__:in3", "__keyevent@0__:set", "__keyevent@0__:made", "",
                "__keyspace@odd", "__redis__:invalidate", b"bin\r\n\x00ary"]

    def test_notifications_and_messages_are_those_of_a_private_redis(self):
        for protocol in (2, 3):
            heard = []
            for client, publisher in ((self.weir.client("a", protocol), self.weir.client("a")),
                                      (self.private.client(protocol), self.private.client())):
                with client, publisher, self.weir.client("b") as foreign:
                    subscribe(client, "PSUBSCRIBE", *self.PATTERNS)
                    subscribe(client, "SUBSCRIBE", *self.CHANNELS)
                    subscribe(client, "SSUBSCRIBE", "news")
                    self.activity(foreign)
                    replies = self.activity(publisher)
                    self.activity(foreign)
                    publisher.call("PUBLISH", "news", "end")
                    messages = sorted(messages_until(client, b"end"))
                    heard.append((replies, messages))
            self.assertGreater(len(heard[1][1]), 60)
            self.assertEqual(heard[0][1], heard[1][1], f"RESP{protocol}")
            self.assertEqual(heard[0][0], heard[1][0], f"RESP{protocol}")

    def test_random_patterns_match_as_the_servers_do(self):
        rng = random.Random(3)
        alphabet = ["a", "b", "_", "__key", "*", "**", "?", "[", "]", "^", "-", "\\", "[ab]", "[^a]", "[a-b]", "\xff"]

        def text(longest):
            return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, longest))).encode("latin-1")

        patterns = {text(6) for _ in range(400)} | {b"*" + text(5) for _ in range(200)}
        with self.weir.client() as ours, self.private.client() as theirs:
            for client in (ours, theirs):
                for pattern in sorted(patterns):
                    subscribe(client, "PSUBSCRIBE", pattern)
                subscribe(client, "SUBSCRIBE", "end of it")
            with self.weir.client() as our_publisher, self.private.client() as their_publisher:
                channels = [text(5) for _ in range(500)]
                counts, heard = [], []
                for publisher, client in ((our_publisher, ours), (their_publisher, theirs)):
                    counts.append(publisher.pipeline([("PUBLISH", channel, "x") for channel in channels]))
                    publisher.call("PUBLISH", "end of it", "end")
                    heard.append(sorted(messages_until(client, b"end")))
                self.assertGreater(len(heard[1]), 2000)
                self.assertEqual(heard[0], heard[1])
                self.assertEqual(counts[0], counts[1])

    def test_nothing_of_another_tenant_is_seen_or_counted(self):
        with self.weir.client("b") as spy, self.weir.client("b") as asker, self.weir.client("a") as other:
            subscribe(spy, "PSUBSCRIBE", *self.PATTERNS, "tenant:a:*", "*tenant*", "__keyspace@*__:tenant:a:*")
            subscribe(spy, "SUBSCRIBE", "canary", "tenant:a:canary", "__keyspace@0__:tenant:a:canary")
            counts = other.pipeline([("PUBLISH", "canary", "vcanary"), ("SPUBLISH", "canary", "vcanary"),
                                     ("PUBLISH", "__keyevent@0__:set", "vcanary"),
                                     ("PUBLISH", "__keyspace@0__:canary", "vcanary")])
            self.assertEqual(counts, [0, 0, 0, 0])
            other.pipeline([("SET", "canary", "x"), ("SET", "x__:tenant:b:canary", "x"), ("DEL", "canary")])
            with self.weir.client("a") as third:
                subscribe(third, "SUBSCRIBE", "canary", "__keyevent@0__:set", "__keyspace@0__:canary")
                self.assertEqual(asker.pipeline([("PUBSUB", "CHANNELS", "*third*"), ("PUBSUB", "NUMSUB", "__keyevent@0__:set"),
                                                 ("PUBLISH", "__keyevent@0__:set", "own")]),
                                 [[], [b"__keyevent@0__:set", 0], len([p for p in self.PATTERNS if p in (
                                     "*", "?*", "__key*__:*", "__keyevent@*__:*", "__keyevent@0__:[ds]*", "\\_*")])])
                self.assertEqual(other.call("PUBSUB", "NUMPAT"), 0)
                self.assertEqual(sorted(asker.call("PUBSUB", "CHANNELS")),
                                 [b"__keyspace@0__:tenant:a:canary", b"canary", b"tenant:a:canary"])
            asker.call("PUBLISH", "canary", "end")
            for message in messages_until(spy, b"end"):
                self.assertEqual(message[-1], b"own")


class Counts(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis(**NOTIFY)
        self.weir = self.folder.weir(self.redis, workers=2, admin={"bind": "127.0.0.1:0"})
        self.clients = []
        self.addCleanup(lambda: [client.close() for client in self.clients])

    def subscribers(self, count, command, *names, tenant="a"):
        made = [self.weir.client(tenant, 2 + i % 2) for i in range(count)]
        for client in made:
            subscribe(client, command, *names)
        self.clients += made
        return made

    def test_publish_and_numsub_count_the_tenants_subscribers(self):
        self.subscribers(5, "SUBSCRIBE", "news", "more")
        self.subscribers(3, "PSUBSCRIBE", "n*", "*")
        self.subscribers(2, "SSUBSCRIBE", "news")
        self.subscribers(4, "SUBSCRIBE", "news", "__keyspace@0__:k", tenant="b")
        self.subscribers(2, "SUBSCRIBE", "__keyspace@0__:k", "__keyevent@0__:set")
        with self.weir.client() as client, self.weir.client("b") as foreign:
            questions = [("PUBLISH", "news", "x"), ("PUBLISH", "nil", "x"), ("PUBLISH", "x", "x"), ("SPUBLISH", "news", "x"),
                         ("PUBLISH", "__keyspace@0__:k", "x"), ("PUBLISH", "__keyevent@0__:set", "x"),
                         ("PUBLISH", "__redis__:invalidate", "x"),
                         ("PUBSUB", "NUMSUB", "news", "none", "more", "__keyspace@0__:k", "__keyevent@0__:set"),
                         ("PUBSUB", "SHARDNUMSUB", "news", "more"), ("PUBSUB", "NUMPAT"), ("PUBSUB", "NUMSUB"),
                         ("PUBSUB", "SHARDCHANNELS")]
            answers = [5 + 3 + 3, 6, 3, 2, 2 + 3, 2 + 3, 3,
                       [b"news", 5, b"none", 0, b"more", 5, b"__keyspace@0__:k", 2, b"__keyevent@0__:set", 2],
                       [b"news", 2, b"more", 0], 2, [], [b"news"]]
            self.assertEqual(client.pipeline(questions), answers)
            client.call("MULTI")
            client.pipeline(questions)
            self.assertEqual(client.call("EXEC"), answers)
            self.assertEqual(sorted(client.call("PUBSUB", "CHANNELS")),
                             [b"__keyevent@0__:set", b"__keyspace@0__:k", b"more", b"news"])
            self.assertEqual(client.call("PUBSUB", "CHANNELS", "m*"), [b"more"])
            self.assertEqual(foreign.pipeline(questions)[:4], [4, 0, 0, 0])
            self.assertIsInstance(client.call("PUBSUB", "CHANNELS", "a", "b"), resp.Error)
            self.assertEqual(client.call("MULTI"), b"OK")
            self.assertIsInstance(client.call("SUBSCRIBE", "x"), resp.Error)
            self.assertRegex(client.call("EXEC"), b"^EXECABORT")

    def test_counts_are_right_as_soon_as_a_subscriber_is_told(self):
        with self.weir.client() as publisher:
            for turn in range(50):
                client = self.weir.client("a", 2 + turn % 2)
                subscribe(client, "SUBSCRIBE", "c")
                subscribe(client, "PSUBSCRIBE", "*")
                self.assertEqual(publisher.call("PUBLISH", "c", "x"), 2, turn)
                self.assertEqual([client.read()[-1], client.read()[-1]], [b"x", b"x"])
                if turn % 3 == 0:
                    subscribe(client, "UNSUBSCRIBE", "c")
                    subscribe(client, "PUNSUBSCRIBE", "*")
                elif turn % 3 == 1:
                    client.close()
                    servers.wait_until(lambda: publisher.call("PUBLISH", "c", "x") == 0, what="the end of a subscription")
                else:
                    client.send("RESET")
                    servers.wait_until(lambda: publisher.call("PUBLISH", "c", "x") == 0, what="the end of a subscription")
                self.assertEqual(publisher.pipeline([("PUBLISH", "c", "x"), ("PUBSUB", "NUMSUB", "c")]), [0, [b"c", 0]])
                client.close()

    def test_thousands_of_subscribers_share_one_upstream_subscription_each_worker(self):
        count = 2000
        clients = self.subscribers(count, "SUBSCRIBE", "news")
        self.assertLessEqual(len(pubsub_connections(self.redis)), 2)
        with self.weir.client() as publisher:
            self.assertEqual(publisher.pipeline([("PUBLISH", "news", "one"), ("PUBSUB", "NUMSUB", "news")]),
                             [count, [b"news", count]])
            self.assertEqual({tuple(client.read()) for client in clients}, {(b"message", b"news", b"one")})
            self.settles("weir_subscribers", count)
            self.settles("weir_messages_delivered_total", count)
            self.assertLessEqual(metric(self.weir, "weir_upstream_subscriptions"), 2)
            for client in clients:
                client.close()
            servers.wait_until(lambda: publisher.call("PUBLISH", "news", "x") == 0, what="the end of all subscriptions")
            servers.wait_until(lambda: not pubsub_connections(self.redis), what="the end of the upstream's")
        self.settles("weir_subscribers", 0)
        self.settles("weir_upstream_subscriptions", 0)

    def settles(self, name, wanted):
        """A worker counts at the end of its turn."""
        servers.wait_until(lambda: metric(self.weir, name) == wanted, what=f"{name} {wanted}")

    def test_another_weir_on_the_same_server_reaches_the_subscribers(self):
        other = self.folder.weir(self.redis, workers=1)
        client, = self.subscribers(1, "SUBSCRIBE", "news")
        with other.client() as publisher, other.client("b") as foreign, other.client() as listener:
            self.assertEqual(publisher.call("PUBLISH", "news", "x"), 1)
            self.assertEqual(client.read(), [b"message", b"news", b"x"])
            self.assertEqual(foreign.call("PUBLISH", "news", "x"), 0)
            subscribe(listener, "SUBSCRIBE", "news")
            self.assertEqual(publisher.call("PUBSUB", "NUMSUB", "news"), [b"news", 2])

    def test_a_script_publishes_to_the_tenants_channels(self):
        client, = self.subscribers(1, "SUBSCRIBE", "news")
        with self.redis.client() as direct:
            self.assertEqual(direct.call("PUBLISH", "tenant:a:news", "direct"), 1)
        self.assertEqual(client.read(), [b"message", b"news", b"direct"])


class Flow(servers.ServerTest):
    """What comes when, and to clients that are slow or in a hurry."""

    LIMITS = {"subscriber_max_unsent": "2MiB", "subscriber_soft_unsent": "2MiB"}

    def start(self, **clients):
        self.redis = self.folder.redis(**NOTIFY)
        return self.folder.weir(self.redis, workers=2, clients=clients, admin={"bind": "127.0.0.1:0"})

    def test_a_pipeline_of_a_resp3_subscriber_is_answered_in_order(self):
        weir = self.start()
        with weir.client("a", 3) as client:
            client.send_raw(b"".join(resp.encode(*command) for command in [
                ("SET", "k", 1), ("SUBSCRIBE", "x", "y"), ("INCR", "k"), ("PSUBSCRIBE", "z*"), ("GET", "k"),
                ("UNSUBSCRIBE", "x"), ("PING",), ("UNSUBSCRIBE",), ("ECHO", "end")]))
            self.assertEqual([client.read() for _ in range(10)], [
                b"OK", [b"subscribe", b"x", 1], [b"subscribe", b"y", 2], 2, [b"psubscribe", b"z*", 3], b"2",
                [b"unsubscribe", b"x", 2], b"PONG", [b"unsubscribe", b"y", 1], b"end"])

    def test_a_client_gets_nothing_from_before_it_subscribed(self):
        weir = self.start()
        with weir.client() as first, weir.client() as publisher:
            subscribe(first, "SUBSCRIBE", "x")
            for turn in range(200):
                with weir.client("a", 2 + turn % 2) as client:
                    publisher.call("PUBLISH", "x", b"before-%d" % turn)
                    client.send("SUBSCRIBE", "x")
                    self.assertEqual(client.read()[0], b"subscribe")
                    publisher.call("PUBLISH", "x", b"after-%d" % turn)
                    self.assertEqual(client.read()[2], b"after-%d" % turn)

    def test_no_message_stands_in_the_middle_of_a_reply(self):
        weir = self.start()
        value = random.Random(1).randbytes(8 * MIB)
        with weir.client("a", 3) as client, weir.client() as publisher:
            publisher.call("SET", "big", value)
            publisher.call("RPUSH", "list", *range(50_000))
            subscribe(client, "SUBSCRIBE", "x")
            thread = publisher.send_in_background([resp.encode("PUBLISH", "x", b"m" * 500)] * 3000)
            replies, messages = [], 0
            client.send_raw((resp.encode("GET", "big") + resp.encode("LRANGE", "list", 0, -1)) * 4)
            while len(replies) < 8 or messages < 3000:
                got = client.read()
                if isinstance(got, resp.Push):
                    self.assertEqual(got, [b"message", b"x", b"m" * 500])
                    messages += 1
                else:
                    replies.append(got)
            thread.join(30)
            self.assertTrue(all(reply == value for reply in replies[::2]))
            self.assertTrue(all(len(reply) == 50_000 for reply in replies[1::2]))

    def test_messages_of_any_size_and_bytes_arrive_whole(self):
        weir = self.start()
        with weir.client("a") as old, weir.client("a", 3) as new, weir.client() as publisher:
            for client in (old, new):
                subscribe(client, "SUBSCRIBE", b"\r\n\x00*")
            rng = random.Random(5)
            for size in (0, 1, 100, 65_535, 262_144, 5 * MIB):
                payload = rng.randbytes(size)
                self.assertEqual(publisher.call("PUBLISH", b"\r\n\x00*", payload), 2)
                for client in (old, new):
                    self.assertEqual(client.read(), [b"message", b"\r\n\x00*", payload])

    def stalled(self, weir, protocol=2):
        """A subscriber that does not read."""
        client = weir.client("a", protocol)
        self.addCleanup(client.close)
        subscribe(client, "SUBSCRIBE", "x")
        return client

    def test_a_subscriber_that_does_not_read_is_cut_off_and_slows_nobody(self):
        weir = self.start(**self.LIMITS)
        for protocol in (2, 3):
            stalled = self.stalled(weir, protocol)
            with weir.client("a", protocol) as reader, weir.client() as publisher:
                subscribe(reader, "SUBSCRIBE", "x")
                sent = 0
                while publisher.call("PUBLISH", "x", b"%08d" % sent + b"m" * 50_000) == 2:
                    self.assertEqual(reader.read()[2][:8], b"%08d" % sent)
                    sent += 1
                    self.assertLess(sent, 2000, "it was never cut off")
                self.assertGreater(sent, 2 * MIB // 50_008 - 1, "it was cut off too early")
                reader.read()
                # The other worker may still be telling the server that nobody listens there.
                servers.wait_until(lambda: publisher.call("PUBLISH", "x", "x") == 1, what="the end of its subscription")
            weir.wait_for("subscriber cut off")
            stalled.read_until_closed()
        servers.wait_until(lambda: metric(weir, "weir_subscriber_disconnects_total") == 2, what="their count")

    def test_a_subscriber_that_stays_behind_for_too_long_is_cut_off(self):
        weir = self.start(subscriber_max_unsent="1GiB", subscriber_soft_unsent="1MiB", subscriber_soft_time="300ms")
        stalled = self.stalled(weir)
        with weir.client() as publisher:
            for _ in range(600):  # the kernel holds some megabytes too
                publisher.call("PUBLISH", "x", b"m" * 50_000)
            servers.wait_until(lambda: publisher.call("PUBLISH", "x", "x") == 0, what="the cut off")
        stalled.read_until_closed()
        servers.wait_until(lambda: metric(weir, "weir_subscriber_disconnects_total") == 1, what="its count")

    def test_replies_are_off_but_messages_come(self):
        weir = self.start()
        with weir.client("a", 3) as client, weir.client() as publisher:
            client.send("CLIENT", "REPLY", "OFF")
            client.send("SUBSCRIBE", "x")
            self.assertEqual(client.read(), [b"subscribe", b"x", 1])
            client.send("GET", "k")
            publisher.call("PUBLISH", "x", "m")
            self.assertEqual(client.read(), [b"message", b"x", b"m"])

    def test_a_subscriber_is_never_idle(self):
        weir = self.start(idle_timeout="1s")
        with weir.client() as client, weir.client() as idle:
            subscribe(client, "SUBSCRIBE", "x")
            self.assertEqual(idle.read_until_closed(), b"")
            with weir.client() as publisher:
                self.assertEqual(publisher.call("PUBLISH", "x", "m"), 1)
            self.assertEqual(client.read(), [b"message", b"x", b"m"])


class Upstream(servers.ServerTest):
    def setUp(self):
        super().setUp()
        self.redis = self.folder.redis()

    def resubscribe(self, weir, protocol=2):
        """As a client library does: until it works."""
        def attempt():
            client = weir.client("a", protocol)
            client.send("SUBSCRIBE", "x")
            reply = client.read()
            if not isinstance(reply, resp.Error):
                return client
            self.assertRegex(reply, b"^UPSTREAM ")
            client.close()
            return None
        return servers.wait_until(attempt, what="a new subscription")

    def test_subscribers_are_closed_when_the_upstream_dies_and_can_come_again(self):
        weir = self.folder.weir(self.redis, workers=2)
        for _ in range(3):
            clients = [self.resubscribe(weir, 2 + i % 2) for i in range(6)]
            with weir.client() as ordinary:
                ordinary.call("SET", "k", "v")
                self.redis.kill()
                for client in clients:
                    self.assertEqual(client.read_until_closed(), b"")
                    client.close()
                self.assertIsInstance(ordinary.call("GET", "k"), resp.Error)
                self.redis = self.folder.redis()
                again = self.resubscribe(weir)
                servers.wait_until(lambda: ordinary.call("PUBLISH", "x", "m") == 1, what="the upstream")
                self.assertEqual(again.read(), [b"message", b"x", b"m"])
                again.close()

    def test_the_server_ending_subscribers_connections_ends_the_clients_alone(self):
        weir = self.folder.weir(self.redis, workers=2)
        clients = [self.resubscribe(weir) for _ in range(4)]
        with weir.client() as ordinary, self.redis.client() as direct:
            ordinary.call("SET", "k", "v")
            direct.call("CLIENT", "KILL", "TYPE", "pubsub")
            for client in clients:
                self.assertEqual(client.read_until_closed(), b"")
                client.close()
            self.assertEqual(ordinary.call("GET", "k"), b"v")
            self.resubscribe(weir).close()

    def test_one_tenants_flood_that_the_server_cuts_off_is_not_the_others(self):
        with self.redis.client() as direct:
            direct.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
        weir = self.folder.weir(self.redis, workers=1)
        with weir.client("a") as flooded, weir.client("b") as other, weir.client("a") as publisher:
            subscribe(flooded, "PSUBSCRIBE", *["x" + "*" * stars for stars in range(1, 11)])
            subscribe(other, "SUBSCRIBE", "x")
            publisher.call("PUBLISH", "x", b"m" * MIB)
            flooded.read_until_closed()
            with weir.client("b") as other_publisher:
                self.assertEqual(other_publisher.call("PUBLISH", "x", "m"), 1)
            self.assertEqual(other.read(), [b"message", b"x", b"m"])

    def test_a_server_that_says_nothing_is_given_up(self):
        weir = self.folder.weir(self.redis, workers=1, upstream={"command_timeout": "300ms"})
        subscribed = self.resubscribe(weir)
        with weir.client() as late, subscribed:
            late.call("PING")
            self.redis.signal(signal.SIGSTOP)
            late.send("SUBSCRIBE", "x")
            self.assertRegex(late.read(), b"^UPSTREAM timeout")
            self.assertEqual(subscribed.read_until_closed(), b"")
            self.assertEqual(late.call("PING"), b"PONG")
            self.redis.signal(signal.SIGCONT)
            self.resubscribe(weir).close()

    def test_a_silent_server_is_missed_although_nobody_asks(self):
        weir = self.folder.weir(self.redis, workers=1, upstream={"command_timeout": "200ms"})
        with self.resubscribe(weir) as client:
            self.redis.signal(signal.SIGSTOP)
            self.assertEqual(client.read_until_closed(), b"")
            self.redis.signal(signal.SIGCONT)

    def test_without_an_upstream_a_subscriber_hears_why(self):
        weir = self.folder.weir(self.redis)
        self.redis.kill()
        with weir.client() as client:
            self.assertRegex(client.call("SUBSCRIBE", "x", "y"), b"^UPSTREAM ")
            self.assertEqual(client.call("PING"), b"PONG")
            self.assertEqual(client.call("UNSUBSCRIBE"), [b"unsubscribe", None, 0])

    def test_a_pool_without_connections_refuses(self):
        weir = self.folder.weir(self.redis, workers=1, upstream={"pool": {"max": 1, "acquire_timeout": "200ms"}})
        with weir.client() as first, weir.client() as second, weir.client("b") as third:
            first.send("BLPOP", "nothing", 0)
            servers.wait_until(lambda: b"cmd=blpop" in self._clients(), what="the blocked client")
            self.assertRegex(second.call("SUBSCRIBE", "x"), b"^UPSTREAM busy")
            third.call("RPUSH", "nothing", "x")
            second.call("RPUSH", "nothing", "x")
            self.assertEqual(first.read(), [b"nothing", b"x"])
            subscribe(second, "SUBSCRIBE", "x")

    def _clients(self):
        with self.redis.client() as direct:
            return direct.call("CLIENT", "LIST")

    def test_channels_that_weirs_user_may_not_use_are_refused_in_the_servers_words(self):
        with self.redis.client() as direct:
            direct.call("ACL", "SETUSER", "default", "resetchannels", "&tenant:a:*")
            direct.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
        weir = self.folder.weir(self.redis, workers=1)
        with weir.client() as client, weir.client("b") as foreign, weir.client() as publisher:
            subscribe(client, "SUBSCRIBE", "x")
            self.assertRegex(foreign.call("SUBSCRIBE", "x"), b"^NOPERM ")
            self.assertRegex(client.call("PSUBSCRIBE", "news.*"), b"^NOPERM ")
            self.assertEqual(subscribe(client, "PSUBSCRIBE", "*"), [[b"psubscribe", b"*", 2]])
            publisher.call("SET", "k", "v")
            publisher.call("PUBLISH", "x", "m")
            self.assertEqual([client.read()[0], client.read()[0]], [b"message", b"pmessage"])
            self.assertEqual(foreign.call("PING"), b"PONG")

    def test_clients_that_go_at_any_moment_leave_nothing_behind(self):
        weir = self.folder.weir(self.redis, workers=2)
        with weir.client() as publisher:
            for turn in range(60):
                client = weir.client("a", 2 + turn % 2)
                client.send_raw(resp.encode("SUBSCRIBE", *range(10)) + resp.encode("PSUBSCRIBE", "*"))
                if turn % 2:
                    client.read()
                client.close()
            servers.wait_until(lambda: publisher.call("PUBLISH", "3", "x") == 0, what="the end of all subscriptions")
            servers.wait_until(lambda: not pubsub_connections(self.redis), what="the end of the upstream's")
            self.assertEqual(publisher.pipeline([("PUBSUB", "CHANNELS"), ("PUBSUB", "NUMPAT")]), [[], 0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
