"""A test with a cluster under load: begin(), then the fault, then all_is_well()."""

import os
import shutil
import tempfile
import time
import unittest
from pathlib import Path

from clients import HistoryClients
from cluster import LIMIT_S, NAMES, Cluster
from network import Network
from server_nodes import Node, until

from faults.acknowledgements import Acknowledgements

# Of each workload, before the fault and after all is whole again.
COMMITS = 50
LOADS = (("bank", "standby"), ("append", "primary"), ("fork", "standby"))
WORKLOADS = tuple(workload for workload, _ in LOADS)
# Whose clients need the primary only: others wait for standbys that are cut off.
OF_PRIMARY = ("append",)
CLIENTS = 2  # of each workload


class FaultCase(unittest.TestCase):
    cluster: Cluster | None = None
    clients: HistoryClients | None = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="zeolite-faults-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.network = Network()
        self.addCleanup(self.network.close)

    def begin(self, **options) -> Node:
        """Starts a cluster (its options) and the load; the primary."""
        self.cluster = Cluster(self.network, self.folder, **options)
        self.addCleanup(self.keep_logs)
        self.addCleanup(self.cluster.close)
        self.cluster.start()
        self.clients = HistoryClients(self.cluster.addresses, self.folder)
        self.addCleanup(self.clients.kill)
        self.acknowledged = Acknowledgements(self.clients.files)
        self.clients.open(*WORKLOADS)
        for workload, role in LOADS:
            self.clients.start(workload, "--read-from", role, "--clients", CLIENTS)
        self.wait_commits(time.monotonic())
        self.primary = self.cluster.nodes[NAMES[0]]
        self.epoch = self.epoch_of(self.primary)
        return self.primary

    # ---- what is waited for -------------------------------------------------------------------------

    def wait_commits(self, after: float, workloads: tuple[str, ...] = WORKLOADS) -> None:
        """Clients of each workload have COMMITS acknowledged that began after this."""
        def enough() -> bool:
            counts = self.acknowledged.begun_after(after)
            return all(counts.get(workload, 0) >= COMMITS for workload in workloads)
        until(enough, f"{COMMITS} more commits of each of {workloads}", LIMIT_S, 0.1)

    def epoch_of(self, node: Node) -> int:
        return until(lambda: node.status().get("epoch"), f"{node.name} answers", LIMIT_S)

    def takeover(self, at: float, says: str, goal_s: float = 5) -> tuple[Node, float]:
        """Waits until another server leads and commits are acknowledged again. The server, and when
        the first one was. The goal is for a quiet machine: that it was missed is only told."""
        leader = self.cluster.wait_primary(other_than=self.primary)
        first = until(lambda: self.acknowledged.first(at, self.epoch),
                      "a commit is acknowledged by the next primary", LIMIT_S)
        seconds = first.end_ns / 1e9 - at
        late = f", more than the goal of {goal_s:.1f} s" if seconds > goal_s else ""
        self.tell(f"{says}: first acknowledged commit after {seconds:.2f} s, by {leader.name}{late}")
        return leader, first.end_ns / 1e9

    def wait_standby(self, node: Node) -> None:
        until(lambda: node.role() == "standby", f"{node.name} is a standby", LIMIT_S)

    # ---- what has to hold -----------------------------------------------------------------------------

    def assert_same_reign(self) -> None:
        status = self.primary.status()
        self.assertEqual((status.get("role"), status.get("epoch")), ("primary", self.epoch))

    def assert_silent_since(self, at: float, what: str) -> None:
        """The first reign answered nothing later: neither a commit nor a read."""
        late = [end - at for end in self.acknowledged.ends_s(self.epoch) if end > at]
        self.assertEqual(late, [], f"the old primary answered after {what}")

    def assert_tail_was_kept(self, node: Node, first_line: int) -> bool:
        """Whoever undoes transactions has written them down; whether it undid some."""
        undone = node.logged("transactions beyond the common history", first_line)
        files = list((node.data / "divergence").glob("*"))
        self.assertEqual(bool(undone), bool(files), node.log_tail())
        return bool(undone)

    def all_is_well(self) -> dict[str, dict]:
        """Everybody is back and equal, and all that clients saw was right; what verify says."""
        self.cluster.wait_in_sync()
        self.wait_commits(time.monotonic())
        self.clients.finish()
        # Nobody commits any more, so who leads now still does when all is read.
        self.cluster.wait_in_sync()
        verdict = self.clients.judge()
        self.assertTrue(verdict.good, verdict.text())
        reports = self.cluster.stop()
        self.assertEqual(len({report["digest"] for report in reports.values()}), 1, str(reports))
        self.assertTrue(all(report["clean"] for report in reports.values()), str(reports))
        report = reports[NAMES[0]]
        self.tell(f"{verdict.counted[0]}; {verdict.counted[1]}; all three have "
                  f"{report['transactions']} transactions, digest {report['digest'][:16]}")
        return reports

    # ---- for people -----------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def logs(self) -> str:
        """What the servers logged, in one order."""
        nodes = self.cluster.nodes.values() if self.cluster else []
        lines = sorted((line.at, node.name, line.text) for node in nodes for line in node.lines)
        return "\n".join(f"{at:12.3f} {name} {text}" for at, name, text in lines)

    def keep_logs(self) -> None:
        folder = os.environ.get("ZEOLITE_FAULT_LOGS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{self.id()}.log").write_text(self.logs())
            for path in self.clients.files if self.clients else []:
                shutil.copy(path, Path(folder) / f"{self.id()}.{path.name}")
