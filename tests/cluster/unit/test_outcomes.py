import unittest

from checkers.final_log import Transaction

from unit.stories import X, Y, Story


class OutcomesTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.first = self.story.write("a", 10, {X: "a1"})
        self.second = self.story.write("b", 20, {Y: "b1"})

    def test_what_was_told_and_is_there_is_good(self):
        self.assertEqual(self.story.kinds(), set())

    def test_an_acknowledged_transaction_is_lost(self):
        self.story.edits.append(lambda log: log[1:])
        self.assertEqual(self.story.kinds(), {"lost"})
        self.assertIn("write 1 of test-a (0.000 to 0.001 s) was acknowledged as transaction "
                      "000000000000000a", self.story.text())

    def test_it_is_there_with_another_tid(self):
        self.second.tid = 21
        self.story.edits.append(lambda log: [log[0], Transaction(20, "test-b", 1, {Y: "b1"})])
        self.assertEqual(self.story.kinds(), {"wrong-tid"})

    def test_no_tid_was_told(self):
        self.second.tid = 0
        self.story.edits.append(lambda log: [log[-1], Transaction(20, "test-b", 1, {Y: "b1"})])
        self.assertIn("wrong-tid", self.story.kinds())

    def test_what_failed_is_there(self):
        self.second.type = "fail"
        self.story.edits.append(lambda log: log + [Transaction(20, "test-b", 1, {Y: "b1"})])
        self.assertEqual(self.story.kinds(), {"failed-is-there"})

    def test_what_failed_is_not_there(self):
        self.second.type = "fail"
        self.assertEqual(self.story.kinds(), set())

    def test_what_is_unknown_may_be_there_or_not(self):
        self.second.type, self.second.tid = "unknown", 0
        self.assertEqual(self.story.kinds(), set())
        self.story.edits.append(lambda log: log + [Transaction(20, "test-b", 1, {Y: "b1"})])
        self.assertEqual(self.story.kinds(), set())

    def test_it_was_committed_twice(self):
        self.story.edits.append(lambda log: log + [Transaction(30, "test-b", 1, {Y: "b1"})])
        self.assertEqual(self.story.kinds(), {"committed-twice"})

    def test_what_is_unknown_was_committed_twice(self):
        self.second.type, self.second.tid = "unknown", 0
        self.story.edits.append(lambda log: log + [Transaction(20, "test-b", 1, {Y: "b1"}),
                                                   Transaction(30, "test-b", 1, {Y: "b1"})])
        self.assertEqual(self.story.kinds(), {"committed-twice"})

    def test_other_values_are_there(self):
        self.story.edits.append(lambda log: [log[0], Transaction(20, "test-b", 1, {Y: "b2"})])
        self.assertEqual(self.story.kinds(), {"wrong-content"})

    def test_half_of_a_transaction_is_there(self):
        self.story.write("a", 30, {X: "a2", Y: "a2"})
        self.story.edits.append(lambda log: log[:2] + [Transaction(30, "test-a", 2, {X: "a2"})])
        self.assertEqual(self.story.kinds(), {"wrong-content"})

    def test_one_tid_was_told_twice(self):
        self.second.tid, self.second.snapshot = 10, 9
        self.assertTrue({"shared-tid", "real-time-order"} <= self.story.kinds())

    def test_nobody_did_it(self):
        self.story.edits.append(lambda log: log + [Transaction(30, "test-b", 9, {Y: "b9"})])
        self.assertEqual(self.story.kinds(), {"no-author"})

    def test_what_a_killed_client_was_doing_may_be_there(self):
        self.story.edits.append(lambda log: log + [Transaction(30, "test-b", 2, {Y: "b2"})])
        self.assertEqual(self.story.kinds(), set())

    def test_also_when_it_was_its_first_operation(self):
        self.story.edits.append(lambda log: log + [Transaction(30, "test-c", 1, {Y: "c1"})])
        self.assertEqual(self.story.kinds(), set())

    def test_a_client_of_another_process_did_it(self):
        self.story.edits.append(lambda log: log + [Transaction(30, "other-c", 1, {Y: "c1"})])
        self.assertEqual(self.story.kinds(), {"no-author"})

    def test_an_element_is_in_two_places(self):
        self.story.append("c", 30, {"l": []}, {"l": [1]})
        self.story.append("c", 40, {"l": [1]}, {"l": [2]})
        self.story.edits.append(lambda log: log[:-1] + [
            Transaction(40, "test-c", 2, {"l": "1 1 2"})])
        self.assertIn("element-twice", self.story.kinds())


if __name__ == "__main__":
    unittest.main()
