"""Random mixes of faults, of two at a time as well. Each round is a new cluster with a seed of its own.

In the environment: ZEOLITE_FAULT_ROUNDS (15; about a minute each), ZEOLITE_FAULT_SEED (of the first round;
else random, and printed).
"""

import os
import random
import time
import unittest

import nemeses
import power_cut
from cluster import NAMES
from faults import test_clocks
from faults.fault_case import FaultCase

FAULTS = 4  # of a round
LONGEST_S = 8.0
TOGETHER = 0.3  # how often another fault is begun before the first one ends
WRONG_CLOCK = 0.25

PARTITIONS = (nemeses.from_etcd, nemeses.from_standbys, nemeses.from_all, nemeses.deaf_to_etcd,
              nemeses.unheard_by_standbys, nemeses.deaf_to_standbys)


class MixTest(FaultCase):
    def __init__(self, seed: int):
        super().__init__("test_mix")
        self.seed = seed

    def id(self) -> str:
        return f"{super().id()}.{self.seed}"

    def __str__(self) -> str:
        return f"mix of faults, ZEOLITE_FAULT_SEED={self.seed}"

    def test_mix(self):
        self.random = random.Random(self.seed)
        self.disks = {}
        if not power_cut.missing():
            for name in NAMES:
                self.disks[name] = power_cut.LoopDisk(self.folder, name)
                self.addCleanup(self.disks[name].unmount)
        self.begin(disks={name: disk.path for name, disk in self.disks.items()},
                   environment={name: self.clock() for name in NAMES})
        for _ in range(FAULTS):
            self.one_fault()
        self.all_is_well()

    def clock(self) -> dict[str, str]:
        wrong = self.random.random() < WRONG_CLOCK
        seconds = self.random.choice((-1, 1)) * test_clocks.HOUR_S
        return test_clocks.wrong_clock(seconds) if wrong and test_clocks.LIBRARIES else {}

    def one_fault(self) -> None:
        """Or two; then the cluster is whole again."""
        leader = self.cluster.wait_in_sync()
        victims = [leader, *self.cluster.others(leader)]
        if self.random.random() < 0.3:  # the primary is hit most often
            self.random.shuffle(victims)
        under_way = [self.begin_one(victims[0])]
        if self.random.random() < TOGETHER:
            under_way.append(self.begin_one(victims[1]))
        for nemesis in sorted(under_way, key=lambda one: isinstance(one, nemeses.FullDisk)):
            nemesis.end()
        self.cluster.wait_in_sync()

    def begin_one(self, victim):
        nemesis = self.choose(victim)
        seconds = self.random.uniform(0, LONGEST_S)
        self.tell(f"{nemesis.says}, for {seconds:.1f} s")
        nemesis.begin()
        time.sleep(seconds)  # that is how long the fault lasts
        return nemesis

    def choose(self, victim):
        cluster = self.cluster
        kinds = [
            lambda: nemeses.Kill(victim),
            lambda: nemeses.Stop(victim),
            lambda: nemeses.KillWithEtcdLeader(cluster, victim),
            lambda: self.random.choice(PARTITIONS)(cluster, victim),
            lambda: self.random.choice(PARTITIONS)(cluster, victim),
        ]
        if self.disks:
            kinds += [lambda: nemeses.PowerCut(self.disks, [victim]),
                      lambda: nemeses.FullDisk(cluster, self.disks[victim.name], victim)]
        return self.random.choice(kinds)()


def load_tests(loader, tests, pattern):
    rounds = int(os.environ.get("ZEOLITE_FAULT_ROUNDS", "15"))
    first = int(os.environ.get("ZEOLITE_FAULT_SEED", random.randrange(1 << 30)))
    return unittest.TestSuite(MixTest(first + number) for number in range(rounds))


if __name__ == "__main__":
    unittest.main()
