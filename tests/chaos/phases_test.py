"""The states of a breaker, read from a log, and what is said of calls near a change."""
import unittest

import phases

BEGAN = phases.time_of("2026-01-01T00:00:00.000")
LOG = ["2026-01-01T00:00:10.000Z warning breaker opened reason=\"5 of 5 calls failed\" open_for_ms=100",
       "2026-01-01T00:00:15.000Z info upstream connected",
       "2026-01-01T00:00:20.000Z info breaker half-open reason=\"the probe succeeded\"",
       "2026-01-01T00:00:30.000Z info breaker closed reason=\"2 successes\" open_ms=20000"]


class PhasesTest(unittest.TestCase):
    def setUp(self):
        self.phases = phases.Phases()
        self.phases.note(BEGAN, "closed")
        self.phases.read(LOG)

    def during(self, sent, got):
        return self.phases.during(BEGAN + sent, BEGAN + got)

    def test_states(self):
        self.assertEqual([self.phases.at(BEGAN + when) for when in (-1, 5, 12, 25, 35)], ["down", "closed", "open", "half-open", "closed"])

    def test_calls_during_which_it_changed_are_of_no_state(self):
        self.assertEqual([self.during(*call) for call in ((5, 6), (9, 11), (11, 12), (19, 21), (21, 29), (11, 31), (31, 99))],
                         ["closed", None, "open", None, "half-open", None, "closed"])

    def test_a_call_that_was_sent_as_it_changed_is_of_the_state_before(self):
        self.assertIsNone(self.during(10.0005, 11))
        self.assertEqual(self.phases.at(BEGAN + 10.0005), "closed")

    def test_shortly_before_it_opens_nothing_is_sure(self):
        closed = [self.phases.surely_closed(BEGAN + sent, BEGAN + sent + 0.1) for sent in (5, 9.8, 11, 25, 29, 31)]
        self.assertEqual(closed, [True, False, False, False, False, True])

    def test_stayed(self):
        stayed = [self.phases.stayed(BEGAN + since, BEGAN + until) for since, until in ((1, 9), (9, 11), (11, 29), (11, 31), (1, 31), (31, 40))]
        self.assertEqual(stayed, [True, False, True, False, False, True])

    def test_what_was_there_when_it_opened_need_not_be_there_after(self):
        kept = [self.phases.kept_all(BEGAN + since, BEGAN + until) for since, until in ((1, 9), (9, 11), (11, 29), (11, 31), (1, 31), (31, 40))]
        self.assertEqual(kept, [True, False, True, True, False, True])

    def test_nor_where_the_store_had_trouble(self):
        self.phases.note_trouble(BEGAN + 15, BEGAN + 16)
        spans = ((11, 14), (11, 15.5), (15.2, 15.4), (14, 18), (16.5, 19))
        self.assertEqual([self.phases.kept_all(BEGAN + since, BEGAN + until) for since, until in spans], [True, False, False, False, True])
        self.assertTrue(self.phases.surely_closed(BEGAN + 1, BEGAN + 2))

    def test_the_state_outlives_what_is_forgotten(self):
        self.phases.forget(BEGAN + 12)
        self.assertEqual([self.phases.at(BEGAN + when) for when in (12, 25, 35)], ["open", "half-open", "closed"])
        self.assertTrue(self.phases.kept_all(BEGAN + 1, BEGAN + 99))
        self.assertFalse(self.phases.stayed(BEGAN + 12, BEGAN + 31))


if __name__ == "__main__":
    unittest.main(verbosity=2)
