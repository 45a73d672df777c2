"""Client-side caching: invalidations come as from a private Redis, for the tenant's own keys, under their own names.

Each scenario runs against a private Redis first and then through weir (support/sides.py). That something does not come
is shown by what comes next: a write that is announced follows each that is not.
"""
import unittest

import resp
import servers
import sides

INVALIDATE = "__redis__:invalidate"


class DefaultModeTest(sides.SidesTest):
    protocols = (3,)

    def test_what_was_read_is_announced_once(self):
        """After a read and until the next change; not before, not twice, and no keys that were not read."""
        def scenario(side):
            client, other = side.client(), side.client()
            other.call("MSET", "k", "1", "k1", "1", "k2", "1")
            client.call("GET", "k2")
            client.call("CLIENT", "TRACKING", "ON")
            client.call("MGET", "k", "k1")
            other.pipeline([("SET", "k2", "2"), ("SET", "k", "2"), ("SET", "k", "3")])
            client.push()
            other.call("SET", "k1", "2")
            client.push()
            client.call("GET", "k")
            other.call("DEL", "k")
            client.push()
            client.pipeline([("CLIENT", "TRACKINGINFO"), ("CLIENT", "GETREDIR"), ("GET", "k"), ("PING",)])
        self.same(scenario)

    def test_every_way_a_key_changes(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.call("CLIENT", "TRACKING", "ON")
            for change in (("APPEND", "k", "x"), ("RENAME", "k", "k9"), ("RENAME", "k9", "k"),
                           ("EXPIRE", "k", "1000"),
                           ("COPY", "k1", "k", "REPLACE"), ("MSET", "k", "1", "k3", "1"), ("GETDEL", "k"),
                           ("SETEX", "k", "9", "x"),
                           ("EVAL", "return redis.call('SET', KEYS[1], 'script')", "1", "k"), ("MOVE", "k", "1"),
                           ("RPUSH", "k", "a"), ("LPOP", "k"), ("SET", "k", b"x" * 100_000), ("PFADD", "k8", "x"),
                           ("UNLINK", "k"), ("BITOP", "NOT", "k", "k1"), ("SUNIONSTORE", "k", "t9")):
                other.ask("SET", "k1", "1")
                client.call("EXISTS", "k")
                client.call("TYPE", "k")
                client.call("EXISTS", "k8")
                other.call(*change)
                if change[0] == "PFADD":
                    client.push()
                    other.call("SET", "k", "again")
                client.push()
                other.ask("DEL", "k8")
            other.call("SET", "k", "1", "PX", "400")  # which must not be over before it is read
            client.call("GET", "missing")
            client.ask("GET", "k")
            servers.wait_until(lambda: other.ask("EXISTS", "k") == 0)
            client.push()
        self.same(scenario)

    def test_own_writes_are_announced_too_unless_noloop(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.call("CLIENT", "TRACKING", "ON")
            client.pipeline([("GET", "k"), ("SET", "k", "1")])
            client.push()
            client.pipeline([("CLIENT", "TRACKING", "OFF"), ("CLIENT", "TRACKING", "ON", "NOLOOP"), ("GET", "k"),
                             ("SET", "k", "2"), ("GET", "k"), ("CLIENT", "TRACKINGINFO")])
            other.call("SET", "k", "3")
            client.push()
            client.pipeline([("GET", "k"), ("GET", "k1"), ("MULTI",), ("SET", "k", "4"), ("EXEC",)])
            other.call("SET", "k1", "5")
            client.push()
        self.same(scenario)

    def test_reads_anywhere_count(self):
        """In transactions, in scripts, blocking reads, in another database, and of every type."""
        def scenario(side):
            client, other = side.client(), side.client()
            other.pipeline([("RPUSH", "l9", "a", "b"), ("RPUSH", "l8", "b", "a"), ("HSET", "h9", "f", "v"),
                            ("XADD", "x9", "1-1", "f", "v"), ("SADD", "t9", "m"),
                            ("ZADD", "z9", "1", "m")])
            client.call("CLIENT", "TRACKING", "ON")
            for reads, key in (([("MULTI",), ("GET", "k"), ("EXEC",)], "k"), ([("HGETALL", "h9")], "h9"),
                               ([("LRANGE", "l9", "0", "-1")], "l9"), ([("SMEMBERS", "t9")], "t9"),
                               ([("ZRANGE", "z9", "0", "-1")], "z9"), ([("XREAD", "STREAMS", "x9", "0")], "x9"),
                               ([("XREAD", "BLOCK", "1", "STREAMS", "x9", "0")], "x9"), ([("STRLEN", "k")], "k"),
                               ([("EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "k")], "k"),
                               ([("SELECT", "1"), ("GET", "k7"), ("SELECT", "0")], "k7"),
                               ([("OBJECT", "ENCODING", "h9")], None),
                               ([("SORT_RO", "l8", "ALPHA")], "l8"), ([("GET", b"k\r\n\x00")], b"k\r\n\x00"),
                               ([("GET", "")], ""),
                               ([("GET", "tenant:a:k")], "tenant:a:k"),
                               ([("WATCH", "k"), ("GET", "k"), ("UNWATCH",)], "k"),
                               ([("BLPOP", "missing", "0.01"), ("GET", "k")], "k")):
                client.pipeline(reads)
                if key is not None:
                    other.ask("SET", key, "changed")
                    client.push()
        self.same(scenario)

    def test_foreign_writes_are_never_announced(self):
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            client.call("CLIENT", "TRACKING", "ON")
            client.call("MGET", "k", "k1", "k2")
            foreign.pipeline([("SET", "k", "x"), ("DEL", "k1"), ("FLUSHDB",), ("FLUSHALL",),
                              ("SET", "tenant:a:k", "x"),
                              ("CLIENT", "TRACKING", "ON")])
            other.call("SET", "k2", "own")
            client.push()
            foreign.call("GET", "k")
            other.call("SET", "k", "of a")
            client.push()
            foreign.call("SET", "k", "of b")
            foreign.push()
        self.same(scenario)

    def test_flush_invalidates_all_that_was_read(self):
        """Redis says it with one null; weir, whose flush deletes the tenant's keys, may name each of them."""
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            foreign.call("CLIENT", "TRACKING", "ON")
            foreign.call("GET", "k")
            for flush in (("FLUSHDB",), ("FLUSHALL",), ("FLUSHALL", "ASYNC")):
                client.call("CLIENT", "TRACKING", "ON")
                other.call("MSET", "k", "1", "k1", "1", "k2", "1")
                client.call("MGET", "k", "k1", "k2")
                other.call(*flush)
                client.call("GET", "k3")
                other.call("SET", "k3", "fence")
                gone, everything = set(), False
                while b"k3" not in gone:
                    kind, keys = client.quiet_message()
                    self.assertEqual(kind, b"invalidate")
                    everything = everything or keys is None
                    gone.update(keys or ())
                self.assertTrue(everything or gone == {b"k", b"k1", b"k2", b"k3"}, (everything, gone))
                client.call("CLIENT", "TRACKING", "OFF")
            stranger = side.client("b")
            stranger.call("SET", "k", "of b")
            foreign.push()
        self.same(scenario)

    def test_off_and_reset_end_it(self):
        def scenario(side):
            client, other = side.client(), side.client()
            for ending in (("CLIENT", "TRACKING", "OFF"), ("RESET",)):
                client.call("CLIENT", "TRACKING", "ON")
                client.call("GET", "k")
                client.call(*ending)
                if ending == ("RESET",):
                    client.ask("HELLO", 3)
                client.call("CLIENT", "TRACKINGINFO")
                other.call("SET", "k", "1")
                client.call("CLIENT", "TRACKING", "ON")
                client.call("GET", "k1")
                other.call("SET", "k1", "1")
                client.push()
        self.same(scenario)

    def test_many_trackers_each_hear_their_own(self):
        def scenario(side):
            clients, other = [side.client() for _ in range(12)], side.client()
            for i, client in enumerate(clients):
                client.call("CLIENT", "TRACKING", "ON")
                client.call("MGET", f"own{i}", "common")
            for i, client in enumerate(clients):
                other.call("SET", f"own{i}", "x")
                client.push()
            other.call("SET", "common", "x")
            for client in clients:
                client.push()
        self.same(scenario)

    def test_pushes_come_between_the_replies_of_a_pipeline(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.call("CLIENT", "TRACKING", "ON")
            for i in range(200):
                client.send_raw(resp.encode("GET", "k") + resp.encode("PING", i) + resp.encode("GET", "k1"))
                for _ in range(3):
                    client.read()
                other.call("SET", "k", i)
                client.push()
        self.same(scenario)


class OptInTest(sides.SidesTest):
    protocols = (3,)

    def test_optin_and_optout_with_client_caching(self):
        """CACHING YES is for the next command alone, also when weir answers that by itself; a transaction is one
        command."""
        def scenario(side):
            client, other = side.client(), side.client()
            client.pipeline([("CLIENT", "CACHING", "YES"), ("CLIENT", "TRACKING", "ON", "OPTIN"),
                             ("CLIENT", "TRACKINGINFO"),
                             ("GET", "k"), ("CLIENT", "CACHING", "YES"), ("GET", "k1"), ("GET", "k2"),
                             ("CLIENT", "CACHING", "NO"),
                             ("CLIENT", "CACHING", "MAYBE"), ("CLIENT", "CACHING", "YES"), ("CLIENT", "TRACKINGINFO"),
                             ("GET", "k2"), ("CLIENT", "CACHING", "YES"), ("PING",), ("GET", "k3"),
                             ("CLIENT", "CACHING", "YES"), ("MULTI",), ("GET", "n"), ("GET", "w_1"), ("EXEC",)])
            for key in ("k", "k3", "k1"):
                other.call("SET", key, "1")
            client.push()
            for key in ("n", "w_1"):
                other.call("SET", key, "1")
                client.push()
            client.pipeline([("CLIENT", "TRACKING", "OFF"), ("CLIENT", "TRACKING", "ON", "OPTOUT"),
                             ("CLIENT", "TRACKINGINFO"),
                             ("CLIENT", "CACHING", "YES"), ("CLIENT", "CACHING", "NO"), ("CLIENT", "TRACKINGINFO"),
                             ("GET", "k"),
                             ("GET", "k1")])
            other.pipeline([("SET", "k", "2"), ("SET", "k1", "2")])
            client.push()
        self.same(scenario)

    def test_faults_in_redis_own_words(self):
        self.script([("CLIENT", "TRACKING"), ("CLIENT", "TRACKING", "MAYBE"), ("CLIENT", "TRACKING", "ON", "NOSUCH"),
                     ("CLIENT", "TRACKING", "ON", "PREFIX", "a"), ("CLIENT", "TRACKING", "ON", "BCAST", "OPTIN"),
                     ("CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT"), ("CLIENT", "TRACKING", "ON", "REDIRECT"),
                     ("CLIENT", "TRACKING", "ON", "REDIRECT", "abc"),
                     ("CLIENT", "TRACKING", "ON", "REDIRECT", "999999999"),
                     ("CLIENT", "TRACKING", "ON", "REDIRECT", "-1"),
                     ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX"),
                     ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab", "PREFIX", "a"),
                     ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "ab"), ("CLIENT", "TRACKINGINFO"),
                     ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab"),
                     ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a"),
                     ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "abc"),
                     ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", ""),
                     ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab"), ("CLIENT", "TRACKINGINFO"),
                     ("CLIENT", "TRACKING", "ON"), ("CLIENT", "TRACKING", "ON", "OPTIN"),
                     ("CLIENT", "CACHING", "YES"),
                     ("CLIENT", "CACHING"), ("CLIENT", "TRACKINGINFO", "x"), ("CLIENT", "GETREDIR", "x"),
                     ("CLIENT", "TRACKING", "OFF"), ("CLIENT", "TRACKINGINFO"), ("CLIENT", "GETREDIR"),
                     ("CLIENT", "TRACKING", "OFF", "BCAST"), ("CLIENT", "TRACKING", "on", "noloop"),
                     ("CLIENT", "TRACKING", "ON", "BCAST"), ("client", "tracking", "off"), ("CLIENT", "TRACKINGINFO"),
                     ("CLIENT", "TRACKING", "ON", "BCAST"), ("CLIENT", "TRACKING", "ON", "BCAST"),
                     ("CLIENT", "TRACKINGINFO")],
                    protocols=(2, 3))


class BroadcastTest(sides.SidesTest):
    protocols = (3,)

    def test_without_prefix_every_own_key_and_no_other(self):
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            client.call("CLIENT", "TRACKING", "ON", "BCAST")
            foreign.call("CLIENT", "TRACKING", "ON", "BCAST")
            stranger = side.client("b")
            for key in ("k", "", "tenant:a:k", b"\r\n\x00", "tenant:b:k"):
                stranger.call("SET", key, "of b")
                foreign.push()
                other.call("SET", key, "1")
                client.push()
            stranger.call("FLUSHALL")
            client.call("CLIENT", "TRACKINGINFO")
            client.call("SET", "k", "own write")
            client.push()
        self.same(scenario)

    def test_prefixes(self):
        """Given ones are taken under the tenant's own; the answer names them as they were given."""
        def scenario(side):
            client, other, foreign = side.client(), side.client(), side.client("b")
            client.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:", "PREFIX", "tenant:a:", "PREFIX",
                        "[a]*?\\",
                        "PREFIX", "k", "NOLOOP")
            client.call("CLIENT", "TRACKINGINFO")
            client.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "more", "NOLOOP")
            client.call("CLIENT", "TRACKINGINFO")
            foreign.pipeline([("SET", "user:1", "x"), ("SET", "k", "x"), ("SET", "tenant:a:1", "x")])
            other.pipeline([("SET", "use", "x"), ("SET", "aaa", "x"), ("SET", "xk", "x")])
            client.pipeline([("SET", "user:1", "own"), ("SET", "k", "own")])
            for key in ("user:1", "tenant:a:1", "[a]*?\\1", "k", "k1", "more"):
                other.call("SET", key, "x")
                client.push()
        self.same(scenario)

    def test_flush_in_broadcast_mode(self):
        def scenario(side):
            client, other = side.client(), side.client()
            client.call("CLIENT", "TRACKING", "ON", "BCAST")
            other.call("SET", "k", "1")
            client.push()
            other.call("FLUSHDB")
            other.call("SET", "fence", "1")
            gone, everything = set(), False
            while b"fence" not in gone:
                _, keys = client.quiet_message()
                everything = everything or keys is None
                gone.update(keys or ())
            self.assertTrue(everything or b"k" in gone)
        self.same(scenario)

    def test_several_clients_with_their_own_prefixes(self):
        def scenario(side):
            clients, other = [side.client() for _ in range(9)], side.client()
            for i, client in enumerate(clients):
                client.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", f"p{i % 3}")
            for i in range(3):
                other.call("SET", f"p{i}", "x")
                for client in clients[i::3]:
                    client.push()
        self.same(scenario)


class RedirectTest(sides.SidesTest):
    protocols = (2,)

    def redirected(self, side, *options, protocol=2, target_protocol=2):
        target, client, other = side.client(protocol=target_protocol), side.client(protocol=protocol), side.client()
        number = target.ask("CLIENT", "ID")
        if target_protocol == 2:
            target.told("SUBSCRIBE", INVALIDATE)
        client.call("CLIENT", "TRACKING", "ON", "REDIRECT", number, *options)
        self.assertEqual(client.ask("CLIENT", "GETREDIR"), number)
        return target, client, other, number

    def test_resp2_messages_on_the_invalidate_channel(self):
        """That channel is the server's own and not prefixed, and yet each tenant hears only of itself."""
        def scenario(side):
            target, client, other, number = self.redirected(side)
            foreign = side.client("b")
            foreign.told("SUBSCRIBE", INVALIDATE)
            client.pipeline([("GET", "k"), ("GET", "k1")])
            info = client.ask("CLIENT", "TRACKINGINFO")
            self.assertEqual(info[:2] + info[3:],
                             [b"flags", [b"on"], number, b"prefixes", []][:2] + [number, b"prefixes", []])
            other.call("SET", "k", "1")
            target.message()
            client.call("SET", "k1", "own")
            target.message()
            other.call("PUBLISH", "other", "x")
            client.call("MGET", "k", "k1")
            other.call("DEL", "k", "missing")
            target.message()
            stranger = side.client("b")
            stranger.call("SET", "k", "x")
            target.call("PING")
            foreign.call("PING")
        self.same(scenario)

    def test_several_redirect_to_one(self):
        def scenario(side):
            target, first, other, number = self.redirected(side)
            second = side.client()
            second.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "bc:", "REDIRECT", number)
            first.call("GET", "k")
            other.call("SET", "k", "1")
            target.message()
            other.call("SET", "bc:1", "1")
            target.message()
            first.call("CLIENT", "TRACKING", "OFF")
            first.call("GET", "k")
            other.pipeline([("SET", "k", "1"), ("SET", "bc:1", "2")])
            target.message()
            second.close()
            other.pipeline([("GET", "k")])
            target.told("UNSUBSCRIBE", INVALIDATE)
            target.call("GET", "k")
        self.same(scenario)

    def test_redirect_to_a_resp3_client_and_from_one(self):
        def scenario(side):
            target, client, other, _ = self.redirected(side, target_protocol=3)
            client.call("GET", "k")
            other.call("SET", "k", "1")
            target.push()
            target, client, other, _ = self.redirected(side, "NOLOOP", protocol=3)
            client.pipeline([("GET", "k"), ("SET", "k", "2"), ("GET", "k")])
            other.call("SET", "k", "1")
            target.message()
        self.same(scenario)

    def test_target_that_goes_away(self):
        """RESP3 trackers are told with a push, RESP2 ones see it in TRACKINGINFO."""
        def scenario(side):
            for protocol in (3, 2):
                target, client, other, number = self.redirected(side, protocol=protocol)
                client.call("GET", "k")
                target.close()
                servers.wait_until(lambda: b"id=%d " % number not in other.ask("CLIENT", "LIST"), what="its end")
                other.call("SET", "k", "1")
                if protocol == 3:
                    kind, gone = client.quiet_message()
                    self.assertEqual((kind, gone), (b"tracking-redir-broken", number))
                servers.wait_until(lambda: b"broken_redirect" in repr(client.ask("CLIENT", "TRACKINGINFO")).encode(),
                                   what="broken_redirect")
                client.call("CLIENT", "TRACKING", "OFF")
        self.same(scenario)

    def test_nobody_redirects_to_another_tenants_client(self):
        def scenario(side):
            foreign, client, own, stranger = side.client("b"), side.client(), side.client(), side.client("b")
            foreign.told("SUBSCRIBE", INVALIDATE)
            guesses = [foreign_id(side, foreign)] if side.name == "weir" else [999_999]
            for guess in (*guesses, *range(900_000, 900_010)):
                self.assertIn(b"does not exist", client.ask("CLIENT", "TRACKING", "ON", "REDIRECT", guess))
            client.call("GET", "k")
            own.call("SET", "k", "1")
            stranger.ask("PUBLISH", INVALIDATE, "forged")
            own.call("PING")
        self.same(scenario)


def foreign_id(side, client):
    """The id of a client of tenant b, which is a subscriber by now: from another one's CLIENT LIST."""
    del client
    lister = side.client("b")
    own = lister.ask("CLIENT", "ID")
    ids = [int(line.split()[0][3:]) for line in lister.ask("CLIENT", "LIST").splitlines()]
    return next(number for number in ids if number != own)


@unittest.skipIf(sides.DIRECT, "about weir's own connections")
class UpstreamTest(sides.SidesTest):
    def test_trackers_lose_their_connection_when_the_server_does(self):
        """A cache whose invalidations stopped coming would be stale for ever: the end of the connection says so."""
        side = self.proxied(3)
        default, broadcast, plain = side.client(), side.client(), side.client()
        default.call("CLIENT", "TRACKING", "ON")
        broadcast.call("CLIENT", "TRACKING", "ON", "BCAST")
        default.call("GET", "k")
        side.admin().call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        side.admin().call("CLIENT", "KILL", "TYPE", "pubsub")
        for client in (default, broadcast):
            self.assertTrue(client.closed())
        servers.wait_until(lambda: plain.ask("SET", "k", "1") == b"OK")
        for client in side.talkers:
            client.close()
        self.assert_nothing_held(side)

    def test_nothing_of_tracking_is_left_for_the_next_user_of_the_connection(self):
        """Pool of one: tracking, then subscription, then a transaction, each by another client."""
        weir = self.start_weir(self.folder, workers=1, upstream={"pool": {"max": 1, "acquire_timeout": "10s"}})
        side = self.proxied(3, weir)
        for turn in range(20):
            tracker = side.client("ab"[turn % 2])
            self.assertEqual(tracker.call("CLIENT", "TRACKING", "ON", *(("BCAST",) if turn % 3 else ())), b"OK")
            tracker.call("GET", "k")
            tracker.close()
            other = side.client("ab"[turn // 2 % 2])
            self.assertEqual(other.pipeline([("MULTI",), ("SET", "k", turn), ("GET", "k"), ("EXEC",)])[-1],
                             [b"OK", b"%d" % turn])
            other.call("SET", "k", "after")
            other.call("PING")
            self.assertFalse(other._early)  # no push
            other.close()
        self.assert_nothing_held(side, weir)


if __name__ == "__main__":
    unittest.main(verbosity=2)
