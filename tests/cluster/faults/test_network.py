"""The network itself: what is dropped does not arrive, in that direction only, until it is healed."""

import subprocess
import sys
import unittest

from etcd_cluster import die_with_parent
from network import Host, Network, NftDrops, RouteDrops

PORT = 9000
LISTEN = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", {PORT}))
print("there", flush=True)
while True:
    print(s.recv(100).decode(), flush=True)
"""
SEND = """
import socket, sys
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(),
                                                            (sys.argv[1], %d))
except OSError:
    pass  # there is no way: it is not sent
""" % PORT


class DropsTest(unittest.TestCase):
    def setUp(self):
        self.listening = {}

    def listen(self, host: Host) -> None:
        process = subprocess.Popen([*host.prefix, sys.executable, "-c", LISTEN], text=True,
                                   stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "there\n")
        self.listening[host.name] = process

    def arrives(self, source: Host, target: Host) -> bool:
        """What a third host, which is cut from nobody, sends afterwards arrives in any case."""
        for host, text in ((source, "asked"), (self.witness, "after")):
            host.run(sys.executable, "-c", SEND, target.address, text)
        got = self.listening[target.name].stdout.readline().strip()
        if got == "asked":
            self.assertEqual(self.listening[target.name].stdout.readline().strip(), "after")
        return got == "asked"

    def both(self) -> tuple[bool, bool]:
        return self.arrives(self.one, self.two), self.arrives(self.two, self.one)

    def expect_drops(self, drops) -> None:
        network = Network(drops)
        self.addCleanup(network.close)
        self.one, self.two, self.witness = (network.add(name) for name in ("one", "two", "three"))
        for host in (self.one, self.two):
            self.listen(host)
        self.assertEqual(self.both(), (True, True))
        network.drop([self.one], [self.two])
        self.assertEqual(self.both(), (False, True))
        network.heal()
        self.assertEqual(self.both(), (True, True))
        network.cut([self.one], [self.two])
        self.assertEqual(self.both(), (False, False))
        network.heal()
        self.assertEqual(self.both(), (True, True))

    def test_filters(self):
        probe = Network()
        try:
            works = NftDrops.works(probe.add("probe"))
        finally:
            probe.close()
        if not works:
            self.skipTest("no nft here (Debian package nftables): routes stand in for it")
        self.expect_drops(NftDrops())

    def test_routes(self):
        self.expect_drops(RouteDrops())


if __name__ == "__main__":
    unittest.main()
