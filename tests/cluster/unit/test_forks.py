import unittest

from unit.stories import X, Y, Story


class ForksTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.story.write("open", 10, {X: "x0", Y: "y0"})
        self.story.write("a", 20, {X: "x1"})
        self.story.write("b", 30, {Y: "y1"})

    def test_reads_in_one_order_are_good(self):
        for value in (("x0", "y0"), ("x1", "y0"), ("x1", "y1")):
            snapshot = {"x0": 10, "x1": 20 if value[1] == "y0" else 30}[value[0]]
            self.story.read("c", snapshot, {X: value[0], Y: value[1]})
        self.assertEqual(self.story.kinds(), set())

    def test_two_readers_see_two_orders(self):
        self.story.read("c", 20, {X: "x1", Y: "y0"})
        self.story.read("d", 30, {X: "x0", Y: "y1"})
        # The tids that were told need not be believed for it.
        self.assertEqual(self.story.kinds(), {"long-fork", "wrong-read"})

    def test_a_value_of_no_transaction_is_read(self):
        self.story.read("c", 30, {X: "x7", Y: "y1"})
        self.assertEqual(self.story.kinds(), {"never-committed", "wrong-read"})


if __name__ == "__main__":
    unittest.main()
