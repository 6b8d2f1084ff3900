"""What a failure under a sanitizer counts for."""

import contextlib
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import ctest_runs
import sanitized_runs
from time_budget import TimeBudget

# A test that is slow at first, one that is broken, one whose child a sanitizer has complained of.
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(sample NONE)
enable_testing()
add_test(NAME passes COMMAND true)
add_test(NAME slow COMMAND sh -c "test -e tried || { touch tried; exit 1; }")
add_test(NAME broken COMMAND false)
add_test(NAME racy COMMAND sh -c "echo 'WARNING: a race' > \\\"\\${TSAN_OPTIONS##*log_path=}.77\\\"")
set_tests_properties(slow PROPERTIES LABELS unit)
set_tests_properties(broken PROPERTIES LABELS sim)
set_tests_properties(racy PROPERTIES LABELS cluster)
"""


class SanitizedRunsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = Path(folder.name)
        (root / "CMakeLists.txt").write_text(PROJECT)
        subprocess.run(["cmake", "-G", "Ninja", "-S", root, "-B", root / "build" / "tsan"], check=True,
                       stdout=subprocess.DEVNULL)
        for name, value in (("ROOT", root), ("JOBS", 2)):
            patch = mock.patch.object(ctest_runs, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        # The programs write to the standard output themselves.
        quiet = mock.patch.object(ctest_runs, "run", lambda command, budget, env=None: budget.run(
            command, cwd=root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        quiet.start()
        self.addCleanup(quiet.stop)

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
