"""How long a run of the tests may take, and ending what would take longer."""

import os
import signal
import subprocess
import time
from datetime import datetime, timedelta
from typing import Mapping

VARIABLE = "ZEOLITE_TEST_MINUTES"
DEFAULT_MINUTES = 20.0
# ctest takes a time of day in whole seconds: one that has passed already would be tomorrow's.
LEAST_S = 2.0


class OutOfTime(Exception):
    """The text says what was given up."""


class TimeBudget:
    def __init__(self, limit_s: float = float("inf"), now=time.monotonic):
        self._now = now
        self._ends = now() + limit_s

    def left_s(self) -> float:
        """Infinite without a limit; below zero when it is over."""
        return self._ends - self._now()

    def limited(self) -> bool:
        return self._ends != float("inf")

    def run(self, command, **options) -> bool:
        """Whether it succeeded. When the time is over, all it started is killed: OutOfTime."""
        process = subprocess.Popen(command, start_new_session=self.limited(), **options)
        try:
            timeout_s = max(self.left_s(), 0) if self.limited() else None
            return process.wait(timeout_s) == 0
        except subprocess.TimeoutExpired:
            raise OutOfTime(f"no time was left for {os.path.basename(str(command[0]))}") from None
        finally:
            if process.poll() is None:
                if self.limited():  # and so leads a process group
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def stop_arguments(self, time_of_day=datetime.now) -> list[str]:
        """For ctest: it kills what runs when the time is over, and begins nothing more."""
        if not self.limited():
            return []
        if self.left_s() < LEAST_S:
            raise OutOfTime("no time was left for its tests")
        stop = time_of_day() + timedelta(seconds=self.left_s())
        return ["--stop-time", f"{stop:%H:%M:%S}"]


def minutes_of(environment: Mapping[str, str]) -> float:
    """What the whole run may take; ValueError with a text for the user."""
    text = environment.get(VARIABLE, "")
    if not text:
        return DEFAULT_MINUTES
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < float("inf"):
        raise ValueError(f"{VARIABLE} is '{text}': it takes a number of minutes")
    return minutes
