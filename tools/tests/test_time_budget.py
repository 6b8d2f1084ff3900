"""What a run does when its time is over."""

import os
import time
import unittest
from datetime import datetime

from time_budget import DEFAULT_MINUTES, OutOfTime, TimeBudget, minutes_of

# Says who its child is, and waits for it for ever.
PARENT = "sleep 1000 & echo $! >&$REPORT; wait"


def runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class RunTest(unittest.TestCase):
    def test_the_result_is_the_commands(self):
        for budget in (TimeBudget(), TimeBudget(60)):
            self.assertTrue(budget.run(["true"]))
            self.assertFalse(budget.run(["false"]))

    def test_what_takes_longer_is_killed_with_its_children(self):
        child = self.child_of_the_killed()
        began = time.monotonic()
        while runs(child):
            self.assertLess(time.monotonic() - began, 60)
            time.sleep(0.01)

    def child_of_the_killed(self) -> int:
        for limit_s in (0.5, 5, 30):  # a busy machine may not even begin within the first
            reads, writes = os.pipe()
            with self.assertRaises(OutOfTime):
                TimeBudget(limit_s).run(["bash", "-c", PARENT], pass_fds=(writes,),
                                        env=os.environ | {"REPORT": str(writes)})
            os.close(writes)
            with os.fdopen(reads, "rb") as pipe:
                said = pipe.readline()
            if said:
                return int(said)
        return self.fail("the command never began")


class StopTest(unittest.TestCase):
    def test_ctest_is_told_the_time_of_day(self):
        clock = [100.0]
        budget = TimeBudget(90, lambda: clock[0])
        clock[0] = 130.0
        midnight_is_near = datetime(2026, 1, 1, 23, 59, 30)
        self.assertEqual(["--stop-time", "00:00:30"],
                         budget.stop_arguments(lambda: midnight_is_near))

    def test_a_time_that_is_over_is_not_tomorrows(self):
        with self.assertRaises(OutOfTime):
            TimeBudget(0).stop_arguments()

    def test_without_a_limit_nothing_is_stopped(self):
        self.assertEqual([], TimeBudget().stop_arguments())


class MinutesTest(unittest.TestCase):
    def test_the_environment_says_how_long(self):
        self.assertEqual(DEFAULT_MINUTES, minutes_of({}))
        self.assertEqual(80.0, minutes_of({"ZEOLITE_TEST_MINUTES": "80"}))
        for text in ("soon", "-1", "inf", "nan"):
            with self.assertRaisesRegex(ValueError, text):
                minutes_of({"ZEOLITE_TEST_MINUTES": text})


if __name__ == "__main__":
    unittest.main()
