"""What a failure under a sanitizer counts for."""

import contextlib
import io
import unittest

import sanitized_runs
from tests.ctest_project import FAILS_ONCE, CtestProject
from time_budget import TimeBudget

# A test that is slow at first, one that is broken, one whose child a sanitizer has complained of.
PROJECT = FAILS_ONCE + """
add_test(NAME passes COMMAND true)
add_test(NAME broken COMMAND false)
add_test(NAME racy COMMAND sh -c "echo 'WARNING: a race' > \\\"\\${TSAN_OPTIONS##*log_path=}.77\\\"")
set_tests_properties(slow PROPERTIES LABELS unit)
set_tests_properties(broken PROPERTIES LABELS sim)
set_tests_properties(racy PROPERTIES LABELS cluster)
"""


class SanitizedRunsTest(CtestProject):
    PROJECT = PROJECT

    def run_label(self, label, budget=TimeBudget()):
        with contextlib.redirect_stdout(io.StringIO()):
            return sanitized_runs.run_label("tsan", label, {}, [], budget)

    def test_what_fails_without_a_report_is_tried_again(self):
        self.assertEqual(self.run_label("unit").summary(), "1 passed, 0 failed")
        self.assertEqual(self.run_label("sim").failed, ["tsan: broken"])

    def test_nothing_is_tried_again_without_time(self):
        self.assertEqual(self.run_label("unit", TimeBudget(100)).failed, ["tsan: slow"])

    def test_a_report_of_any_process_is_a_failure(self):
        results = self.run_label("cluster")
        self.assertEqual(results.passed, 1)
        self.assertEqual(results.failed, ["tsan: sanitizer.77: WARNING: a race"])


if __name__ == "__main__":
    unittest.main()
