"""Hosts in network namespaces on one bridge; packets from one to another can be dropped.

All of it is in namespaces without a name: that of this process (enter()), and one for each host,
held by a child. So nothing has to be cleaned up, however a test ends: the kernel removes the
namespaces, their links and mounts with the last process that is in them.

Standard library and the programs of Debian's util-linux, iproute2 and nftables; without the last, routes
stand in for filters.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from etcd_cluster import die_with_parent  # noqa: E402

ENTERED = "ZEOLITE_TEST_NAMESPACE"
BRIDGE = "hub"
SUBNET = "10.87.0"
OWN_ADDRESS = f"{SUBNET}.1"
COMMAND_LIMIT_S = 30


class NetworkError(Exception):
    """The machine did not do what was asked; the text says what."""


def _unshare() -> list[str]:
    # Whoever is not root is it in a user namespace of its own, where the machine allows that.
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_root, "--net", "--mount", "--propagation", "private", "--"]


def missing() -> str:
    """Why there can be no such network on this machine; empty when there can."""
    for name, package in (("ip", "iproute2"), ("unshare", "util-linux"), ("nsenter", "util-linux")):
        if shutil.which(name) is None:
            return f"{name} is not installed (Debian package {package})"
    tried = subprocess.run([*_unshare(), "ip", "link", "add", BRIDGE, "type", "bridge"],
                           capture_output=True, text=True)
    if tried.returncode != 0:
        return f"no network namespaces here: {tried.stderr.strip()}"
    return ""


def enter() -> None:
    """Begins this program anew in a network and a mount namespace of its own, if it is in none."""
    if os.environ.get(ENTERED) == "1":
        return
    os.environ[ENTERED] = "1"
    command = [*_unshare(), sys.executable, *sys.orig_argv[1:]]
    os.execvp(command[0], command)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_LIMIT_S)
    if done.returncode != 0:
        raise NetworkError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """A namespace with one address. Lives until close(), or as long as this process."""

    def __init__(self, name: str, address: str):
        self.name = name
        self.address = address
        # It ends with its standard input, whose other end only this process has.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c", "echo there; exec cat"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        if self._holder.stdout.readline().strip() != "there":
            raise NetworkError(f"no namespace for {name}")
        pid = str(self._holder.pid)
        # A command that becomes the one behind it, in this namespace.
        self.prefix = ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]
        run("ip", "link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "link", "set", f"v-{name}", "master", BRIDGE, "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def run(self, *command: str) -> str:
        return run(*self.prefix, *command)

    def close(self) -> None:
        # The namespace itself goes a little later; its name on the bridge is free at once.
        run("ip", "link", "delete", f"v-{self.name}")
        self._holder.kill()
        self._holder.communicate()


class NftDrops:
    """Drops what arrives: whoever sent it is not told, as with a cable that is cut."""

    TABLE = ["inet", "cut"]

    @staticmethod
    def works(host: Host) -> bool:
        return (shutil.which("nft") is not None and
                subprocess.run([*host.prefix, "nft", "list", "ruleset"],
                               capture_output=True).returncode == 0)

    def prepare(self, host: Host) -> None:
        host.run("nft", "add", "table", *self.TABLE)
        host.run("nft", "add", "set", *self.TABLE, "from", "{ type ipv4_addr; }")
        host.run("nft", "add", "chain", *self.TABLE, "input",
                 "{ type filter hook input priority 0; policy accept; }")
        host.run("nft", "add", "rule", *self.TABLE, "input", "ip", "saddr", "@from", "drop")

    def drop(self, source: Host, target: Host) -> None:
        target.run("nft", "add", "element", *self.TABLE, "from", f"{{ {source.address} }}")

    def heal(self, hosts: list[Host]) -> None:
        for host in hosts:
            host.run("nft", "flush", "set", *self.TABLE, "from")


class RouteDrops:
    """Drops what is sent: an address without a route. New connections are told of it."""

    def prepare(self, host: Host) -> None:
        pass

    def drop(self, source: Host, target: Host) -> None:
        source.run("ip", "route", "replace", "blackhole", target.address)

    def heal(self, hosts: list[Host]) -> None:
        for host in hosts:
            host.run("ip", "route", "flush", "type", "blackhole")


class Network:
    """Of this process, which must have entered. It reaches all hosts, and they reach it, always."""

    def __init__(self, drops=None):
        """`drops`: NftDrops or RouteDrops; None takes the first that works here."""
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{OWN_ADDRESS}/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        self.hosts: list[Host] = []
        self._drops = drops

    def add(self, name: str) -> Host:
        host = Host(name, f"{SUBNET}.{10 + len(self.hosts)}")
        self.hosts.append(host)
        if self._drops is None:
            self._drops = NftDrops() if NftDrops.works(host) else RouteDrops()
        self._drops.prepare(host)
        return host

    def drop(self, sources: list[Host], targets: list[Host]) -> None:
        """From now on nothing of these sources reaches these targets."""
        for source in sources:
            for target in targets:
                self._drops.drop(source, target)

    def cut(self, some: list[Host], others: list[Host]) -> None:
        """The same in both directions."""
        self.drop(some, others)
        self.drop(others, some)

    def heal(self) -> None:
        """Everybody reaches everybody."""
        self._drops.heal(self.hosts)

    def close(self) -> None:
        for host in self.hosts:
            host.close()
        run("ip", "link", "delete", BRIDGE)
