"""Channels are the tenant's own: messages, counts, confirmations and keyspace events are those of a private Redis.

Each scenario runs against a private Redis first and then through weir (support/sides.py).
"""
import unittest

import resp
import servers
import sides

ODD_CHANNELS = [b"", b"\r\n\x00", b"tenant:a:c", b"tenant:b:c", b"c with space", b"c" * 5000, b"[c]*?\\",
                b"__keyspace",
                b"__redis__:other", b"STREAMS"]


def counted(client, channel, count):
    """Waits until so many are subscribed: for ends of connections, which nobody announces."""
    servers.wait_until(lambda: client.ask("PUBSUB", "NUMSUB", channel)[1] == count, what=f"{count} subscribers")


class SubscribeTest(sides.SidesTest):
    def test_confirmations_name_channel_and_count(self):
        """Arrays in RESP2, pushes in RESP3; counts go over channels and patterns together, shard channels apart."""
        def scenario(side):
            client = side.client()
            client.told("SUBSCRIBE", "c1", "c2", "c1", count=3)
            client.told("PSUBSCRIBE", "p*", "c?", "p*", count=3)
            client.told("SUBSCRIBE", "c3")
            client.told("SSUBSCRIBE", "s1", "s2", "c1", count=3)
            client.told("UNSUBSCRIBE", "c1", "nosuch", "c1", count=3)
            client.told("PUNSUBSCRIBE", "c?", "nosuch", "c3", count=3)
            client.told("SUNSUBSCRIBE", "s1", "nosuch", count=2)
            client.told("UNSUBSCRIBE", "c2", count=1)
            client.told("UNSUBSCRIBE", count=1)
            client.told("PUNSUBSCRIBE", count=1)
            if not sides.VALKEY:  # -NOSUB there
                client.told("UNSUBSCRIBE")
                client.told("PUNSUBSCRIBE")
            client.told("SUNSUBSCRIBE", "s2", "c1", count=2)
            if not sides.VALKEY:
                client.told("SUNSUBSCRIBE")
            client.call("SET", "k", "1")
        self.same(scenario)

    def test_unsubscribe_without_arguments_lists_all_by_their_own_names(self):
        """In no order; and with none subscribed a null name."""
        def scenario(side):
            for kind in ("", "P", "S"):
                client = side.client()
                for name in ("c1", "c2", "c3"):
                    client.ask_message(kind + "SUBSCRIBE", name)
                client.send(kind + "UNSUBSCRIBE")
                got = [client.quiet_message() for _ in range(3)]
                side.note(sorted(name for _, name, _ in got))
                side.note([count for _, _, count in got])
                if not sides.VALKEY:
                    client.told(kind + "UNSUBSCRIBE")
                client.call("GET", "missing")
        self.same(scenario)

    def test_subscribing_without_arguments_is_an_error(self):
        self.script([("SUBSCRIBE",), ("PSUBSCRIBE",), ("SSUBSCRIBE",), ("PUBLISH", "c"), ("PUBLISH",),
                     ("SPUBLISH", "c"),
                     ("PUBSUB",), ("PUBSUB", "NOSUCH"), ("PUBSUB", "CHANNELS", "a", "b"), ("PUBSUB", "NUMPAT", "x"),
                     ("GET", "missing")])

    def test_messages_reach_channels_and_patterns_both(self):
        """Once for the channel and once for each pattern that matches."""
        def scenario(side):
            client, other = side.client(), side.client()
            client.told("SUBSCRIBE", "news.it", "news.us", count=2)
            client.told("PSUBSCRIBE", "news.*", "*.it", "n[aeiou]ws*", "*", "[^n]*", "news\\.it", count=6)
            for channel in ("news.it", "news.us", "other", "tenant:a:news.it", "", "news.it"):
                client.unordered(other.call("PUBLISH", channel, "tenant:a:payload"))
            client.unordered(other.call("PUBLISH", "news.us", b"\r\n\x00" * 100))
        self.same(scenario)

    def test_resp2_subscribers_may_send_little_else(self):
        """(P|S)SUBSCRIBE, UNSUBSCRIBE, PING with an array reply, QUIT and RESET; Redis' text for all others."""
        def scenario(side):
            client = side.client(protocol=2)
            client.told("SUBSCRIBE", "c1")
            for command in (("GET", "k"), ("get", "k"), ("PING",), ("PING", "text"), ("PING", "a", "b"), ("MULTI",),
                            ("nosuch",),
                            ("GET",), ("PUBLISH", "c1", "x"), ("CLIENT", "ID"), ("HELLO",), ("HELLO", "3"),
                            ("SELECT", "1"),
                            ("ECHO", "x"), ("CONFIG", "GET", "save"), ("BLPOP", "k", "0"),
                            ("INFO",), ("FLUSHALL",), ("EVAL", "return 1", "0"), ("CLIENT", "NOSUCH"), ("UNWATCH",),
                            ("COMMAND", "COUNT"), ("DBSIZE",), ("SET", "k", b"x" * 100_000)):
                client.call(*command)
            client.told("PSUBSCRIBE", "p*")
            client.told("UNSUBSCRIBE", "c1")
            client.call("GET", "missing")
            client.told("PUNSUBSCRIBE", "p*")
            client.pipeline([("GET", "missing"), ("PING",), ("SET", "k1", "again")])
            client.told("SSUBSCRIBE", "s1")
            client.pipeline([("GET", "missing"), ("PING",)])
            client.call("RESET")
            client.pipeline([("GET", "missing"), ("PING",)])
            client.told("SUBSCRIBE", "c1")
            client.send_raw(resp.encode("QUIT") + resp.encode("UNSUBSCRIBE"))
            client.read_until_closed()
        self.same(scenario, protocols=(2,))

    def test_resp3_subscribers_may_send_anything(self):
        def scenario(side):
            client, other = side.client(protocol=3), side.client()
            client.told("SUBSCRIBE", "c1")
            client.told("PSUBSCRIBE", "p*")
            client.pipeline([("SET", "k", "1"), ("PING",), ("PING", "x"), ("MULTI",), ("INCR", "k"), ("EXEC",),
                             ("GET", "k"),
                             ("BLPOP", "missing", "0.01"), ("DBSIZE",), ("KEYS", "k"), ("SELECT", "1"), ("GET", "k"),
                             ("SELECT", "0"), ("SET", "k", b"x" * 200_000), ("STRLEN", "k"), ("WATCH", "k"),
                             ("UNWATCH",),
                             ("EVAL", "return #KEYS", "1", "k"), ("CONFIG",), ("nosuch",), ("HELLO", "x")])
            for i in range(20):
                other.call("PUBLISH", "c1", i)
                client.call("INCR", "n")
                client.message()
            client.send("BLPOP", "l9", "0")
            side.blocked()
            other.call("PUBLISH", "c1", "while blocked")
            client.message()
            other.call("RPUSH", "l9", "x")
            client.read()
        self.same(scenario, protocols=(3,))

    def test_publishing_to_oneself(self):
        """In RESP3 a client may be its own subscriber: the message and the count come, in whichever order."""
        def scenario(side):
            client = side.client(protocol=3)
            client.told("SUBSCRIBE", "c1")
            client.told("PSUBSCRIBE", "c*")
            client.told("SSUBSCRIBE", "c1")
            client.call("PUBLISH", "c1", "me")
            client.message()
            client.message()
            client.call("SPUBLISH", "c1", "shard")
            client.message()
        self.same(scenario, protocols=(3,))

    def test_pipelines_that_go_in_and_out_of_subscriber_mode(self):
        def scenario(side):
            client = side.client(protocol=2)
            commands = []
            for i in range(50):
                commands += [("SET", "k", i), ("SUBSCRIBE", "c1"), ("GET", "k"), ("PING", i), ("UNSUBSCRIBE", "c1"),
                             ("GET", "k"),
                             ("PSUBSCRIBE", "c*"), ("SSUBSCRIBE", "s"), ("PUNSUBSCRIBE", "c*"), ("GET", "k"),
                             ("SUNSUBSCRIBE", "s"), ("INCR", "n")]
            client.pipeline(commands)
        self.same(scenario, protocols=(2,))

    def test_reset_and_switch_of_protocol_while_subscribed(self):
        def scenario(side):
            client, other = side.client(protocol=3), side.client()
            client.told("SUBSCRIBE", "c1")
            client.call("RESET")
            client.protocol = 2
            counted(other, "c1", 0)
            other.call("PUBLISH", "c1", "nobody")
            client.call("GET", "missing")
            self.assertNotIsInstance(client.ask("HELLO", 3), resp.Error)
            client.protocol = 3
            client.told("SUBSCRIBE", "c2")
            self.assertNotIsInstance(client.ask("HELLO", 2), resp.Error)
            client.protocol = 2
            client.call("PING")
            client.call("GET", "missing")
            other.call("PUBLISH", "c2", "as an array")
            client.message()
        self.same(scenario, protocols=(3,))

    def test_any_bytes_are_a_channel(self):
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            for channel in ODD_CHANNELS:
                client.told("SUBSCRIBE", channel)
                foreign.call("PUBLISH", channel, "foreign")
                other.call("PUBLISH", channel, channel)
                client.message()
                other.call("PUBSUB", "NUMSUB", channel)
                client.told("UNSUBSCRIBE", channel)
                client.told("SSUBSCRIBE", channel)
                other.call("SPUBLISH", channel, channel)
                client.message()
                client.told("SUNSUBSCRIBE", channel)
        self.same(scenario)

    def test_large_messages_and_many_of_them_in_order(self):
        def scenario(side):
            readers, writer = [side.client(protocol=2 + i % 2) for i in range(4)], side.client()
            for reader in readers:
                reader.told("SUBSCRIBE", "c1")
            writer.call("PUBLISH", "c1", b"x" * 3_000_000)
            sender = writer.send_in_background([b"".join(resp.encode("PUBLISH", "c1", f"{i}" + "y" * (i % 700))
                                                         for i in range(3000))])
            for _ in range(3000):
                writer.read()
            for reader in readers:
                for _ in range(3001):
                    reader.message()
            sender.join()
        self.same(scenario, protocols=(2,))


class CountTest(sides.SidesTest):
    def test_several_subscribers_of_one_channel_are_each_counted(self):
        """PUBLISH, NUMSUB, NUMPAT and CHANNELS are exact, on whichever of weir's threads and protocols they are."""
        def scenario(side):
            clients, other = [], side.client()
            for i in range(10):
                clients.append(side.client(protocol=2 + i % 2))
                clients[-1].told("SUBSCRIBE", "c1")
                other.call("PUBSUB", "NUMSUB", "c1", "c2")
                other.call("PUBLISH", "c1", i)
                for client in clients:
                    client.message()
            for client in clients[:5]:
                client.told("PSUBSCRIBE", "c*", "d*", count=2)
                client.told("SSUBSCRIBE", "c1")
                other.call("PUBSUB", "NUMPAT")
            other.pipeline([("PUBLISH", "c1", "x"), ("PUBLISH", "d", "x"), ("PUBLISH", "e", "x"),
                            ("SPUBLISH", "c1", "x"),
                            ("PUBSUB", "NUMSUB", "c1", "tenant:a:c1", "", "c1"), ("PUBSUB", "NUMSUB"),
                            ("PUBSUB", "NUMPAT"),
                            ("PUBSUB", "CHANNELS"), ("PUBSUB", "CHANNELS", "c*"), ("PUBSUB", "CHANNELS", "tenant:*"),
                            ("PUBSUB", "SHARDCHANNELS"), ("PUBSUB", "SHARDNUMSUB", "c1", "c2"),
                            ("PUBSUB", "SHARDCHANNELS", "x*")])
            for i, client in enumerate(clients):
                for _ in range(4 if i < 5 else 1):
                    client.message()
            for i, client in enumerate(clients[5:]):
                for _ in range(i):
                    client.message()
                client.told("UNSUBSCRIBE", "c1")
                other.call("PUBLISH", "c1", "y")
            for i, client in enumerate(clients[:2]):
                for _ in range(10 + i * 3):
                    client.message()
                client.told("PUNSUBSCRIBE", "d*")
                other.pipeline([("PUBSUB", "NUMPAT"), ("PUBLISH", "d", "z"), ("MULTI",), ("PUBLISH", "c1", "z"),
                                ("EXEC",)])
        self.same(scenario)

    def test_channels_lists_all_own_names(self):
        """But for an empty one, which Redis' own globs overlook."""
        def scenario(side):
            client, other = side.client(), side.client()
            names = [b"c%d" % i for i in range(30)] + ODD_CHANNELS[1:]
            client.told("SUBSCRIBE", *names, count=len(names))
            for pattern in ((), ("*",), ("c1*",), ("[c]?",), ("tenant:*",), ("\\*",), ("",)):
                side.note(sorted(other.ask("PUBSUB", "CHANNELS", *pattern)))
            side.note(sorted(other.ask("PUBSUB", "SHARDCHANNELS")))
        self.same(scenario)

    def test_other_tenants_are_neither_seen_nor_counted(self):
        """Same names on both sides of the wall; PSUBSCRIBE * hears its own channels only."""
        def scenario(side):
            own, foreign, publisher, stranger = side.client(), side.client("b"), side.client(), side.client("b")
            for client in (own, foreign):
                client.told("SUBSCRIBE", "c1", "tenant:b:c1", count=2)
                client.told("PSUBSCRIBE", "*", "tenant:*", "tenant:?:c1", count=3)
                client.told("SSUBSCRIBE", "c1")
            foreign.told("SUBSCRIBE", "only-b")
            publisher.pipeline([("PUBSUB", "CHANNELS", "only*"), ("PUBSUB", "NUMSUB", "c1", "only-b"),
                                ("PUBSUB", "NUMPAT"),
                                ("PUBSUB", "SHARDCHANNELS"), ("PUBLISH", "only-b", "x")])
            own.message()
            for channel in ("c1", "tenant:b:c1", "tenant:a:c1", "only-b"):
                stranger.call("PUBLISH", channel, "from b")
                own.unordered(publisher.call("PUBLISH", channel, "from a"))
            foreign.unordered(2 + 4 + 2 + 2)
            stranger.call("SPUBLISH", "c1", "from b")
            publisher.call("SPUBLISH", "c1", "from a")
            own.message()
            foreign.message()
        self.same(scenario)

    def test_subscription_ends_with_its_client(self):
        """However the client goes, counts show it soon, and the server's own view is without it."""
        def scenario(side):
            other, stays = side.client(), side.client()
            stays.told("SUBSCRIBE", "stays")
            for leave in (lambda client: client.close(), lambda client: client.half_close(),
                          lambda client: client.send("QUIT"), lambda client: client.ask("RESET")):
                for _ in range(5):
                    client = side.client()
                    client.told("SUBSCRIBE", "c1")
                    client.told("PSUBSCRIBE", "c*")
                    client.told("SSUBSCRIBE", "c1")
                    other.call("PUBSUB", "NUMSUB", "c1")
                    leave(client)
                    counted(other, "c1", 0)
                    servers.wait_until(lambda: other.ask("PUBSUB", "NUMPAT") == 0, what="no pattern")
                    servers.wait_until(lambda: not other.ask("PUBSUB", "SHARDCHANNELS"), what="no shard channel")
                    servers.wait_until(lambda: side.admin().call("PUBSUB", "NUMSUB", side.raw("c1"))[1] == 0)
                    servers.wait_until(lambda: side.admin().call("PUBSUB", "NUMPAT") == 0)
                    other.call("PUBLISH", "c1", "nobody")
            other.call("PUBLISH", "stays", "here")
            stays.message()
        self.same(scenario)

    def test_slow_subscriber_is_cut_off_and_others_go_on(self):
        """As client-output-buffer-limit pubsub: who does not read loses its connection, not everybody's memory or
        time."""
        def scenario(side):
            slow, quick, publisher = side.client(), side.client(), side.client()
            for client in (slow, quick):
                client.told("SUBSCRIBE", "c1")
            publisher.told("SUBSCRIBE", "only") if side.protocol == 3 else None
            for i in range(70):
                publisher.ask("PUBLISH", "c1", b"%06d" % i + b"x" * (1 << 20))
                got = quick.message()
                self.assertEqual(got[2][:6], b"%06d" % i)
            servers.wait_until(lambda: publisher.ask("PUBSUB", "NUMSUB", "c1")[1] == 1,
                               what="the end of the slow one")
            publisher.call("PUBLISH", "c1", "after")
            quick.message()
            publisher.call("SET", "k", "1")
            rest = resp.Client.read_until_closed(slow)
            self.assertLess(len(rest), 60 << 20)
            self.assertGreater(len(rest), 0)
        self.same(scenario)


class EventTest(sides.SidesTest):
    """Keyspace and keyevent notifications: a private Redis' own, for the tenant's own keys."""

    options = {"notify-keyspace-events": "KEA"}

    def test_keyspace_channels(self):
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            client.told("SUBSCRIBE", "__keyspace@0__:k", "__keyspace@0__:l9", "__keyspace@1__:k", count=3)
            foreign.pipeline([("SET", "k", "1"), ("DEL", "k"), ("RPUSH", "l9", "x")])
            other.pipeline([("SET", "k", "1"), ("INCR", "k"), ("EXPIRE", "k", "100"), ("SET", "k1", "x"),
                            ("DEL", "k"),
                            ("RPUSH", "l9", "x"), ("LPOP", "l9"), ("SELECT", "1"), ("SET", "k", "1")])
            for _ in range(4 + 3 + 1 + 1 - 1):
                client.message()
            foreign.call("PUBLISH", "__keyspace@0__:k", "forged")
            other.pipeline([("SELECT", "0"), ("SET", "k", "last")])
            client.message()
        self.same(scenario)

    def test_keyevent_channels_carry_the_key_without_prefix(self):
        """A key as the payload: only the tenant's own, and stripped."""
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            client.told("SUBSCRIBE", "__keyevent@0__:set", "__keyevent@0__:del", "__keyevent@0__:rpush",
                        "__keyevent@0__:expired", count=4)
            foreign.pipeline([("SET", "k", "1"), ("DEL", "k"), ("RPUSH", "l9", "x"), ("SET", "tenant:a:k", "x")])
            other.pipeline([("SET", "k", "1"), ("RPUSH", "l9", "x"), ("DEL", "l9", "k"), ("SET", "tenant:a:k", "x"),
                            ("SET", b"\r\n\x00", "x"), ("SET", "", "x"), ("SET", "k3", "x", "PX", "1")])
            for _ in range(8):
                client.message()
            servers.wait_until(lambda: other.ask("EXISTS", "k3") == 0)
            client.message()
            for forged in ("k", "tenant:a:k", "tenant:b:k", "anything"):
                foreign.call("PUBLISH", "__keyevent@0__:set", forged)
            other.call("SET", "k", "last")
            client.message()
        self.same(scenario)

    def test_patterns_over_events(self):
        """What cache libraries subscribe to; PSUBSCRIBE * hears own channels and own events."""
        def scenario(side):
            other, foreign = side.client(), side.client("b")
            for patterns in (["__key*__:*"], ["__keyevent@*__:*"], ["__keyspace@0__:k*"], ["__keyspace@*__:*"],
                             ["__keyevent@0__:*"], ["*"], ["__keyspace@0__:*9"], ["__keyevent@0__:[sd]*"], ["*:k"],
                             ["__k*"],
                             ["__keyevent@0__:expire"], ["__keyspace@0__:\\k"]):
                client = side.client()
                client.told("PSUBSCRIBE", *patterns, count=len(patterns))
                client.told("SUBSCRIBE", "end")
                foreign.pipeline([("SET", "k", "1"), ("RPUSH", "l9", "x"), ("DEL", "k", "l9"),
                                  ("PUBLISH", "chan", "x")])
                other.pipeline([("SET", "k", "1"), ("EXPIRE", "k", "100"), ("RPUSH", "l9", "x"), ("DEL", "k"),
                                ("DEL", "l9"),
                                ("PUBLISH", "chan", "x"), ("SELECT", "3"), ("SET", "k", "1"), ("DEL", "k"),
                                ("SELECT", "0")])
                other.ask("PUBLISH", "end", "end")
                while client.message()[-3:] != [b"message", b"end", b"end"]:
                    pass
                client.close()
        self.same(scenario)

    def test_flush_and_transactions_are_told_as_by_redis(self):
        """FLUSHDB tells nobody in Redis; what weir does in its place must not be noticed either, or only as
        deletions of
        the tenant's own keys."""
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            client.told("PSUBSCRIBE", "__keyspace@*__:*")
            foreign.told("PSUBSCRIBE", "__keyspace@*__:*")
            other.pipeline([("MULTI",), ("SET", "k", "1"), ("SET", "k1", "2"), ("EXEC",)])
            client.message()
            client.message()
            other.ask("FLUSHDB")
            other.call("SET", "k2", "1")
            while (got := client.quiet_message())[2:] != [b"__keyspace@0__:k2", b"set"]:
                self.assertIn(got[2:], ([b"__keyspace@0__:k", b"del"], [b"__keyspace@0__:k1", b"del"]))
            stranger = side.client("b")
            stranger.call("SET", "k", "b's own")
            foreign.message()
        self.same(scenario)

    def test_publish_to_an_event_channel_by_hand(self):
        """In Redis anybody may; then it reaches this tenant's subscribers and nobody else's."""
        def scenario(side):
            client, foreign, other = side.client(), side.client("b"), side.client()
            for one in (client, foreign):
                one.told("SUBSCRIBE", "__keyspace@0__:k", "__keyevent@0__:set", "fence", count=3)
            other.ask("PUBLISH", "__keyspace@0__:k", "by hand")
            other.ask("PUBLISH", "__keyevent@0__:set", "by hand")
            other.ask("PUBLISH", "__keyevent@0__:set", "tenant:b:k")
            foreign_client = side.client("b")
            foreign_client.call("PUBLISH", "fence", "nothing before this")
            foreign.message()
        self.same(scenario)


@unittest.skipIf(sides.DIRECT, "about weir's own connections")
class UpstreamTest(sides.SidesTest):
    def test_subscribers_lose_their_connection_when_the_server_does(self):
        """Libraries subscribe again when their connection ends; one that stayed open without its subscription would
        never hear anything again."""
        redis = self.folder.redis("mortal")
        weir = self.folder.weir(redis, workers=2)
        subscribers = [weir.client("ab"[i % 2], 2 + i % 2) for i in range(8)]
        for i, client in enumerate(subscribers):
            self.addCleanup(client.close)
            client.send(("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE")[i % 3], "c1")
            client.read()
        with redis.client() as admin:
            admin.call("CLIENT", "KILL", "TYPE", "pubsub")
            admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        for client in subscribers:
            self.assertEqual(client.read_until_closed(), b"")
        with weir.client() as again, weir.client() as publisher:
            again.send("SUBSCRIBE", "c1")
            again.read()
            servers.wait_until(lambda: publisher.call("PUBLISH", "c1", "back") == 1)
            self.assertEqual(again.read(), [b"message", b"c1", b"back"])
            redis.kill()
            self.assertEqual(again.read_until_closed(), b"")

    def test_many_subscribers_of_one_channel_share_what_they_need(self):
        """Hundreds on a pool of four."""
        weir = self.start_weir(self.folder, upstream={"pool": {"max": 4, "acquire_timeout": "300ms"}})
        side = self.proxied(2, weir)
        clients, publisher = [side.client("ab"[i % 2], 2 + i % 3 // 2) for i in range(300)], side.client()
        for client in clients:
            self.assertEqual(client.told("SUBSCRIBE", "c1"), [[b"subscribe", b"c1", 1]])
        self.assertEqual(publisher.call("PUBLISH", "c1", "to all"), 150)
        for client in clients[::2]:
            self.assertEqual(client.message(), [b"message", b"c1", b"to all"])
        for client in clients[:100]:
            client.close()
        counted(publisher, "c1", 100)
        self.assertEqual(publisher.call("PUBLISH", "c1", "to the rest"), 100)

    def test_subscriber_at_another_weir_of_the_same_tenant_hears_it(self):
        first, second = (self.start_weir(self.folder, workers=1) for _ in range(2))
        with first.client() as subscriber, second.client() as other, second.client() as publisher:
            for client in (subscriber, other):
                client.send("SUBSCRIBE", "c1")
                client.read()
            self.assertEqual(publisher.call("PUBLISH", "c1", "hello"), 2)
            for client in (subscriber, other):
                self.assertEqual(client.read(), [b"message", b"c1", b"hello"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
