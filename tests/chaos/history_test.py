"""The checker sees what it is there for: histories that are right, and the same with one thing wrong."""
import unittest

import history
from history import Outcome, Read, Sight, Write

DONE, REFUSED, UNKNOWN = Outcome


def writes(*outcomes, client="c", first=1, value=b"%d", **more):
    """One after the other, by one client: each is sent when the one before was answered."""
    return [Write(client, number, value % number if isinstance(value, bytes) else value, outcome, number, number + 0.5, **more)
            for number, outcome in enumerate(outcomes, first)]


class HistoryTest(unittest.TestCase):
    def assert_right(self, faults):
        self.assertEqual(list(faults), [])

    def assert_wrong(self, faults, *words):
        found = list(faults)
        self.assertEqual(len(found), len(words), found)
        for fault, word in zip(found, words):
            self.assertRegex(fault, word)


class SumTest(HistoryTest):
    WRITES = writes(DONE, DONE, UNKNOWN, REFUSED, value=2)

    def test_what_was_acknowledged_and_perhaps_what_nobody_knows(self):
        for found in (4, 5, 6):
            self.assert_right(history.sum_faults(self.WRITES, found))
        self.assert_right(history.sum_faults([], None))

    def test_lost(self):
        self.assert_wrong(history.sum_faults(self.WRITES, 3), "lost")
        self.assert_wrong(history.sum_faults(self.WRITES, None), "lost")

    def test_done_twice_or_though_refused(self):
        self.assert_wrong(history.sum_faults(self.WRITES, 7), "twice")

    def test_by_nobody(self):
        self.assert_wrong(history.by_field(history.sum_faults, [], {b"f": 1}), "b'f': 1 is more")
        self.assert_wrong(history.by_field(history.sum_faults, writes(DONE, value=1, field=b"f"), {}), "b'f': 0 is less")


class SequenceTest(HistoryTest):
    WRITES = writes(DONE, UNKNOWN, DONE, REFUSED, DONE) + writes(DONE, DONE, client="d", value=b"d%d")

    def test_each_once_and_each_clients_in_its_order(self):
        for found in ([b"1", b"3", b"5", b"d1", b"d2"], [b"1", b"d1", b"2", b"3", b"d2", b"5"]):
            self.assert_right(history.sequence_faults(self.WRITES, found))

    def test_lost(self):
        self.assert_wrong(history.sequence_faults(self.WRITES, [b"1", b"5", b"d1", b"d2"]), r"c #3 \(acknowledged, .*\) is lost")

    def test_doubled(self):
        self.assert_wrong(history.sequence_faults(self.WRITES, [b"1", b"3", b"3", b"5", b"d1", b"d2"]), r"c #3 \(acknowledged, .*\) is there 2 times")
        self.assert_wrong(history.sequence_faults(self.WRITES, [b"1", b"2", b"2", b"3", b"5", b"d1", b"d2"]), r"c #2 \(unknown, .*\) is there 2 times")

    def test_reordered(self):
        self.assert_wrong(history.sequence_faults(self.WRITES, [b"1", b"5", b"3", b"d1", b"d2"]), r"c #3 \(acknowledged, .*\) stands behind c #5")
        self.assert_wrong(history.sequence_faults(self.WRITES, [b"1", b"3", b"5", b"d1", b"d2", b"2"]), r"c #2 \(unknown, .*\) stands behind c #5")

    def test_foreign(self):
        self.assert_wrong(history.sequence_faults(self.WRITES, [b"1", b"3", b"5", b"d1", b"d2", b"x"]), "never written")

    def test_though_refused(self):
        self.assert_wrong(history.sequence_faults(self.WRITES, [b"1", b"3", b"4", b"5", b"d1", b"d2"]), r"c #4 \(refused, .*\) is there")


class RegisterTest(HistoryTest):
    WRITES = writes(DONE, DONE, UNKNOWN, REFUSED)

    def test_the_last_or_what_may_have_come_after_it(self):
        for found in (b"2", b"3"):
            self.assert_right(history.register_faults(self.WRITES, found))
        self.assert_right(history.register_faults(writes(UNKNOWN, REFUSED), None))

    def test_older(self):
        self.assert_wrong(history.register_faults(self.WRITES, b"1"), r"c #2 \(acknowledged, .*\) was acknowledged later")
        self.assert_wrong(history.register_faults(writes(UNKNOWN, DONE), b"1"), r"c #2 \(acknowledged, .*\) was acknowledged later")

    def test_lost(self):
        self.assert_wrong(history.register_faults(self.WRITES, None), "nothing is there")

    def test_deleted(self):
        deleted = writes(DONE) + writes(DONE, first=2, value=None)
        self.assert_right(history.register_faults(deleted, None))
        self.assert_wrong(history.register_faults(deleted, b"1"), "acknowledged later")
        self.assert_wrong(history.register_faults(deleted + writes(DONE, first=3), None), "acknowledged later")
        self.assert_right(history.register_faults(deleted + writes(DONE, first=3) + writes(UNKNOWN, first=4, value=None), None))

    def test_foreign(self):
        self.assert_wrong(history.register_faults(self.WRITES, b"x"), "never written")

    def test_though_refused(self):
        self.assert_wrong(history.register_faults(self.WRITES, b"4"), r"c #4 \(refused, .*\) is there")

    def test_of_two_clients_either_may_be_the_last(self):
        both = writes(DONE, DONE) + writes(DONE, DONE, client="d", first=3, value=b"d%d")
        self.assert_right(history.register_faults(both, b"2"))
        self.assert_wrong(history.register_faults(both, b"1"), "acknowledged later")

    def test_but_not_where_all_come_by_one_weir(self):
        both = writes(DONE, DONE) + writes(DONE, DONE, client="d", first=3, value=b"d%d")
        self.assert_wrong(history.register_faults(both, b"2", one_order=True), r"d #4 \(acknowledged, .*\) was acknowledged later")
        self.assert_right(history.register_faults(both, b"d4", one_order=True))

    def test_and_either_of_two_at_the_same_time(self):
        together = [Write("c", 1, b"c", DONE, 1.0, 3.0), Write("d", 1, b"d", DONE, 2.0, 2.5)]
        for found in (b"c", b"d"):
            self.assert_right(history.register_faults(together, found, one_order=True))


class MembershipTest(HistoryTest):
    def change(self, *steps):
        return [Write("c", number, member, outcome, removes=removes, reply=reply)
                for number, (member, outcome, removes, reply) in enumerate(steps)]

    def test_added_and_removed(self):
        both = self.change((b"a", DONE, False, 1), (b"b", DONE, False, 1), (b"a", DONE, True, 1))
        self.assert_right(history.membership_faults(both, {b"b"}))
        self.assert_wrong(history.membership_faults(both, set()), "lost")
        self.assert_wrong(history.membership_faults(both, {b"a", b"b"}), "though removed")
        self.assert_wrong(history.membership_faults(both, {b"b", b"x"}), "never written")

    def test_nobody_knows(self):
        both = self.change((b"a", UNKNOWN, False, None), (b"b", DONE, False, 1), (b"b", UNKNOWN, True, None))
        for found in (set(), {b"a"}, {b"b"}, {b"a", b"b"}):
            self.assert_right(history.membership_faults(both, found))

    def test_a_removal_that_found_nothing(self):
        both = self.change((b"a", DONE, False, 1), (b"a", DONE, True, 0))
        self.assert_right(history.membership_faults(both, {b"a"}))

    def test_though_refused(self):
        self.assert_wrong(history.membership_faults(self.change((b"a", REFUSED, False, None)), {b"a"}), "though refused")


class TransferTest(HistoryTest):
    WRITES = writes(DONE, UNKNOWN, value=b"c:%d:5")

    def test_whole(self):
        self.assert_right(history.transfer_faults(self.WRITES, [b"c:1:5"], -5, 5))
        self.assert_right(history.transfer_faults(self.WRITES, [b"c:1:5", b"c:2:5"], -10, 10))

    def test_cut(self):
        self.assert_wrong(history.transfer_faults(self.WRITES, [b"c:1:5"], -10, 5), "was cut")
        self.assert_wrong(history.transfer_faults(self.WRITES, [b"c:1:5"], -10, 10), "was cut")

    def test_lost(self):
        self.assert_wrong(history.transfer_faults(self.WRITES, [], 0, 0), "lost")


class ReadTest(HistoryTest):
    def read(self, found, own, sight=Sight.ALL):
        return history.read_faults(Read("c", 100, found), own, sight)

    def test_ones_own_writes(self):
        self.assert_right(self.read(b"2", writes(DONE, DONE, REFUSED)))
        self.assert_right(self.read(None, []))
        self.assert_wrong(self.read(b"1", writes(DONE, DONE)), "behind c #2")
        self.assert_wrong(self.read(None, writes(DONE)), "shown None")
        self.assert_wrong(self.read(b"x", writes(DONE)), "shown b'x'")
        self.assert_wrong(self.read(b"2", writes(DONE, REFUSED)), "behind c #1")

    def test_where_not_all_is_known(self):
        self.assert_right(self.read(None, writes(DONE), Sight.ALL_OR_NOTHING))
        self.assert_wrong(self.read(b"1", writes(DONE, DONE), Sight.ALL_OR_NOTHING), "behind c #2")

    def test_where_not_the_latest_may_be_known(self):
        for found in (None, b"1", b"2"):
            self.assert_right(self.read(found, writes(DONE, DONE, REFUSED), Sight.SOME))
        self.assert_wrong(self.read(b"3", writes(DONE, DONE, REFUSED), Sight.SOME), "behind c #2")

    def test_what_was_shown_stays(self):
        own = writes(DONE, UNKNOWN)
        self.assert_right(self.read(b"2", own))
        self.assert_wrong(self.read(b"1", own), "behind c #2")

    def test_not_what_comes_later(self):
        self.assert_wrong(history.read_faults(Read("c", 1, b"2"), writes(DONE, DONE), Sight.ALL), "behind nothing")


class GrowthTest(HistoryTest):
    def told(self, *steps):
        return [Write("c", number, 1, DONE if reply is not None else UNKNOWN, reply=reply) for number, reply in enumerate(steps)]

    def faults(self, told, absolute=True, continuous=True):
        return history.growth_faults(told, lambda write: absolute, lambda before, write: continuous)

    def test_all_that_was_added(self):
        self.assert_right(self.faults(self.told(1, 2, None, 3, 5)[:4]))
        self.assert_right(self.faults(self.told(1, 2, None, 4)))
        self.assert_wrong(self.faults(self.told(1, 1)), "told 1")
        self.assert_wrong(self.faults(self.told(1, 3)), "told 3")
        self.assert_wrong(self.faults(self.told(1, 3), continuous=False), "told 3")

    def test_step_by_step_where_not_all_is_known(self):
        self.assert_right(self.faults(self.told(7, 8, 9), absolute=False))
        self.assert_wrong(self.faults(self.told(7, 7), absolute=False), "behind 7")
        self.assert_right(self.faults(self.told(7, 1), absolute=False, continuous=False))


if __name__ == "__main__":
    unittest.main(verbosity=2)
