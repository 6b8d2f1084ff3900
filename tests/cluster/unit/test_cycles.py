import unittest

from checkers import cycles
from checkers.dependencies import Dependencies
from checkers.final_log import Transaction, with_unrecorded
from checkers.graph import components, shortest_cycle

from unit.stories import X, Y, Story


class CyclesTest(unittest.TestCase):
    """Tids and snapshots are made up: what is checked are the lists' contents."""

    def setUp(self):
        self.story = Story()

    def kinds(self, lists: dict[str, str]) -> set[str]:
        """With these lists in the end."""
        self.story.edits.append(
            lambda log: log + [Transaction(1000, "test-x", 0, lists)])
        history = self.story.history()
        return {v.kind for v in cycles.check(history, self.story.final())}

    def test_what_happens_one_after_the_other_is_good(self):
        self.story.append("a", 10, {X: [], Y: []}, {X: [1], Y: [2]})
        self.story.append("b", 20, {X: [1]}, {X: [3, 4]})
        self.story.read_lists("c", 20, {X: [1, 3, 4], Y: [2]})
        self.story.read_lists("c", 10, {X: [1], Y: [2]})
        self.assertEqual(self.kinds({X: "1 3 4", Y: "2"}), set())

    def test_write_skew_is_allowed(self):
        self.story.append("a", 10, {X: [], Y: []}, {X: [1]})
        self.story.append("b", 20, {X: [], Y: []}, {Y: [2]})
        self.assertEqual(self.kinds({X: "1", Y: "2"}), set())

    def test_but_not_when_what_was_read_is_checked(self):
        self.story.append("a", 10, {X: [], Y: []}, {X: [1]}, current=[Y])
        self.story.append("b", 20, {X: [], Y: []}, {Y: [2]}, current=[X])
        self.assertEqual(self.kinds({X: "1", Y: "2"}), {"G2"})

    def test_one_of_two_checks_is_not_enough(self):
        self.story.append("a", 10, {X: [], Y: []}, {X: [1]}, current=[Y])
        self.story.append("b", 20, {X: [], Y: []}, {Y: [2]})
        self.assertEqual(self.kinds({X: "1", Y: "2"}), set())

    def test_G0_two_overwrite_each_other(self):
        self.story.append("a", 10, {X: [], Y: [2]}, {X: [1], Y: [4]})
        self.story.append("b", 20, {X: [1], Y: []}, {X: [3], Y: [2]})
        self.assertEqual(self.kinds({X: "1 3", Y: "2 4"}), {"G0"})

    def test_G1a_what_did_not_commit_is_read(self):
        self.story.append("a", 0, {X: []}, {X: [1]}, type="fail", snapshot=5)
        self.story.append("b", 20, {X: [1]}, {X: [2]})
        self.assertEqual(self.kinds({X: "1 2"}), {"G1a"})

    def test_G1b_half_of_what_was_appended_is_read(self):
        self.story.append("a", 10, {X: []}, {X: [1, 2]})
        self.story.read_lists("b", 10, {X: [1]})
        self.assertIn("G1b", self.kinds({X: "1 2"}))

    def test_G1c_two_read_each_other(self):
        self.story.append("a", 10, {X: [], Y: [2]}, {X: [1]})
        self.story.append("b", 20, {X: [1], Y: []}, {Y: [2]})
        self.assertEqual(self.kinds({X: "1", Y: "2"}), {"G1c"})

    def test_G_single_a_reader_sees_one_of_two_writes(self):
        self.story.append("a", 10, {X: [], Y: []}, {X: [1], Y: [2]})
        self.story.read_lists("b", 20, {X: [1], Y: []})
        self.assertEqual(self.kinds({X: "1", Y: "2"}), {"G-single"})

    def test_G_single_an_update_is_lost(self):
        self.story.append("a", 10, {X: []}, {X: [1]})
        self.story.append("b", 20, {X: []}, {X: [2]})
        self.assertEqual(self.kinds({X: "1 2"}), {"G-single"})

    def test_a_failed_operation_saw_one_of_two_writes(self):
        self.story.append("a", 10, {X: [], Y: []}, {X: [1], Y: [2]})
        self.story.append("b", 0, {X: [1], Y: []}, {X: [3]}, type="fail", snapshot=20)
        self.assertEqual(self.kinds({X: "1", Y: "2"}), {"G-single"})

    def test_long_fork_is_a_cycle_of_anti_dependencies_that_are_not_adjacent(self):
        self.story.append("a", 10, {X: []}, {X: [1]})
        self.story.append("b", 20, {Y: []}, {Y: [2]})
        self.story.read_lists("c", 20, {X: [1], Y: []})
        self.story.read_lists("d", 20, {X: [], Y: [2]})
        self.assertEqual(self.kinds({X: "1", Y: "2"}), {"G-nonadjacent"})

    def test_lists_are_read_in_different_orders(self):
        self.story.append("a", 10, {X: []}, {X: [1]})
        self.story.append("b", 20, {X: [1]}, {X: [2]})
        self.story.read_lists("c", 20, {X: [2]})
        self.assertEqual(self.kinds({X: "1 2"}), {"incompatible-order"})

    def test_what_was_read_is_not_there_in_the_end(self):
        self.story.append("a", 10, {X: []}, {X: [1]})
        self.story.append("b", 20, {X: [1]}, {X: [2]})
        self.story.read_lists("c", 20, {X: [1, 2]})
        self.story.edits.append(lambda log: [])
        self.assertEqual(self.kinds({X: "1 3"}), {"incompatible-order"})

    def test_a_number_of_nobody_is_read(self):
        self.story.append("a", 10, {X: [7]}, {X: [1]})
        self.assertEqual(self.kinds({X: "7 1"}), {"never-committed"})

    def test_a_number_is_read_in_a_list_it_was_not_appended_to(self):
        self.story.append("a", 10, {X: []}, {X: [1]})
        self.story.append("b", 20, {Y: [1]}, {Y: [2]})
        self.assertEqual(self.kinds({X: "1", Y: "1 2"}), {"never-committed"})

    def test_what_a_killed_client_did_in_the_bank_is_no_list(self):
        self.story.append("a", 10, {X: []}, {X: [1]})
        self.story.edits.append(lambda log: log + [
            Transaction(20, "test-a", 2, {Y: "-3 test-a/2"})])
        self.story.read("b", 20, {Y: "-3 test-a/2"})
        final = self.story.final()
        history = with_unrecorded(self.story.history(), final)
        self.assertEqual(list(cycles.check(history, final)), [])

    def test_what_a_killed_client_appended_counts(self):
        self.story.append("a", 10, {X: [], Y: []}, {X: [1], Y: [2]})
        self.story.append("a", 20, {X: [1], Y: [2]}, {X: [3], Y: [4]})
        self.story.read_lists("b", 20, {X: [1, 3], Y: [2]})
        killed = self.story.operations.pop(1)
        self.story.edits.append(lambda log: log + [
            Transaction(20, killed.client, killed.seq, killed.writes)])
        final = self.story.final()
        history = with_unrecorded(self.story.history(), final)
        self.assertEqual({v.kind for v in cycles.check(history, final)}, {"G-single"})

    def test_a_verdict_names_all_of_the_cycle(self):
        self.story.append("a", 10, {X: [], Y: []}, {X: [1], Y: [2]})
        self.story.read_lists("b", 10, {X: [1], Y: []})
        self.assertIn("G-single: append 1 of test-a (0.000 to 0.001 s) was read by read 1 of test-b "
                      "(0.002 to 0.003 s); read 1 of test-b (0.002 to 0.003 s) did not see "
                      "append 1 of test-a", self.story.text())


class GraphTest(unittest.TestCase):
    def test_components_are_those_with_cycles(self):
        edges = [[1], [2], [0, 3], [4], [], [5]]
        self.assertEqual(sorted(map(sorted, components(edges))), [[0, 1, 2], [5]])

    def test_the_shortest_cycle_is_found(self):
        edges = [[1], [2, 3], [0], [1]]
        self.assertEqual(shortest_cycle(edges, [0, 3, 1, 2]), [3, 1])

    def test_long_chains_do_not_exhaust_the_stack(self):
        edges = [[i + 1] for i in range(50_000)] + [[0]]
        self.assertEqual(len(components(edges)), 1)

    def test_no_cycle_is_none(self):
        self.assertEqual(list(cycles.find_cycles(None, Dependencies())), [])


if __name__ == "__main__":
    unittest.main()
