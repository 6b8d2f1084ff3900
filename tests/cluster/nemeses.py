"""What is done to a cluster. Each has begin(), which returns when it happened, by time.monotonic();
end(), after which the cluster can be whole again; and `says`, for people.

A nemesis is used once. end() does not wait until the cluster is whole.
"""

import os
import signal
import time
from dataclasses import dataclass

from cluster import LIMIT_S, Cluster
from power_cut import LoopDisk, fill
from server_nodes import Node, until


@dataclass
class Kill:
    """kill -9; in the end it is started again."""

    node: Node

    @property
    def says(self) -> str:
        return f"kill -9 of {self.node.name}"

    def begin(self) -> float:
        at = time.monotonic()
        self.node.kill()
        return at

    def end(self) -> None:
        self.node.start()


@dataclass
class Stop:
    """SIGSTOP: it notices nothing of the time that passes; SIGCONT in the end."""

    node: Node

    @property
    def says(self) -> str:
        return f"SIGSTOP of {self.node.name}"

    def begin(self) -> float:
        at = time.monotonic()
        os.kill(self.node.process.pid, signal.SIGSTOP)
        return at

    def end(self) -> None:
        os.kill(self.node.process.pid, signal.SIGCONT)


@dataclass
class KillWithEtcdLeader:
    """The server and the member that leads etcd, at one moment."""

    cluster: Cluster
    node: Node

    @property
    def says(self) -> str:
        return f"kill -9 of {self.node.name} and of etcd's leader"

    def begin(self) -> float:
        self.member = self.cluster.etcd_leader()
        at = time.monotonic()
        self.cluster.etcd.processes[self.member].kill()
        self.node.kill()
        self.cluster.etcd.kill_member(self.member)
        return at

    def end(self) -> None:
        self.cluster.etcd.start_member(self.member)
        self.node.start()


@dataclass
class Partition:
    """Nothing goes between some hosts and others, or with `one_way` from some to others. Clients reach
    all servers. end() heals all partitions there are."""

    cluster: Cluster
    says: str
    some: list
    others: list
    one_way: bool = False

    def begin(self) -> float:
        at = time.monotonic()
        cut = self.cluster.network.drop if self.one_way else self.cluster.network.cut
        cut(self.some, self.others)
        return at

    def end(self) -> None:
        self.cluster.network.heal()


def from_etcd(cluster: Cluster, node: Node) -> Partition:
    return Partition(cluster, f"{node.name} cut from etcd", cluster.hosts_of([node]),
                     cluster.etcd_hosts)


def from_standbys(cluster: Cluster, node: Node) -> Partition:
    return Partition(cluster, f"{node.name} cut from the other servers", cluster.hosts_of([node]),
                     cluster.hosts_of(cluster.others(node)))


def from_all(cluster: Cluster, node: Node) -> Partition:
    return Partition(cluster, f"{node.name} cut from everybody but clients",
                     cluster.hosts_of([node]),
                     cluster.hosts_of(cluster.others(node)) + cluster.etcd_hosts)


def deaf_to_etcd(cluster: Cluster, node: Node) -> Partition:
    return Partition(cluster, f"{node.name} hears nothing of etcd", cluster.etcd_hosts,
                     cluster.hosts_of([node]), one_way=True)


def unheard_by_standbys(cluster: Cluster, node: Node) -> Partition:
    return Partition(cluster, f"{node.name} is not heard by the other servers",
                     cluster.hosts_of([node]), cluster.hosts_of(cluster.others(node)),
                     one_way=True)


def deaf_to_standbys(cluster: Cluster, node: Node) -> Partition:
    return Partition(cluster, f"{node.name} hears nothing of the other servers",
                     cluster.hosts_of(cluster.others(node)), cluster.hosts_of([node]),
                     one_way=True)


@dataclass
class PowerCut:
    """Of servers whose data is on disks that can do so; then they are started again."""

    disks: dict[str, LoopDisk]
    nodes: list[Node]

    @property
    def says(self) -> str:
        return "power cut of " + ", ".join(node.name for node in self.nodes)

    def begin(self) -> float:
        at = time.monotonic()
        # The disks first: what a dying server still writes has to be lost.
        for node in self.nodes:
            self.disks[node.name].cut_power()
        for node in self.nodes:
            node.kill()
        return at

    def end(self) -> None:
        for node in self.nodes:
            self.disks[node.name].power_up()
        for node in self.nodes:
            node.launch()


@dataclass
class FullDisk:
    """Of a server that has a disk of its own; in the end there is space again. It is to be ended last:
    end() waits for a commit."""

    cluster: Cluster
    disk: LoopDisk
    node: Node

    @property
    def says(self) -> str:
        return f"the disk of {self.node.name} is full"

    def begin(self) -> float:
        at = time.monotonic()
        self.filler = fill(self.disk.path)
        return at

    def end(self) -> None:
        last = max(self.cluster.last_tids().values())
        self.filler.unlink()
        # A write that failed ends it, maybe only now; whoever goes on has further transactions.
        until(lambda: not self.node.running
              or self.cluster.last_tids().get(self.node.name, "") > last,
              f"{self.node.name} has ended or goes on", LIMIT_S, 0.1)
        if not self.node.running:
            self.node.start()

