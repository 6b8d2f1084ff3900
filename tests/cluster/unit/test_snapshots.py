import unittest

from checkers.final_log import Transaction

from unit.stories import X, Y, Z, Story


class ReadsTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.story.write("w", 10, {X: "w1", Y: "w1"})
        self.story.write("w", 20, {X: "w2", Y: "w2"})

    def test_the_log_up_to_the_snapshot_is_good(self):
        for role in ("primary", "standby"):
            self.story.read("a", 9, {X: None, Y: None}, role=role)
            self.story.read("a", 10, {X: "w1", Y: "w1"}, role=role)
            self.story.read("a", 19, {X: "w1", Y: "w1"}, role=role)
            self.story.read("a", 20, {X: "w2", Y: "w2", Z: None}, role=role)
        self.assertEqual(self.story.kinds(), set())

    def test_half_of_a_transaction_is_seen(self):
        self.story.read("a", 20, {X: "w1", Y: "w2"}, role="standby", f="look")
        self.assertEqual(self.story.kinds(), {"wrong-read"})

    def test_an_object_is_missing(self):
        self.story.read("a", 20, {X: "w2", Y: None}, f="look")
        self.assertEqual(self.story.kinds(), {"wrong-read"})

    def test_something_newer_than_the_snapshot_is_seen(self):
        self.story.read("a", 15, {X: "w2", Y: "w2"}, f="look")
        self.assertEqual(self.story.kinds(), {"wrong-read"})

    def test_a_failed_operation_read_something_wrong(self):
        self.story.write("a", 0, {Z: "a1"}, snapshot=20, reads={X: "w1"}, type="fail")
        self.assertEqual(self.story.kinds(), {"wrong-read"})

    def test_a_snapshot_lies_beyond_the_log(self):
        self.story.read("a", 20, {X: "w2"})
        self.story.operations[-1].snapshot = 99
        final = self.story.final()
        final.visible = 20
        self.story.final = lambda: final
        self.assertEqual(self.story.kinds(), {"beyond-the-log"})

    def test_a_write_rests_on_what_was_overwritten(self):
        self.story.write("a", 30, {X: "a1"}, snapshot=15, reads={X: "w1"})
        self.assertEqual(self.story.kinds(), {"lost-update"})

    def test_so_does_one_whose_outcome_was_not_known(self):
        self.story.write("a", 0, {X: "a1"}, snapshot=15, type="unknown")
        self.story.edits.append(lambda log: log + [Transaction(30, "test-a", 1, {X: "a1"})])
        self.assertEqual(self.story.kinds(), {"lost-update"})

    def test_a_checked_object_was_overwritten(self):
        self.story.write("a", 30, {Z: "a1"}, snapshot=15, reads={X: "w1"}, current=[X])
        self.assertEqual(self.story.kinds(), {"stale-check"})

    def test_one_that_was_not_checked_may_be(self):
        self.story.write("a", 30, {Z: "a1"}, snapshot=15, reads={X: "w1"})
        self.assertEqual(self.story.kinds(), set())


class MoneyTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.story.write("open", 10, {X: "5 open", Y: "5 open"}, f="open")
        self.story.write("a", 20, {X: "4 a", Y: "6 a"}, f="transfer")

    def test_transfers_keep_the_sum(self):
        self.story.read("b", 10, {X: "5 open", Y: "5 open"}, f="sum")
        self.story.read("b", 20, {X: "4 a", Y: "6 a"}, f="sum")
        self.assertEqual(self.story.kinds(), set())

    def test_a_standby_may_not_have_the_accounts_yet(self):
        self.story.read("b", 9, {X: None, Y: None}, f="sum", role="standby")
        self.assertEqual(self.story.kinds(), set())

    def test_a_sum_is_wrong(self):
        self.story.read("b", 20, {X: "5 open", Y: "6 a"}, f="sum")
        self.assertIn("wrong-sum", self.story.kinds())

    def test_a_transaction_makes_money(self):
        self.story.read("b", 20, {X: "4 a", Y: "6 a"}, f="sum")
        self.story.write("a", 30, {X: "9 a"}, f="transfer")
        self.assertEqual(self.story.kinds(), {"money-made"})


if __name__ == "__main__":
    unittest.main()
