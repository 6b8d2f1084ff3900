import tempfile
import unittest
from pathlib import Path

from test_results import Results, read_ctest

CTEST = """<testsuite>
<testcase name="unit.base" status="{base}"/><testcase name="examples.bank" status="run"/>
<testcase name="unit.crashed" status="fail"><failure/></testcase>
<testcase name="package" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
<system-out>looking\nno cmake\n</system-out></testcase>
<testcase name="missing" status="notrun"><skipped message="Unable to find executable"/></testcase>
</testsuite>"""
GTEST = """<testsuites><testsuite>
<testcase classname="A" name="One" status="run" result="completed"/>
<testcase classname="A" name="Two" status="run" result="completed">{failure}</testcase>
<testcase classname="A" name="Three" status="run" result="skipped"><skipped message="a.cc:3&#x0A;no namespaces"/></testcase>
<testcase classname="A" name="Four" status="notrun" result="suppressed"/>
</testsuite></testsuites>"""


class ReadCtestTest(unittest.TestCase):
    def read(self, base: str, failure: str) -> Results:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "ctest.xml").write_text(CTEST.format(base=base))
            Path(folder, "base_tests.xml").write_text(GTEST.format(failure=failure))
            return read_ctest(Path(folder, "ctest.xml"), Path(folder), "asan: ")

    def test_gtest_executables_count_as_their_tests(self):
        results = self.read("run", "")
        self.assertEqual(results.passed, 3)
        self.assertEqual(results.failed, ["asan: unit.crashed", "asan: missing"])
        self.assertEqual(results.skipped,
                         [("asan: A.Three", "no namespaces"), ("asan: package", "no cmake")])
        self.assertEqual(results.summary(), "3 passed, 2 failed, 2 skipped")

    def test_failures_are_named(self):
        self.assertIn("asan: A.Two", self.read("fail", "<failure/>").failed)

    def test_a_process_that_fails_after_its_tests_is_a_failure(self):
        self.assertEqual(len(self.read("fail", "").failed), 3)

    def test_summary_without_skips(self):
        self.assertEqual(Results(passed=4).summary(), "4 passed, 0 failed")
