#!/usr/bin/env python3
"""Runs an etcd of some members, on loopback, for demonstrations and cluster tests.

Usage: tools/etcd_cluster.py [--members N] [--data DIR]
Prints one line, the URLs for --etcd, when all answer; ends them when it is interrupted, terminated,
or its standard input ends. Exit status: 0 ended, 1 they did not start, 2 usage, 3 no etcd here.
"""

import argparse
import contextlib
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1


def free_ports(count: int) -> list[int]:
    """Free now, and all different."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def die_with_parent() -> None:
    """For preexec_fn: a child that outlives a killed parent would stay for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Place:
    """Where a member runs: an address of its own, and a command that becomes it, as nsenter does."""

    host: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()


class EtcdCluster:
    """Members m0, m1, ...; `urls` is what --etcd takes. Ended by stop(), or with this process."""

    def __init__(self, data: Path, members: int = 3, places: list[Place] | None = None):
        """`places`, one for each member: elsewhere than on loopback."""
        self._places = places or [Place()] * members
        members = len(self._places)
        ports = free_ports(2 * members)
        self._data = data
        self._clients = self._urls(ports[:members])
        self._peers = self._urls(ports[members:])
        self.urls = ",".join(self._clients)
        self.processes: list[subprocess.Popen | None] = [None] * members

    def _urls(self, ports: list[int]) -> list[str]:
        return [f"http://{place.host}:{port}" for place, port in zip(self._places, ports)]

    def start_member(self, index: int) -> None:
        client, peer = self._clients[index], self._peers[index]
        cluster = ",".join(f"m{i}={url}" for i, url in enumerate(self._peers))
        with open(self._data / f"m{index}.log", "ab") as log:
            self.processes[index] = subprocess.Popen(
                [*self._places[index].prefix, "etcd", "--name", f"m{index}", "--data-dir", str(self._data / f"m{index}"),
                 "--listen-client-urls", client, "--advertise-client-urls", client,
                 "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", cluster, "--auto-compaction-retention", "1",
                 "--logger", "zap", "--log-level", "warn"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent)

    def start(self, timeout_s: float = 30) -> bool:
        for index in range(len(self.processes)):
            self.start_member(index)
        deadline = time.monotonic() + timeout_s
        while not all(self.answers(index) for index in range(len(self.processes))):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def answers(self, index: int) -> bool:
        """Whether the member answers a read, for which there must be a leader."""
        request = urllib.request.Request(self._clients[index] + "/v3/kv/range",
                                         data=json.dumps({"key": "AA=="}).encode())
        try:
            with urllib.request.urlopen(request, timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def leads(self, index: int) -> bool:
        """Whether the member says that it is etcd's leader."""
        request = urllib.request.Request(self._clients[index] + "/v3/maintenance/status",
                                         data=b"{}")
        try:
            with urllib.request.urlopen(request, timeout=1) as answer:
                status = json.load(answer)
        except OSError:
            return False
        return status["header"]["member_id"] == status.get("leader")

    def kill_member(self, index: int) -> None:
        process = self.processes[index]
        if process is not None:
            process.kill()
            process.wait()
            self.processes[index] = None

    def stop(self) -> None:
        for index in range(len(self.processes)):
            self.kill_member(index)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--data", type=Path, help="kept; without it a temporary directory")
    options = parser.parse_args(arguments)
    if shutil.which("etcd") is None:
        print("etcd is not installed (Debian package etcd-server)", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as cleanup:
        data = options.data or Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        data.mkdir(parents=True, exist_ok=True)
        cluster = EtcdCluster(data, options.members)
        cleanup.callback(cluster.stop)
        if not cluster.start():
            print(f"etcd did not start; see {data}", file=sys.stderr)
            return 1
        print(cluster.urls, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
