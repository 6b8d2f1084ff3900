"""A project of a few ctests, for tests of what runs them."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import ctest_runs

HEAD = """cmake_minimum_required(VERSION 3.25)
project(sample NONE)
enable_testing()
"""
# A test that passes from the second time on, as one that is slow at first.
FAILS_ONCE = 'add_test(NAME slow COMMAND sh -c "test -e tried || { touch tried; exit 1; }")'


class CtestProject(unittest.TestCase):
    """Configured anew for each test, as the preset tsan. PROJECT are the tests in it."""

    PROJECT: str

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = Path(folder.name)
        (root / "CMakeLists.txt").write_text(HEAD + self.PROJECT)
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
