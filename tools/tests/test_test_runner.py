"""Which stages run, and what becomes of those there is no time for."""

import contextlib
import io
import unittest
from unittest import mock

import test_runner
from test_results import Results
from test_runner import ALL_STAGES, NEEDED_MINUTES, STAGES, Stage, run_all
from time_budget import OutOfTime, TimeBudget


class RunAllTest(unittest.TestCase):
    def setUp(self):
        self.clock_s = 0.0
        self.budgets: dict[str, TimeBudget] = {}

    def stage(self, name: str, takes_minutes: float, results: Results) -> Stage:
        def action(budget):
            self.budgets[name] = budget
            if takes_minutes * 60 > budget.left_s():
                self.clock_s += budget.left_s()
                raise OutOfTime("no time was left for cmake")
            self.clock_s += takes_minutes * 60
            return results
        return Stage(action, "shown")

    def run_stages(self, limit_minutes: float, **takes_minutes: float) -> Results:
        stages = {name.replace("_", "-"): takes for name, takes in takes_minutes.items()}
        fakes = {name: self.stage(name, takes, Results(passed=1)) for name, takes in stages.items()}
        budget = TimeBudget(limit_minutes * 60, lambda: self.clock_s)
        with mock.patch.dict(STAGES, fakes), contextlib.redirect_stdout(io.StringIO()):
            return run_all(list(stages), budget)

    def test_everything_runs_where_there_is_time(self):
        results = self.run_stages(80, release=12, asan_unit=10, tsan_unit=10)
        self.assertEqual("3 passed, 0 failed", results.summary())
        self.assertFalse(self.budgets["release"].limited())

    def test_what_is_shipped_is_tested_however_long_it_takes(self):
        results = self.run_stages(5, checks=1, release=40)
        self.assertEqual("2 passed, 0 failed", results.summary())

    def test_a_stage_without_time_is_skipped_by_name_and_a_shorter_one_runs(self):
        results = self.run_stages(40, release=12, asan_unit=10, tsan_unit=10, fuzz=3)
        self.assertEqual("3 passed, 0 failed, 1 skipped", results.summary())
        name, reason = results.skipped[0]
        self.assertEqual("tsan-unit", name)
        self.assertIn("./test tsan-unit", reason)

    def test_a_stage_that_runs_out_of_time_is_skipped_by_name(self):
        results = self.run_stages(40, release=12, asan_unit=100, fuzz=3)
        self.assertEqual("1 passed, 0 failed, 2 skipped", results.summary())
        self.assertEqual(["asan-unit", "fuzz"], [name for name, _ in results.skipped])
        self.assertIn("no time was left for cmake", results.skipped[0][1])

    def test_stages_that_may_be_skipped_come_last(self):
        self.assertEqual(tuple(NEEDED_MINUTES), ALL_STAGES[-len(NEEDED_MINUTES):])


class StagesTest(unittest.TestCase):
    def test_without_names_it_is_the_full_run_in_its_order(self):
        self.assertEqual(list(ALL_STAGES), test_runner.stages_of([]))

    def test_a_group_and_a_stage_of_it_run_it_once(self):
        self.assertEqual(["checks", "unit"], test_runner.stages_of(["fast", "unit"]))

    def test_an_unknown_stage_is_named(self):
        with self.assertRaisesRegex(SystemExit, "no stage 'tsann'"):
            test_runner.stages_of(["tsann"])


if __name__ == "__main__":
    unittest.main()
