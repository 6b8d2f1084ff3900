"""A test with servers and clients of its own, all ended with it."""

import tempfile
import unittest
from pathlib import Path

from clients import HistoryClients
from etcd_cluster import free_ports
from server_nodes import Node, Ports, command, until

WORKLOADS = ("bank", "append", "fork")


class ClusterCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.nodes: list[Node] = []

    def node(self, name: str, *arguments: str) -> Node:
        """Started, and killed in the end."""
        node = Node(name, self.folder / name, Ports(*free_ports(3)), list(arguments))
        self.nodes.append(node)
        self.addCleanup(node.kill)
        return node.start()

    def pair(self) -> tuple[Node, Node]:
        """A primary and its standby, in sync."""
        primary = self.node("one")
        standby = self.node("two", "--standby-of", primary.address)
        until(lambda: primary.in_sync() == ["two"], "the standby is in sync", 30)
        return primary, standby

    def clients(self) -> HistoryClients:
        """Of all nodes, each of which must have been started."""
        clients = HistoryClients([node.address for node in self.nodes], self.folder)
        self.addCleanup(clients.kill)
        return clients

    def promote(self, node: Node) -> None:
        """Though acknowledged commits may be missing: whether they are is for the judge to say."""
        done = command("promote", "--at", node.address, "--force")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        until(lambda: node.role() == "primary", f"{node.name} leads", 30)

    def assert_good(self, verdict) -> None:
        self.assertTrue(verdict.good, verdict.text())


def count_lines(path: Path) -> int:
    with open(path, encoding="utf-8") as lines:
        return sum(1 for _ in lines)


def wait_for_operations(clients: HistoryClients, count: int, limit_s: float = 60) -> None:
    """Until each process of clients that is at work has done so many more."""
    files = clients.files[-len(clients.running):]
    goals = {path: count_lines(path) + count for path in files if path.is_file()}
    until(lambda: all(path.is_file() and count_lines(path) >= goals.get(path, count)
                      for path in files), f"{count} more operations of each client process",
          limit_s, 0.1)
