import unittest

from unit.stories import X, Y, Story


class SessionsTest(unittest.TestCase):
    def setUp(self):
        self.story = Story()
        self.story.write("w", 10, {X: "w1"})
        self.story.write("w", 20, {X: "w2"})

    def test_a_client_s_reads_go_backward(self):
        for role in ("primary", "standby"):
            with self.subTest(role):
                story = Story()
                story.operations = list(self.story.operations)
                story.read("a", 20, {X: "w2"}, role=role)
                story.read("a", 15, {X: "w1"}, role=role)
                self.assertEqual(story.kinds(), {"backward-read"})

    def test_two_clients_may_see_different_moments(self):
        self.story.read("a", 20, {X: "w2"}, role="standby")
        self.story.read("b", 15, {X: "w1"}, role="standby")
        self.assertEqual(self.story.kinds(), set())

    def test_so_may_the_two_connections_of_one(self):
        self.story.read("a", 20, {X: "w2"})
        self.story.read("a", 15, {X: "w1"}, role="standby")
        self.assertEqual(self.story.kinds(), set())

    def test_a_failed_operation_read_backward_too(self):
        self.story.read("a", 20, {X: "w2"})
        self.story.write("a", 0, {Y: "a2"}, snapshot=15, type="fail")
        self.assertEqual(self.story.kinds(), {"backward-read"})

    def test_an_own_write_is_missed(self):
        self.story.write("a", 30, {Y: "a1"}, snapshot=20)
        self.story.read("a", 25, {X: "w2"})
        self.assertEqual(self.story.kinds(), {"own-write-missed"})

    def test_an_own_write_is_missed_by_a_later_read(self):
        self.story.write("a", 30, {Y: "a1"}, snapshot=20)
        self.story.add("a", "read", type="fail")
        self.story.read("a", 25, {X: "w2"})
        self.assertEqual(self.story.kinds(), {"own-write-missed"})

    def test_one_that_was_learned_by_asking_may_be_missed(self):
        self.story.write("a", 30, {Y: "a1"}, snapshot=20, learned=True)
        self.story.read("a", 25, {X: "w2"})
        self.assertEqual(self.story.kinds(), set())

    def test_on_a_standby_only_what_was_waited_for_is_promised(self):
        self.story.write("a", 30, {Y: "a1"}, snapshot=20)
        self.story.read("a", 25, {X: "w2"}, role="standby")
        self.assertEqual(self.story.kinds(), set())
        self.story.read("a", 26, {X: "w2"}, role="standby", at_least=30)
        self.assertEqual(self.story.kinds(), {"at-least-missed"})

    def test_what_was_waited_for_is_enough(self):
        self.story.read("a", 20, {X: "w2"}, role="standby", at_least=20)
        self.assertEqual(self.story.kinds(), set())

    def test_who_asked_for_news_missed_a_commit(self):
        self.story.read("a", 15, {X: "w1"}, synced=True)
        self.assertEqual(self.story.kinds(), {"stale-read"})

    def test_who_asked_for_news_missed_what_another_had_read(self):
        self.story.operations[-1].end_ns = 9_000_000  # the answer to the commit comes late
        self.story.read("a", 20, {X: "w2"}, role="standby")
        self.story.read("b", 15, {X: "w1"}, synced=True)
        self.assertEqual(self.story.kinds(), {"stale-read"})

    def test_who_asked_and_then_failed_has_read_nothing(self):
        self.story.add("a", "read", type="fail", synced=True)
        self.assertEqual(self.story.kinds(), set())

    def test_who_asked_first_of_all_has_nothing_to_miss(self):
        self.story = Story()
        self.story.read("a", 15, {X: None}, synced=True)
        self.assertEqual(self.story.kinds(), set())

    def test_who_did_not_ask_may_be_late(self):
        self.story.read("a", 15, {X: "w1"})
        self.assertEqual(self.story.kinds(), set())

    def test_a_standby_may_be_late_though_it_was_asked(self):
        self.story.read("a", 15, {X: "w1"}, synced=True, role="standby")
        self.assertEqual(self.story.kinds(), set())

    def test_a_commit_lies_before_what_it_read(self):
        self.story.write("a", 30, {Y: "a1"}, snapshot=30)
        self.assertEqual(self.story.kinds(), {"commit-in-the-past"})


if __name__ == "__main__":
    unittest.main()
