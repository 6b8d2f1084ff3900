"""Runs the interoperability tests (interop/) and writes what came of each.

    python tests/python/run_interop.py [--server zeolite|python] [--msgpack] [--json FILE] [NAME...]

NAME is a module, or module.Class.test; default: all. Python of build/python/zeo-newest. In the
environment: ZEOLITE_BINARY, ZEOLITE_KILL_ROUNDS (3), ZEOLITE_TEST_LONG (seconds, for long runs).
"""

import argparse
import json
import os
import pathlib
import sys
import time
import unittest
import warnings

import zeo_servers

HERE = pathlib.Path(__file__).resolve().parent


class Collected(unittest.TextTestResult):
    """Also counts, names and times."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.passed = 0
        self.seconds = {}

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        self.seconds[test.id()] = time.monotonic() - self.started
        super().stopTest(test)

    def addSuccess(self, test):
        self.passed += 1
        super().addSuccess(test)


def parse_options():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--server", choices=sorted(zeo_servers.SERVERS), default="zeolite")
    p.add_argument("--msgpack", action="store_true", help="the server announces M5")
    p.add_argument("--json", help="file for the result")
    p.add_argument("names", nargs="*")
    return p.parse_args()


def last_lines(text):
    """Of a traceback: where the test was, and what it met."""
    lines = text.strip().splitlines()
    places = [line for line in lines if "/interop/test_" in line]
    return "\n".join([*(pathlib.Path(place.split('"')[1]).name + place.split('"')[2]
                        for place in places[-1:]), *lines[-1:]])


def main():
    options = parse_options()
    os.environ["ZEOLITE_TEST_SERVER"] = options.server
    os.environ["ZEOLITE_TEST_MSGPACK"] = "1" if options.msgpack else ""
    os.environ["PYTHONWARNINGS"] = "ignore"  # also of the processes that tests start
    os.environ["PYTHONPATH"] = str(HERE / "interop")
    sys.path.insert(0, str(HERE / "interop"))
    warnings.simplefilter("ignore")
    loader = unittest.TestLoader()
    if options.names:
        suite = loader.loadTestsFromNames(options.names)
    else:
        suite = loader.discover(str(HERE / "interop"), top_level_dir=str(HERE / "interop"))
    runner = unittest.TextTestRunner(sys.stdout, resultclass=Collected, verbosity=2,
                                     warnings="ignore")
    result = runner.run(suite)
    slowest = sorted(result.seconds.items(), key=lambda item: -item[1])[:5]
    print("slowest:", ", ".join(f"{name} {seconds:.0f} s" for name, seconds in slowest))
    if options.json:
        label = "interop msgpack" if options.msgpack else "interop"
        # A test may fail in several of its parts, and in its end.
        failed = {f"{label} {test.id()}": last_lines(text)
                  for test, text in result.failures + result.errors}
        skipped = [(f"{label} {test.id()}", reason) for test, reason in result.skipped]
        outcome = {"passed": result.passed, "failed": list(failed), "skipped": skipped,
                   "why": failed}
        pathlib.Path(options.json).write_text(json.dumps(outcome, indent=1))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
