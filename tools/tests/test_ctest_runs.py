"""ctest itself, with tests that take longer than there is time."""

import unittest
from unittest import mock

import ctest_runs
from test_results import CUT_OFF
from tests.ctest_project import CtestProject
from time_budget import OutOfTime, TimeBudget

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(sample NONE)
enable_testing()
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


if __name__ == "__main__":
    unittest.main()
