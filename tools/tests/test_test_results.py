import tempfile
import unittest
from pathlib import Path

from test_results import CUT_OFF, Results, killed_by_limit, read_ctest

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
        results = self.read("fail", '<failure message="a.cc:1&#x0A;  expected 2"/>')
        self.assertIn("asan: A.Two", results.failed)
        self.assertEqual(results.named("asan: A.Two"), "asan: A.Two: a.cc:1 | expected 2")

    def test_a_process_that_fails_after_its_tests_is_a_failure(self):
        self.assertEqual(len(self.read("fail", "").failed), 3)

    def test_who_was_killed_for_lack_of_time_is_skipped_unless_it_had_found_something(self):
        report = """<testsuite><testcase name="unit.slow" status="fail"><system-out>[ RUN ]</system-out></testcase>
<testcase name="unit.bad" status="fail"><system-out>[  FAILED  ] A.One</system-out></testcase>
<testcase name="unit.crashed" status="fail"><system-out></system-out></testcase></testsuite>"""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "ctest.xml").write_text(report)
            results = read_ctest(Path(folder, "ctest.xml"), Path(folder), "tsan: ",
                                 {"unit.slow", "unit.bad"})
        self.assertEqual(results.skipped, [("tsan: unit.slow", CUT_OFF)])
        self.assertEqual(results.failed, ["tsan: unit.bad", "tsan: unit.crashed"])

    def test_ctest_says_who_was_killed(self):
        console = """1/4 Test  #3: unit.c ..................***Failed    0.01 sec
[HANDLER_OUTPUT]
2/4 Test #11: unit.b ..................
***Timeout   5.05 sec
The following tests FAILED:
\t  3 - unit.c (Failed)
\t 11 - unit.b (Timeout)
"""
        self.assertEqual(killed_by_limit(console), {"unit.b"})

    def test_summary_without_skips(self):
        self.assertEqual(Results(passed=4).summary(), "4 passed, 0 failed")


class RepeatedTest(unittest.TestCase):
    def test_what_passes_the_second_time_is_named(self):
        first = Results(5, ["a", "b"], [("c", "why")])
        after = first.repeated(Results(1, ["b"]))
        self.assertEqual((after.passed, after.failed, after.flaky), (6, ["b"], ["a"]))
        self.assertEqual(after.skipped, first.skipped)

    def test_what_did_not_run_again_has_failed(self):
        first = Results(5, ["a", "b"])
        self.assertEqual(first.repeated(Results(1)).failed, ["a", "b"])

    def test_what_fails_only_the_second_time_has_failed(self):
        self.assertEqual(Results(5, ["a"]).repeated(Results(1, ["b"])).failed, ["b"])
