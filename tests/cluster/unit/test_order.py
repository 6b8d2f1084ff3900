import unittest

from checkers.final_log import Transaction

from unit.stories import X, Y, Story


class OrderTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()

    def test_the_log_goes_back(self):
        self.story.write("a", 10, {X: "a1"})
        self.story.write("b", 20, {Y: "b1"})
        self.story.edits.append(lambda log: log[::-1])
        self.assertEqual(self.story.kinds(), {"log-order"})

    def test_two_of_the_log_have_one_tid(self):
        self.story.write("a", 10, {X: "a1"})
        self.story.write("b", 20, {Y: "b1"})
        self.story.operations[1].type, self.story.operations[1].tid = "unknown", 0
        self.story.edits.append(lambda log: log + [Transaction(10, "test-b", 1, {Y: "b1"})])
        self.assertIn("log-order", self.story.kinds())

    def test_a_later_commit_has_a_lower_tid(self):
        self.story.write("a", 20, {X: "a1"})
        self.story.write("b", 10, {Y: "b1"})
        self.assertEqual(self.story.kinds(), {"real-time-order"})

    def test_a_client_s_own_commits_go_back(self):
        self.story.write("a", 20, {X: "a1"}, learned=True)
        self.story.write("a", 10, {Y: "a2"}, learned=True, snapshot=0)
        self.assertEqual(self.story.kinds(), {"client-order"})

    def test_what_ends_as_the_other_begins_is_at_the_same_time(self):
        self.story.write("a", 20, {X: "a1"}, begin_ns=100, end_ns=200)
        self.story.write("b", 10, {Y: "b1"}, begin_ns=200, end_ns=300)
        self.assertEqual(self.story.kinds(), set())

    def test_commits_at_the_same_time_have_any_order(self):
        self.story.write("a", 20, {X: "a1"}, begin_ns=100, end_ns=200)
        self.story.write("b", 10, {Y: "b1"}, begin_ns=150, end_ns=300)
        self.assertEqual(self.story.kinds(), set())

    def test_a_copy_that_arrives_late_may_commit_late(self):
        self.story.write("a", 0, {X: "a1"}, type="unknown", snapshot=0)
        self.story.write("a", 10, {Y: "a2"})
        self.story.edits.append(lambda log: log + [Transaction(20, "test-a", 1, {X: "a1"})])
        self.assertEqual(self.story.kinds(), set())

    def test_but_not_before_it_was_sent(self):
        self.story.write("b", 20, {Y: "b1"})
        self.story.write("a", 0, {X: "a1"}, type="unknown", snapshot=0)
        self.story.edits.append(lambda log: [Transaction(10, "test-a", 1, {X: "a1"})] + log)
        self.assertEqual(self.story.kinds(), {"real-time-order"})


if __name__ == "__main__":
    unittest.main()
