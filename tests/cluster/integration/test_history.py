"""The history clients against servers, and their judges: good when nothing went wrong, also over a
takeover; and not when the cluster really lost something, or the dump was tampered with."""

import json
import os
import signal
import unittest

from check_history import check_files
from checkers.history import read_history

from integration.cluster_case import WORKLOADS, ClusterCase, wait_for_operations
from server_nodes import until


class OneServerTest(ClusterCase):
    def test_every_workload_is_good_and_what_is_taken_away_is_noticed(self):
        self.node("one")
        clients = self.clients()
        clients.open(*WORKLOADS)
        for workload in WORKLOADS:
            clients.start(workload, seconds=2)
        clients.wait()
        verdict = clients.judge()
        self.assert_good(verdict)
        history = read_history(clients.files)
        self.assertGreater(sum(op.acknowledged for op in history.operations), 100)
        self.assertTrue(any(op.type == "fail" for op in history.operations), "no conflict at all")
        self.tamper(clients)

    def tamper(self, clients):
        """Each line of the dump that goes, or changes places, is a violation."""
        final = clients.folder / "final"
        head, *transactions, end = final.read_text().splitlines(True)
        middle = len(transactions) // 2
        for name, lines, kind in (
                ("the first is missing", transactions[1:], "lost"),
                ("one is missing", transactions[:middle] + transactions[middle + 1:], "lost"),
                ("the last is missing", transactions[:-1], "lost"),
                ("one is there twice", [*transactions, self.with_tid(transactions[middle], head)],
                 "committed-twice"),
                ("two changed places", [*transactions[:middle], transactions[middle + 1],
                                        transactions[middle], *transactions[middle + 2:]],
                 "log-order")):
            with self.subTest(name):
                final.write_text(head + "".join(lines)
                                 + json.dumps({"transactions": len(lines)}) + "\n")
                self.assertIn(kind, check_files(clients.files, final).kinds())
        self.assertIn("transactions", end)

    @staticmethod
    def with_tid(line: str, head: str) -> str:
        """The transaction once more, as the newest."""
        visible = json.loads(head)["visible"]
        return json.dumps(json.loads(line) | {"tid": f"{int(visible, 16) + 1:016x}"}) + "\n"

    def test_a_cluster_that_is_dead_does_not_hold_a_client_up(self):
        node = self.node("one")
        clients = self.clients()
        clients.open("bank")
        clients.start("bank")
        wait_for_operations(clients, 20)
        os.kill(node.process.pid, signal.SIGSTOP)
        clients.finish()
        os.kill(node.process.pid, signal.SIGCONT)
        self.assert_good(clients.judge())


class TakeoverTest(ClusterCase):
    def test_a_killed_primary_and_its_successor_keep_every_promise(self):
        primary, standby = self.pair()
        clients = self.clients()
        clients.open(*WORKLOADS)
        for workload in WORKLOADS:
            clients.start(workload, "--read-from", "standby", "--clients", 3)
        wait_for_operations(clients, 60)
        primary.kill()
        self.promote(standby)
        wait_for_operations(clients, 60)
        primary.arguments = ["--standby-of", standby.address]
        primary.start()
        until(lambda: standby.in_sync() == ["one"], "the old primary follows", 30)
        wait_for_operations(clients, 30)
        clients.finish()
        self.assert_good(clients.judge())
        operations = read_history(clients.files).operations
        self.assertEqual(len({op.epoch for op in operations if op.epoch and op.writes}), 2)
        self.assertTrue(any(op.role == "standby" and op.snapshot for op in operations))

    def test_what_was_lost_by_force_is_noticed(self):
        """The standby is stopped until the primary goes on alone, and then promoted by force."""
        primary, standby = self.pair()
        clients = self.clients()
        clients.open(*WORKLOADS)
        for workload in WORKLOADS:
            clients.start(workload, "--clients", 2)
        wait_for_operations(clients, 20)
        os.kill(standby.process.pid, signal.SIGSTOP)
        until(lambda: primary.in_sync() == [], "the primary goes on alone", 30)
        wait_for_operations(clients, 20)
        primary.kill()
        os.kill(standby.process.pid, signal.SIGCONT)
        self.promote(standby)
        wait_for_operations(clients, 20)
        clients.finish()
        verdict = clients.judge([standby.address])
        self.assertIn("lost", verdict.kinds(), verdict.text())
        self.assertIn("wrong-read", verdict.kinds(), verdict.text())


if __name__ == "__main__":
    unittest.main()
