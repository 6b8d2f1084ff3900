#!/usr/bin/env python3
"""Runs tests of `faults`, each with a cluster of its own in network namespaces.

    run_faults.py NAME...      faults.test_servers, faults.test_servers.KillTest, ...

In the environment: ZEOLITE_BINARY, ZEOLITE_HISTORY_CLIENT, ZEOLITE_FAULT_LOGS (a folder for the
servers' logs and the histories), ZEOLITE_FAULT_SECONDS and ZEOLITE_FAULT_SEED (of the random mix).
Exit status: 0 passed, 1 failed, 3 nothing could be run here: the last line says why.
"""

import shutil
import sys
import unittest

import clients
import network  # finds the modules of tools

import server_nodes

SKIPPED = 3


class Told(unittest.TextTestResult):
    """With the servers' logs of what failed."""

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell(test)

    def addError(self, test, err):
        super().addError(test, err)
        self.tell(test)

    def tell(self, test):
        if hasattr(test, "logs"):
            print(f"--- what the servers of {test.id()} logged\n{test.logs()}", flush=True)


def missing() -> str:
    if shutil.which("etcd") is None:
        return "etcd is not installed (Debian package etcd-server)"
    for program in (clients.program(), server_nodes.program()):
        if shutil.which(program) is None:
            return f"there is no {program}: build the release preset"
    return network.missing()


def main(names: list[str]) -> int:
    why = missing()
    if why:
        print(why)
        return SKIPPED
    network.enter()
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, descriptions=False,
                                     resultclass=Told).run(suite)
    if not result.wasSuccessful():
        return 1
    if result.testsRun == len(result.skipped):
        print("; ".join(sorted({why for _, why in result.skipped})) or "there is no such test")
        return SKIPPED if result.skipped else 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: run_faults.py NAME...")
    sys.exit(main(sys.argv[1:]))
