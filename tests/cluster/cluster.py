"""Three servers and three etcd, each on a host of its own, and what may be asked of them."""

import json
from pathlib import Path

from network import Host, Network

from etcd_cluster import EtcdCluster, Place
from server_nodes import Node, NodeError, Ports, command, until

NAMES = ("a", "b", "c")
CLUSTER = "faults"
LEASE_S = 3
# A takeover takes seconds; a machine may be very busy.
LIMIT_S = 90
VERIFY_LIMIT_S = 120
PORTS = Ports(8090, 8100, 8101)


class Cluster:
    """`disks`: where the named servers keep their data, if not in the folder. `environment`: of the
    named servers. Whoever makes one calls close()."""

    def __init__(self, network: Network, folder: Path, disks: dict[str, Path] | None = None,
                 environment: dict[str, dict[str, str]] | None = None,
                 arguments: tuple[str, ...] = ()):
        self.network = network
        self.etcd_hosts = [network.add(f"e{index}") for index in range(3)]
        self.etcd = EtcdCluster(folder, places=[Place(host.address, tuple(host.prefix))
                                                for host in self.etcd_hosts])
        self.hosts: dict[str, Host] = {name: network.add(name) for name in NAMES}
        self.nodes: dict[str, Node] = {}
        for name, host in self.hosts.items():
            self.nodes[name] = Node(
                name, (disks or {}).get(name, folder) / name, PORTS,
                ["--etcd", self.etcd.urls, "--cluster", CLUSTER, "--lease", str(LEASE_S),
                 *arguments],
                (environment or {}).get(name, {}), host.address, host.prefix)

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.nodes.values()]

    def start(self) -> None:
        """a leads, b and c are in sync."""
        if not self.etcd.start():
            raise NodeError("etcd did not start")
        self.nodes["a"].start()
        until(lambda: self.nodes["a"].role() == "primary", "a leads", LIMIT_S)
        for name in NAMES[1:]:
            self.nodes[name].start()
        self.wait_in_sync()

    def others(self, node: Node) -> list[Node]:
        return [other for other in self.nodes.values() if other is not node]

    def hosts_of(self, nodes: list[Node]) -> list[Host]:
        return [self.hosts[node.name] for node in nodes]

    def primary(self) -> Node | None:
        """Who says so, of the latest epoch."""
        said = {name: node.status() for name, node in self.nodes.items() if node.running}
        leading = [(status["epoch"], name) for name, status in said.items()
                   if status.get("role") == "primary"]
        return self.nodes[max(leading)[1]] if leading else None

    def last_tids(self) -> dict[str, str]:
        """The ends of the logs of those who answer."""
        said = {name: node.status() for name, node in self.nodes.items() if node.running}
        return {name: status["last_tid"] for name, status in said.items() if status}

    def wait_primary(self, other_than: Node) -> Node:
        others = self.others(other_than)

        def found() -> Node | None:
            return next((node for node in others if node.role() == "primary"), None)

        return until(found, f"somebody takes over from {other_than.name}", LIMIT_S)

    def wait_in_sync(self) -> Node:
        """One leads and all others are in sync; who leads."""

        def found() -> Node | None:
            leader = self.primary()
            names = sorted(node.name for node in self.others(leader)) if leader else None
            return leader if leader and leader.in_sync() == names else None

        return until(found, "one leads and all others are in sync", LIMIT_S, 0.1)

    def wait_equal(self) -> str:
        """When nobody commits: until all show the same last transaction; which."""

        def found() -> str | None:
            shown = {node.status().get("visible_tid") for node in self.nodes.values()}
            return shown.pop() if len(shown) == 1 else None

        return until(found, "all have the last transaction", LIMIT_S, 0.1)

    def stop(self) -> dict[str, dict]:
        """Ends all servers, the primary last, so that nobody takes over; what verify says of each."""
        leader = self.wait_in_sync()
        self.wait_equal()
        reports = {}
        for node in [*self.others(leader), leader]:
            status = node.stop()
            if status != 0:
                raise NodeError(f"{node.name} ended with {status}; {node.log_tail()}")
        for name, node in self.nodes.items():
            done = command("verify", "--json", "--data", node.data, limit_s=VERIFY_LIMIT_S)
            if done.returncode != 0:
                raise NodeError(f"verify of {name}: {done.stdout}{done.stderr}")
            reports[name] = json.loads(done.stdout)
        return reports

    def etcd_leader(self) -> int:
        """Its index."""
        leaders = until(lambda: [index for index in range(3) if self.etcd.leads(index)],
                        "etcd has a leader", LIMIT_S)
        return leaders[0]

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()
        self.etcd.stop()

