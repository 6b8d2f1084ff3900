"""Stock Python ZEO clients commit while the primary is killed."""

import subprocess
import time
import unittest

import nemeses
from faults.fault_case import FaultCase
from network import ROOT
from server_nodes import until
from takeover_demo import PYTHON, Writer

CLIENT = ROOT / "tools/demo_zeo_client.py"
CLIENTS = 2
LIMIT_S = 120
COMMITS = 10


class StockClientsTest(FaultCase):
    def setUp(self):
        if not PYTHON.exists():
            self.skipTest("no stock ZEO clients: tools/python_env.sh zeo-newest installs them")
        super().setUp()

    def start_client(self, name: str) -> Writer:
        writer = Writer(name, [PYTHON, "-W", "ignore", CLIENT, "add", name, self.zeo_addresses()])
        self.addCleanup(writer.kill)
        until(lambda: len(writer.commits) >= COMMITS or writer.process.poll() is not None,
              f"{name} commits", LIMIT_S)
        return writer

    def zeo_addresses(self) -> str:
        return ",".join("%s:%d" % node.zeo_address for node in self.cluster.nodes.values())

    def test_stock_clients(self):
        old = self.begin()
        # One after the other: the first one makes the root object.
        writers = [self.start_client(f"zeo{number}") for number in range(CLIENTS)]
        kill = nemeses.Kill(old)
        at = kill.begin()
        _, native = self.takeover(at, kill.says)
        first = until(lambda: min(filter(None, (writer.first_after(native) for writer in writers)),
                                  default=None), "a stock client commits again", LIMIT_S)
        self.tell(f"first acknowledged commit of a stock ZEO client after {first - at:.2f} s")
        kill.end()
        self.cluster.wait_in_sync()
        again = time.monotonic()
        for writer in writers:
            until(lambda one=writer: one.first_after(again), f"{writer.name} commits", LIMIT_S)
        for writer in writers:
            writer.finish()
        self.check(writers)
        self.all_is_well()

    def check(self, writers: list[Writer]) -> None:
        """Each entry whose commit was acknowledged is there."""
        lines = [commit.line for writer in writers for commit in writer.commits]
        done = subprocess.run([PYTHON, "-W", "ignore", CLIENT, "check", self.zeo_addresses()],
                              text=True, capture_output=True, input="".join(lines),
                              timeout=LIMIT_S)
        self.assertEqual(done.stdout, f"{len(lines)} entries looked up, 0 missing\n", done.stderr)
        self.tell(f"stock ZEO clients: {done.stdout.strip()}")


if __name__ == "__main__":
    unittest.main()
