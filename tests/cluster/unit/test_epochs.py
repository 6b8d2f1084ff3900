import unittest

from unit.stories import X, Story


class EpochsTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.story.write("w", 10, {X: "w1"}, epoch=1)
        self.story.read("a", 10, {X: "w1"}, epoch=2)

    def test_reigns_that_follow_each_other_are_good(self):
        self.assertEqual(self.story.kinds(), set())

    def test_a_replaced_reign_answers(self):
        self.story.read("b", 10, {X: "w1"}, epoch=1)
        self.assertEqual(self.story.kinds(), {"old-epoch"})

    def test_a_replaced_reign_acknowledges(self):
        self.story.write("b", 20, {X: "b1"}, epoch=1)
        self.assertEqual(self.story.kinds(), {"old-epoch"})

    def test_what_had_begun_before_may_be_answered(self):
        self.story.read("b", 10, {X: "w1"}, epoch=1,
                        begin_ns=self.story.operations[-1].begin_ns + 1)
        self.assertEqual(self.story.kinds(), set())

    def test_a_standby_need_not_know_yet(self):
        self.story.read("b", 10, {X: "w1"}, epoch=1, role="standby")
        self.assertEqual(self.story.kinds(), set())

    def test_but_for_one_client_it_does_not_go_back(self):
        self.story.read("b", 10, {X: "w1"}, epoch=2, role="standby")
        self.story.read("b", 10, {X: "w1"}, epoch=1, role="standby")
        self.assertEqual(self.story.kinds(), {"epoch-backward"})

    def test_the_dump_was_made_by_a_replaced_reign(self):
        final = self.story.final()
        final.epoch = 1
        self.story.final = lambda: final
        self.assertEqual(self.story.kinds(), {"old-final"})


if __name__ == "__main__":
    unittest.main()
