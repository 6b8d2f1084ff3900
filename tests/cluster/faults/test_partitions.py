"""The primary is cut from etcd, from the standbys, from both, and in one direction only. Clients reach
every server all the time."""

import time
import unittest

import nemeses
from cluster import LEASE_S
from faults.fault_case import OF_PRIMARY, FaultCase
from server_nodes import command, until

# Between the end of a lease and the moment when a client has read what was sent before it.
SCHEDULING_S = 2


class ReplacedCase(FaultCase):
    def replaced(self, partition):
        """The primary is cut off, another takes over, and it comes back as a standby. When the cut was,
        who took over, and when that acknowledged the first commit."""
        at = partition.begin()
        leader, first = self.takeover(at, partition.says)
        self.wait_commits(time.monotonic())
        self.assertNotEqual(self.primary.role(), "primary")
        partition.end()
        self.wait_standby(self.primary)
        self.all_is_well()
        return at, leader, first


class FromEtcdTest(ReplacedCase):
    def test_from_etcd(self):
        old = self.begin()
        at, leader, first = self.replaced(nemeses.from_etcd(self.cluster, old))
        self.assert_silent_since(first, f"{leader.name} had acknowledged a commit")
        last = self.acknowledged.ends_s(self.epoch)[-1]
        self.tell(f"its last answer came {last - at:.2f} s after the cut, "
                  f"{first - last:.2f} s before the first of {leader.name}")


class FromAllTest(ReplacedCase):
    def test_from_all(self):
        """It has transactions that nobody confirmed, keeps them aside and undoes them."""
        old = self.begin()
        first_line = len(old.lines)
        at, leader, first = self.replaced(nemeses.from_all(self.cluster, old))
        last = self.acknowledged.ends_s(self.epoch)[-1]
        self.assert_silent_since(first, f"{leader.name} had acknowledged a commit")
        self.assert_silent_since(at + LEASE_S + SCHEDULING_S, "the end of its lease")
        self.tell(f"its last answer came {last - at:.2f} s after the cut")
        self.assertTrue(self.assert_tail_was_kept(old, first_line), "clients were committing")
        shown = command("divergence", "show", old.data / "divergence", "--json")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("history ", shown.stdout, "the tail is of the clients")


class FromStandbysTest(FaultCase):
    def expect_alone(self, partition):
        """The standbys leave the set that may be promoted, nobody takes over, and commits go on."""
        at = partition.begin()
        until(lambda: self.primary.status().get("standbys") is not None
              and self.primary.in_sync() == [], "no standby is in sync", 60)
        alone = time.monotonic()
        self.wait_commits(alone, OF_PRIMARY)
        self.tell(f"{partition.says}: it goes on alone {alone - at:.2f} s later")
        self.assert_same_reign()
        partition.end()
        self.assertEqual(self.cluster.wait_in_sync(), self.primary)
        self.assert_same_reign()
        self.all_is_well()

    def test_from_standbys(self):
        self.begin()
        self.expect_alone(nemeses.from_standbys(self.cluster, self.primary))

    def test_one_way_unheard_by_standbys(self):
        self.begin()
        self.expect_alone(nemeses.unheard_by_standbys(self.cluster, self.primary))

    def test_one_way_deaf_to_standbys(self):
        self.begin()
        self.expect_alone(nemeses.deaf_to_standbys(self.cluster, self.primary))

    def test_one_standby(self):
        """The other one goes on confirming; and may be promoted at once, when the primary dies."""
        old = self.begin()
        away = self.cluster.nodes["c"]
        partition = nemeses.Partition(self.cluster, "a cut from c", self.cluster.hosts_of([old]),
                                      self.cluster.hosts_of([away]))
        partition.begin()
        until(lambda: old.in_sync() == ["b"], "only b is in sync", 60)
        self.wait_commits(time.monotonic(), OF_PRIMARY)
        self.assert_same_reign()
        kill = nemeses.Kill(old)
        leader, _ = self.takeover(kill.begin(), f"{partition.says}, then {kill.says}")
        self.assertEqual(leader.name, "b", "c had not confirmed everything")
        partition.end()
        kill.end()
        self.all_is_well()


class DeafToEtcdTest(FaultCase):
    def test_one_way_deaf_to_etcd(self):
        old = self.begin()
        partition = nemeses.deaf_to_etcd(self.cluster, old)
        leader, first = self.takeover(partition.begin(), partition.says, goal_s=9)
        partition.end()
        self.wait_standby(old)
        self.all_is_well()
        self.assert_silent_since(first, f"{leader.name} had acknowledged a commit")


if __name__ == "__main__":
    unittest.main()
