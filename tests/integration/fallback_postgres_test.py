"""The fallback's store in Postgres, with whole processes: what a start finds, what is said of a Postgres that cannot serve, and
what becomes of writes when weir, Redis or Postgres end.
"""
import os
import signal
import subprocess
import sys
import unittest

import outages
import postgres
import servers
import terms

# The machine may be slow; a server that has ended is noticed at once.
PATIENT_POOL = {"max": 4, "connect_timeout": "20s", "acquire_timeout": "20s"}


class PostgresTest(outages.OutageTest):
    redis_settings = {"appendonly": "yes", "appendfsync": "always"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postgres = postgres.Postgres()
        cls.addClassCleanup(cls.postgres.close)

    def setUp(self):
        super().setUp()
        self.schema = "weir_" + self.id().rsplit(".", 1)[1].lower()[:50]

    def store(self, order=("postgres",), dsn=None, **more):
        settings = {"dsn": dsn or self.postgres.dsn, "schema": self.schema, "statement_timeout": "20s", "start_timeout": "20s", "pool": PATIENT_POOL, **more}
        found = {"order": list(order), "postgres": settings}
        if "memory" in order:
            found["memory"] = {"replay": True}
        return found

    def sql(self, text):
        return self.postgres.sql(text.replace("{schema}", self.schema))

    def health(self, weir):
        return outages.page(weir, "/health")[1]

    def wait_for_health(self, weir, status, reason=""):
        return servers.wait_until(lambda: (now := self.health(weir))["status"] == status and reason in (now["reason"] or "") and now,
                                  what=f"{status}: {reason}")

    def lose(self, *weirs):
        """Redis is killed, and each weir's breaker opens."""
        self.redis.kill()
        for weir in weirs:
            outages.wait_for_state(weir, "open", "half_open")

    def come_back(self, *weirs):
        self.restart()
        for weir in weirs:
            outages.wait_for_state(weir, "closed")

    def answers(self, weir, store):
        return terms.sample(weir, "weir_fallback_answers_total", tenant="a", store=store)


class OutageOfRedisTest(PostgresTest):
    def test_writes_come_to_redis_when_it_is_back(self):
        weir = self.start(fallback=self.store(), workers=2)
        client = self.client(weir)
        client.call("SET", "n", "41")
        self.lose(weir)
        self.assertEqual(client.pipeline([("SET", "k", "v"), ("INCR", "n"), ("GET", "k"), ("RPUSH", "l", "a", "b"), ("TYPE", "l")]),
                         [b"OK", 1, b"v", 2, b"list"])
        self.assertEqual(self.answers(weir, "postgres"), 5)
        told = outages.status(client)
        self.assertEqual((told[b"status"], told[b"store"], told[b"fallback_answers"]), (b"degraded", b"postgres", 5))
        servers.wait_until(lambda: outages.status(client)[b"journal"] == 3, what="the journal in WEIR STATUS")
        shown = self.health(weir)["fallback"]
        self.assertEqual((shown["store"], shown["postgres"]["available"], shown["postgres"]["in_use"]), ("postgres", True, True))
        self.assertEqual(shown["postgres"]["journal"]["operations"], 3)
        self.assertGreater(terms.sample(weir, "weir_postgres_journal_oldest_seconds"), 0)
        self.come_back(weir)
        self.assertEqual(client.pipeline([("GET", "k"), ("GET", "n"), ("LRANGE", "l", "0", "-1")]), [b"v", b"42", [b"a", b"b"]])
        servers.wait_until(lambda: outages.status(client)[b"journal"] == 0, what="an empty journal")
        self.wait_for_health(weir, "healthy")

    def test_tenants_do_not_see_each_other(self):
        weir = self.start(fallback=self.store())
        self.lose(weir)
        one, other = self.client(weir), self.client(weir, "b")
        one.call("SET", "k", "of a")
        self.assertIsNone(other.call("GET", "k"))
        self.assertIsNone(other.call("GET", "tenant:a:k"))
        other.call("SET", "k", "of b")
        self.assertEqual(other.call("KEYS", "*"), [b"k"])
        other.call("FLUSHALL")
        self.assertEqual(one.call("GET", "k"), b"of a")
        self.come_back(weir)
        with self.redis.client() as direct:
            self.assertEqual(direct.call("KEYS", "tenant:*"), [b"tenant:a:k"])

    def test_a_killed_weir_replays_before_it_listens_to_anybody(self):
        weir = self.start(fallback=self.store())
        self.lose(weir)
        client = self.client(weir)
        for _ in range(100):
            client.call("INCR", "n")
        weir.kill()
        self.restart()
        again = self.start(fallback=self.store())
        # Whoever answers knows what was acknowledged.
        self.assertEqual(self.client(again).call("INCR", "n"), 101)
        outages.wait_for_state(again, "closed")
        self.assertEqual(self.client(again).call("GET", "n"), b"101")

    def test_two_weirs_share_the_store(self):
        weirs = [self.start(fallback=self.store()) for _ in range(2)]
        self.lose(*weirs)
        clients = [self.client(weir) for weir in weirs]
        for number in range(20):
            self.assertEqual(clients[number % 2].call("INCR", "n"), number + 1)
        self.come_back(*weirs)
        for client in clients:
            self.assertEqual(client.call("GET", "n"), b"20")

    def test_a_rule_sends_writes_to_memory_and_another_refuses_them(self):
        rules = [{"keys": ["tmp:*"], "writes": "memory"}, {"keys": ["lock:*"], "writes": "refuse"}]
        weir = self.start(fallback=self.store(("postgres", "memory")), tenants={"a": {"fallback": rules}}, names=("a",))
        self.lose(weir)
        client = self.client(weir)
        replies = client.pipeline([("SET", "tmp:1", "v"), ("SET", "k", "w"), ("GET", "tmp:1"), ("GET", "k"), ("MGET", "tmp:1", "k"),
                                   ("SET", "lock:1", "x"), ("MULTI",), ("GET", "k"), ("GET", "tmp:1"), ("EXEC",)])
        self.assertEqual(replies[:4], [b"OK", b"OK", b"v", b"w"])
        self.assertRegex(replies[4], outages.FALLBACK)
        self.assertRegex(replies[5], outages.FALLBACK)
        self.assertRegex(replies[9], rb"^EXECABORT .*different stores")
        self.assertEqual(self.sql("select string_agg(encode(key, 'escape'), ',') from {schema}.entries"), "k")

    def test_a_transaction_is_done_whole_or_not_at_all(self):
        weir = self.start(fallback=self.store())
        self.lose(weir)
        client = self.client(weir)
        self.assertEqual(client.pipeline([("MULTI",), ("SET", "a", "1"), ("LPUSH", "a", "x"), ("INCR", "a"), ("EXEC",)])[-1][::2], [b"OK", 2])
        self.come_back(weir)
        self.assertEqual(client.call("GET", "a"), b"2")


class TroubleTest(PostgresTest):
    """A Postgres that cannot serve: a reason in /health, answers from memory, and never a wrong one."""

    def start_in_trouble(self, reason, dsn=None, **more):
        weir = self.start(fallback=self.store(("postgres", "memory"), dsn=dsn, start_timeout="300ms", **more))
        client = self.client(weir)
        self.assertEqual(client.call("SET", "k", "v"), b"OK")
        found = self.wait_for_health(weir, "degraded", reason)
        self.assertFalse(found["fallback"]["postgres"]["available"])
        self.assertEqual(terms.sample(weir, "weir_postgres_available"), 0)
        self.lose(weir)
        self.assertEqual(client.pipeline([("SET", "k", "w"), ("GET", "k")]), [b"OK", b"w"])
        self.assertEqual(self.answers(weir, "memory"), 2)
        self.come_back(weir)
        self.assertEqual(client.call("GET", "k"), b"w")
        return weir

    def test_nobody_there(self):
        self.start_in_trouble("postgres: ", dsn="host=/nonexistent dbname=none")

    def test_a_role_without_rights(self):
        self.sql("create role poor login")
        self.start_in_trouble("permission denied", dsn=self.postgres.dsn.replace("user=weir", "user=poor"))

    def test_tables_of_a_newer_weir(self):
        weir = self.start(fallback=self.store())
        weir.stop()
        self.sql("insert into {schema}.schema_version (version) values (99)")
        self.start_in_trouble("needs a newer weir")

    def test_a_full_disk(self):
        weir = self.start(fallback=self.store(("postgres", "memory")))
        client = self.client(weir)
        self.sql("create function {schema}.no_space() returns trigger language plpgsql as $$ begin raise exception 'could not extend file: "
                 "No space left on device' using errcode = '53100'; end $$")
        self.sql("create trigger no_space before insert on {schema}.journal execute function {schema}.no_space()")
        self.lose(weir)
        self.assertEqual(client.pipeline([("SET", "k", "w"), ("GET", "k")]), [b"OK", b"w"])
        self.assertEqual(self.sql("select count(*) from {schema}.entries"), "0")
        self.come_back(weir)
        self.assertEqual(client.call("GET", "k"), b"w")

    def test_a_lock_that_somebody_else_holds(self):
        weir = self.start(fallback=self.store(statement_timeout="1s"))
        self.lose(weir)
        client = self.client(weir)
        self.assertEqual(client.call("SET", "k", "v"), b"OK")
        session = subprocess.Popen([postgres._program("psql"), "-XAtq", self.postgres.dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(session.wait)
        self.addCleanup(session.kill)
        session.stdin.write(f"begin; lock table {self.schema}.entries; select 'locked';\n")
        session.stdin.flush()
        self.assertEqual(session.stdout.readline(), "locked\n")
        self.assertRegex(client.call("SET", "k", "w"), outages.FALLBACK)
        self.assertRegex(client.call("GET", "k"), outages.FALLBACK)
        session.stdin.write("rollback; select 'free';\n")
        session.stdin.flush()
        self.assertEqual(session.stdout.readline(), "free\n")
        servers.wait_until(lambda: client.call("GET", "k") == b"v", what="an answer")

    def test_a_bad_dsn_is_no_configuration(self):
        with self.assertRaisesRegex(AssertionError, "the DSN is neither"):
            self.start(fallback=self.store(dsn="nonsense"))

    def test_it_dies_and_comes_back_while_redis_is_away(self):
        own = postgres.Postgres()
        self.addCleanup(own.close)
        weir = self.start(fallback=self.store(dsn=own.dsn))
        self.lose(weir)
        client = self.client(weir)
        for _ in range(10):
            client.call("INCR", "n")
        own.kill()
        self.assertRegex(client.call("GET", "n"), outages.FALLBACK)
        self.restart()
        own.start()
        servers.wait_until(lambda: client.call("GET", "n") == b"10", what="the value")
        outages.wait_for_state(weir, "closed")
        self.assertEqual(client.call("GET", "n"), b"10")


if __name__ == "__main__":
    unittest.main()
