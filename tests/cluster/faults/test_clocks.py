"""Servers whose clocks are an hour fast and an hour slow, and two takeovers."""

import os
import subprocess
import time
import unittest
from pathlib import Path

import nemeses
from faults.fault_case import FaultCase

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOUR_S = 3600


def wrong_clock(seconds: int) -> dict[str, str]:
    """For the environment. Intervals are measured by a clock that is not changed, as is so when
    somebody sets a machine's clock."""
    # jemalloc asks for the time before libfaketime is ready: the C library's allocator comes first.
    preloaded = ":".join([str(LIBRARIES[0]), "libstdc++.so.6", "libc.so.6"])
    return {"LD_PRELOAD": preloaded, "FAKETIME": f"{seconds:+d}",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def offset(environment: dict[str, str]) -> float:
    """By how much a program's clock is wrong with it."""
    done = subprocess.run(["date", "+%s"], env=os.environ | environment, text=True,
                          capture_output=True)
    return int(done.stdout) - time.time()


class ClockTest(FaultCase):
    def setUp(self):
        if not LIBRARIES:
            self.skipTest("libfaketime is not installed (Debian package faketime)")
        super().setUp()

    def test_clocks(self):
        """Transactions keep their order, which is also that of their ids, with either as primary."""
        fast, slow = wrong_clock(HOUR_S), wrong_clock(-HOUR_S)
        self.assertGreater(offset(fast), HOUR_S - 60)
        self.assertLess(offset(slow), 60 - HOUR_S)
        self.begin(environment={"a": fast, "b": slow})
        for _ in range(2):
            kill = nemeses.Kill(self.primary)
            leader, _ = self.takeover(kill.begin(), f"{kill.says}, whose clock is wrong")
            kill.end()
            self.wait_standby(self.primary)
            self.cluster.wait_in_sync()
            self.wait_commits(time.monotonic())
            self.primary, self.epoch = leader, self.epoch_of(leader)
        self.all_is_well()


if __name__ == "__main__":
    unittest.main()
