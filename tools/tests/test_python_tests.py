"""How the drivers of tests/python are asked for tests again."""

import unittest

from python_tests import named


class NamedTest(unittest.TestCase):
    def test_our_own_are_named_with_their_module(self):
        self.assertEqual(named(["interop test_a.B.test_c (i=1)", "interop test_a.B.test_c (i=2)"]),
                         ["test_a.B.test_c"])
        self.assertEqual(named(["interop msgpack test_a.B.test_c"]), ["--msgpack", "test_a.B.test_c"])

    def test_those_of_the_packages_by_an_expression(self):
        self.assertEqual(named(["zeo-suites pickle ZEO.tests.testZEO.FileStorageTests.checkA",
                                "zeo-suites msgpack ZEO.tests.testZEO.MiscTests.testB"]),
                         ["--test", r"\b(checkA|testB)\b"])

    def test_what_is_no_test_is_not_run_again(self):
        for name in ("run_interop.py (it wrote no report)", "interop setUpClass (test_a.B)",
                     "zeo-suites pickle .FileStorageTests (its process failed)"):
            self.assertEqual(named(["interop test_a.B.test_c", name]), [])


if __name__ == "__main__":
    unittest.main()
