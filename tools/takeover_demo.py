#!/usr/bin/env python3
"""Shows a takeover: ./run demo. A primary, two standbys and three etcd on loopback, native and
stock Python clients that commit, `kill -9` of the primary, and what came of it.

Usage: tools/takeover_demo.py [--seconds S] [--supervise] [--etcd-leader] [--logs DIR]
                              [--json FILE]
Exit status: 0 nothing acknowledged is missing and all is well again, 1 not so, 2 usage, 3 no etcd
or no build here.
"""

import argparse
import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from etcd_cluster import EtcdCluster, die_with_parent, free_ports
from project_files import ROOT
from server_nodes import Node, NodeError, Ports, program, until

CLUSTER = "demo"
LEASE_S = 3
NATIVE_WRITERS = 4
ZEO_CLIENTS = 2
TAKEOVER_LIMIT_S = 60
JOURNAL = Path(os.environ.get("ZEOLITE_JOURNAL") or ROOT / "build/release/examples/journal")
PYTHON = ROOT / "build/python/zeo-newest/bin/python"


@dataclass(frozen=True)
class Commit:
    at: float
    line: str


class Writer:
    """A client program that prints a line for each commit it was promised."""

    def __init__(self, name: str, command: list):
        self.name = name
        self.commits: list[Commit] = []
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, start_new_session=True, preexec_fn=die_with_parent)
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        for line in self.process.stdout:
            self.commits.append(Commit(int(line.split()[0]) / 1e6, line))

    def first_after(self, at: float) -> float | None:
        return next((commit.at for commit in list(self.commits) if commit.at >= at), None)

    def finish(self) -> None:
        self.process.stdin.close()
        if self.process.wait(120) != 0:
            raise NodeError(f"client {self.name} failed")
        self._reader.join()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class LeaderKey:
    """Follows the leader's key in etcd; the times at which it was gone, and there anew."""

    def __init__(self, urls: str):
        self._urls = urls.split(",")
        self._ended = threading.Event()
        self.gone_at: float | None = None
        self.taken_at: float | None = None
        self.leader: dict = {}
        self.first = self.read()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def read(self) -> dict | None:
        """What the key says: empty when there is none, None when no member answers."""
        key = base64.b64encode(f"/zeolite/{CLUSTER}/leader".encode()).decode()
        for url in self._urls:
            request = urllib.request.Request(f"{url}/v3/kv/range",
                                             data=json.dumps({"key": key}).encode())
            try:
                with urllib.request.urlopen(request, timeout=0.5) as answer:
                    found = json.load(answer).get("kvs", [])
            except OSError:
                continue
            return json.loads(base64.b64decode(found[0]["value"])) if found else {}
        return None

    def start(self) -> None:
        self._thread.start()

    def _follow(self) -> None:
        while not self._ended.wait(0.01):
            now = self.read()
            if now == {} and self.gone_at is None:
                self.gone_at = time.monotonic()
            if now and now["epoch"] != self.first["epoch"]:
                self.taken_at = time.monotonic()
                self.gone_at = self.gone_at or self.taken_at
                self.leader = now
                return

    def stop(self) -> None:
        self._ended.set()


class Demo:
    def __init__(self, options, directory: Path, cleanup: contextlib.ExitStack):
        self.options = options
        self.directory = directory
        self.cleanup = cleanup
        self.nodes: dict[str, Node] = {}
        self.native: list[Writer] = []
        self.zeo: list[Writer] = []
        self.events: list[tuple[float, str]] = []
        self.killed_at = 0.0

    # ---- what runs -----------------------------------------------------------------------------

    def start_servers(self) -> None:
        self.etcd = EtcdCluster(self.directory)
        self.cleanup.callback(self.etcd.stop)
        if not self.etcd.start():
            raise NodeError(f"etcd did not start; see {self.directory}")
        ports = free_ports(9)
        for index, name in enumerate("abc"):
            arguments = ["--etcd", self.etcd.urls, "--cluster", CLUSTER, "--lease", str(LEASE_S)]
            if self.options.supervise:
                arguments.append("--supervise")
            node = Node(name, self.directory / name, Ports(*ports[3 * index:3 * index + 3]),
                        arguments)
            self.nodes[name] = node
            self.cleanup.callback(self.end_server, node)
            node.start()
            if name == "a":
                until(lambda: node.role() == "primary", "a leads", TAKEOVER_LIMIT_S)
        until(lambda: self.nodes["a"].in_sync() == ["b", "c"], "b and c are in sync",
              TAKEOVER_LIMIT_S, 0.1)

    def end_server(self, node: Node) -> None:
        node.stop()
        if self.options.logs:
            self.options.logs.mkdir(parents=True, exist_ok=True)
            text = "".join(f"{line.at - self.killed_at:9.3f} {line.text}\n" for line in node.lines)
            (self.options.logs / f"{node.name}.log").write_text(text)

    def addresses(self, *names: str, zeo: bool = False) -> str:
        nodes = [self.nodes[name] for name in names or sorted(self.nodes)]
        return ",".join("%s:%d" % node.zeo_address if zeo else node.address for node in nodes)

    def start_clients(self) -> None:
        self.native.append(self.writer(
            "native", [JOURNAL, "add", self.addresses(), NATIVE_WRITERS]))
        if PYTHON.exists():
            for number in range(ZEO_CLIENTS):
                name = f"zeo{number}"
                self.zeo.append(self.writer(name, [
                    PYTHON, "-W", "ignore", ROOT / "tools/demo_zeo_client.py", "add", name,
                    self.addresses(zeo=True)]))
        else:
            print("no Python clients: tools/python_env.sh zeo-newest would install them")
        self.wait_commits(time.monotonic(), "before the kill")

    def writer(self, name: str, command: list) -> Writer:
        """One after the other: the first ZEO client makes the root object."""
        writer = Writer(name, command)
        self.cleanup.callback(writer.kill)
        until(lambda: writer.commits or writer.process.poll() is not None, f"{name} commits",
              TAKEOVER_LIMIT_S)
        return writer

    def writers(self) -> list[Writer]:
        return self.native + self.zeo

    def wait_commits(self, after: float, when: str) -> None:
        """All clients commit, and have done so for the chosen time."""
        for writer in self.writers():
            until(lambda w=writer: w.first_after(after) or w.process.poll() is not None,
                  f"{writer.name} commits {when}", TAKEOVER_LIMIT_S)
        time.sleep(self.options.seconds)

    # ---- what happens ----------------------------------------------------------------------------

    def note(self, at: float, what: str) -> None:
        self.events.append((at, what))

    def etcd_leader(self) -> int:
        return next(index for index in range(3) if self.etcd.leads(index))

    def kill_primary(self) -> None:
        key = LeaderKey(self.etcd.urls)
        self.cleanup.callback(key.stop)
        key.start()
        victim = self.nodes["a"]
        self.killed_at = time.monotonic()
        if self.options.etcd_leader:
            self.etcd.kill_member(self.etcd_leader())
        victim.kill_server()
        self.note(self.killed_at, "kill -9 of the primary a")
        until(lambda: key.taken_at, "another server leads", TAKEOVER_LIMIT_S)
        self.note(key.gone_at, "its key in etcd is gone")
        self.note(key.taken_at, f"{key.leader['name']} has taken it: epoch "
                                f"{key.first['epoch']} -> {key.leader['epoch']}")
        self.primary = self.nodes[key.leader["name"]]
        until(lambda: self.primary.role() == "primary", "it serves", TAKEOVER_LIMIT_S)
        self.note(time.monotonic(), f"{self.primary.name} says that it is the primary")
        self.key_taken_at = key.taken_at

    def watch_first_commits(self) -> None:
        for name, writers in (("native", self.native), ("ZEO", self.zeo)):
            if writers:
                at = until(lambda w=writers: min(filter(None, (
                    one.first_after(self.key_taken_at - 0.05) for one in w)), default=None),
                           f"a {name} client commits again", TAKEOVER_LIMIT_S)
                self.note(at, f"first acknowledged {name} commit")

    def bring_back(self) -> None:
        old = self.nodes["a"]
        self.note(time.monotonic(), "the old primary a is started again")
        first = len(old.lines)
        old.start()
        until(lambda: "a" in self.primary.in_sync(), "a is in sync", TAKEOVER_LIMIT_S)
        self.note(time.monotonic(), "a follows, and is in sync")
        if old.logged("transactions beyond the common history", first):
            self.note(time.monotonic(), "  what only a had was kept in a file and undone")
        self.wait_commits(time.monotonic(), "after the takeover")
        for writer in self.writers():
            writer.finish()

    # ---- what is shown -----------------------------------------------------------------------------

    def check(self, name: str, writers: list[Writer], command: list) -> bool:
        commits = [commit for writer in writers for commit in writer.commits]
        before = sum(commit.at < self.killed_at for commit in commits)
        print(f"{name}: {len(commits)} commits were acknowledged, {before} of them before the kill")
        done = subprocess.run([str(part) for part in command], text=True, capture_output=True,
                              input="".join(commit.line for commit in commits))
        print(f"  at {self.primary.name}: {done.stdout.strip()}{done.stderr[-1000:]}")
        return done.returncode == 0 and done.stdout.startswith(f"{len(commits)} ")

    def check_everything(self) -> bool:
        at = self.primary.name
        kept = self.check("native clients", self.native, [JOURNAL, "check", self.addresses(at)])
        if self.zeo:
            kept &= self.check("stock ZEO clients", self.zeo, [
                PYTHON, "-W", "ignore", ROOT / "tools/demo_zeo_client.py", "check",
                self.addresses(at, zeo=True)])
        last = self.primary.status()["last_tid"]
        until(lambda: all(node.status().get("visible_tid") == last
                          for node in self.nodes.values()), "all have the last commit",
              TAKEOVER_LIMIT_S)
        reports = {name: node.verify() for name, node in self.nodes.items()}
        for name, report in reports.items():
            print(f"{name}: {self.nodes[name].role():8} {report['transactions']} transactions, "
                  f"digest {report['digest'][:16]}..., {'clean' if report['clean'] else 'DAMAGED'}")
        equal = len({report["digest"] for report in reports.values()}) == 1
        clean = all(report["clean"] for report in reports.values())
        roles = sorted(node.role() for node in self.nodes.values())
        return kept and equal and clean and roles == ["primary", "standby", "standby"]

    def print_table(self) -> None:
        print("\n  seconds  what")
        for at, what in sorted(self.events):
            print(f"{at - self.killed_at:9.3f}  {what}")
        print()

    def run(self) -> int:
        print("three etcd, the primary a, the standbys b and c", flush=True)
        self.start_servers()
        self.start_clients()
        self.kill_primary()
        self.watch_first_commits()
        self.bring_back()
        self.print_table()
        well = self.check_everything()
        if self.options.json:
            seconds = {what: round(at - self.killed_at, 3) for at, what in self.events}
            self.options.json.write_text(json.dumps({"well": well, "seconds": seconds}))
        print("no acknowledged commit is missing" if well else "SOMETHING IS MISSING OR WRONG")
        return 0 if well else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=3,
                        help="how long clients commit before the kill, and after the takeover (3)")
    parser.add_argument("--supervise", action="store_true",
                        help="a parent process ends the lease of a server that dies")
    parser.add_argument("--etcd-leader", action="store_true",
                        help="the leader of etcd is killed together with the primary")
    parser.add_argument("--logs", type=Path, help="directory for the servers' logs")
    parser.add_argument("--json", type=Path, help="file for the table")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if shutil.which("etcd") is None:
        print("demo: etcd is not installed (Debian package etcd-server)", file=sys.stderr)
        return 3
    for needed in (Path(program()), JOURNAL):
        if not needed.exists():
            print(f"demo: there is no {needed}; ./run demo builds it", file=sys.stderr)
            return 3
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="zeolite-demo-")))
        try:
            return Demo(options, directory, cleanup).run()
        except KeyboardInterrupt:
            print("demo: interrupted", file=sys.stderr)
            return 130
        except (NodeError, subprocess.TimeoutExpired) as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
