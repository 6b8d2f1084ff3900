"""The primary is killed, alone and with etcd's leader, or stopped for longer than its lease."""

import time
import unittest

import nemeses
from cluster import LEASE_S
from faults.fault_case import FaultCase


class KillTest(FaultCase):
    def test_kill(self):
        old = self.begin()
        kill = nemeses.Kill(old)
        at = kill.begin()
        self.takeover(at, kill.says)
        first_line = len(old.lines)
        kill.end()
        self.wait_standby(old)
        self.all_is_well()
        self.assert_tail_was_kept(old, first_line)


class SupervisedKillTest(FaultCase):
    def test_supervised_kill(self):
        old = self.begin(arguments=("--supervise",))
        at = time.monotonic()
        old.kill_server()
        self.takeover(at, "kill -9 of a, which has a supervisor", goal_s=1.5)
        old.start()
        self.wait_standby(old)
        self.all_is_well()


class EtcdLeaderTest(FaultCase):
    def test_etcd_leader(self):
        old = self.begin()
        kill = nemeses.KillWithEtcdLeader(self.cluster, old)
        at = kill.begin()
        self.takeover(at, kill.says, goal_s=9)
        kill.end()
        self.wait_standby(old)
        self.all_is_well()


class StopTest(FaultCase):
    def test_stop(self):
        """Longer than the lease: when it goes on, another one leads, and it answers nothing."""
        old = self.begin()
        first_line = len(old.lines)
        stop = nemeses.Stop(old)
        at = stop.begin()
        _, first = self.takeover(at, stop.says)
        self.assertGreater(first - at, LEASE_S / 3)
        stop.end()
        self.wait_standby(old)
        self.all_is_well()
        # What it had answered before may have been under way.
        self.assert_silent_since(first, "another one had answered")
        undone = self.assert_tail_was_kept(old, first_line)
        self.tell(f"{old.name} follows; it had {'a tail, which was kept' if undone else 'no tail'}")


if __name__ == "__main__":
    unittest.main()
