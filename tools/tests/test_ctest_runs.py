"""ctest itself, with tests that take longer than there is time."""

import contextlib
import io
import os
import unittest
from unittest import mock

import ctest_runs
from test_results import CUT_OFF
from tests.ctest_project import FAILS_ONCE, CtestProject
from time_budget import OutOfTime, TimeBudget

PROJECT = """
foreach(name IN ITEMS passes fails)
  add_test(NAME ${name} COMMAND sh -c "sleep 0; test ${name} = passes")
endforeach()
foreach(name IN ITEMS slow slower slowest)
  add_test(NAME ${name} COMMAND sleep 1000)
endforeach()
set_tests_properties(passes fails slow slower slowest PROPERTIES LABELS unit)
set_tests_properties(passes fails PROPERTIES COST 9)
"""


class CtestTest(CtestProject):
    PROJECT = PROJECT

    def test_lack_of_time_fails_nothing_and_hides_no_failure(self):
        results = ctest_runs.run_ctest("tsan", "unit", {}, [], TimeBudget(5))
        self.assertEqual(results.passed, 1)
        self.assertEqual(results.failed, ["tsan: fails"])
        self.assertEqual(sorted(results.skipped),
                         [("tsan: " + name, CUT_OFF) for name in ("slow", "slower", "slowest")])

    def test_a_build_or_tests_without_time_are_told_apart_from_failures(self):
        with self.assertRaises(OutOfTime):
            ctest_runs.run_tests("tsan", ["unit"], budget=TimeBudget(0))
        over = TimeBudget(0)
        with mock.patch.object(ctest_runs, "build", return_value=True):
            results = ctest_runs.run_tests("tsan", ["unit", "sim"], budget=over)
        self.assertEqual(results.summary(), "0 passed, 0 failed, 2 skipped")

    def test_a_test_that_hangs_fails_where_there_was_time(self):
        for path in (ctest_runs.ROOT / "build/tsan").glob("CTestTestfile.cmake"):
            path.write_text(path.read_text() + 'set_tests_properties(slow slower slowest'
                            ' PROPERTIES TIMEOUT 1)\n')
        results = ctest_runs.run_tests("tsan", ["unit"], budget=TimeBudget(300))
        self.assertEqual(sorted(results.failed),
                         ["tsan: " + name for name in ("fails", "slow", "slower", "slowest")])
        self.assertEqual(results.skipped, [])


class RepeatTest(CtestProject):
    PROJECT = FAILS_ONCE + """
add_test(NAME passes COMMAND true)
add_test(NAME broken COMMAND false)
set_tests_properties(passes slow broken PROPERTIES LABELS unit)
"""

    def run_unit(self, environment):
        with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(io.StringIO()):
            return ctest_runs.run_tests("tsan", ["unit"])

    def test_what_fails_runs_once_more_where_that_is_wanted(self):
        results = self.run_unit({ctest_runs.REPEAT_VARIABLE: "1"})
        self.assertEqual((results.passed, results.failed, results.flaky),
                         (2, ["tsan: broken"], ["tsan: slow"]))

    def test_else_it_has_failed(self):
        self.assertEqual(sorted(self.run_unit({ctest_runs.REPEAT_VARIABLE: ""}).failed),
                         ["tsan: broken", "tsan: slow"])


if __name__ == "__main__":
    unittest.main()
