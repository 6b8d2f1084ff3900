"""Power cuts, of the primary and of all servers at once, and a standby whose disk is full."""

import time
import unittest

import nemeses
import power_cut
from cluster import NAMES
from faults.fault_case import OF_PRIMARY, FaultCase
from server_nodes import until


class DiskCase(FaultCase):
    def setUp(self):
        super().setUp()
        why = power_cut.missing()
        if why:
            self.skipTest(why)

    def begin_on_disks(self, *names: str):
        self.disks = {}
        for name in names:
            self.disks[name] = power_cut.LoopDisk(self.folder, name)
            self.addCleanup(self.disks[name].unmount)
        return self.begin(disks={name: disk.path for name, disk in self.disks.items()})


class PowerCutTest(DiskCase):
    def test_power_cut_of_primary(self):
        old = self.begin_on_disks("a")
        cut = nemeses.PowerCut(self.disks, [old])
        self.takeover(cut.begin(), cut.says)
        cut.end()
        self.wait_standby(old)
        self.all_is_well()

    def test_power_cut_of_all(self):
        self.begin_on_disks(*NAMES)
        cut = nemeses.PowerCut(self.disks, list(self.cluster.nodes.values()))
        cut.begin()
        cut.end()
        self.cluster.wait_in_sync()
        self.all_is_well()


class FullDiskTest(DiskCase):
    def test_full_disk_of_standby(self):
        """The primary goes on with the other one; the full one goes on by itself when there is space."""
        primary = self.begin_on_disks("b")
        full = nemeses.FullDisk(self.cluster, self.disks["b"], self.cluster.nodes["b"])
        at = full.begin()
        until(lambda: primary.in_sync() == ["c"], "b is not in sync any more", 60)
        seconds = time.monotonic() - at
        self.wait_commits(time.monotonic(), OF_PRIMARY)
        self.assert_same_reign()
        self.tell(f"{full.says}: it is not in sync any more after {seconds:.2f} s")
        waiting = self.cluster.nodes["b"].process
        full.end()
        self.assertIs(self.cluster.nodes["b"].process, waiting, "it went on by itself")
        self.cluster.wait_in_sync()
        self.assert_same_reign()
        self.all_is_well()


if __name__ == "__main__":
    unittest.main()
