"""Commits that a standby has too: Zeolite beside PostgreSQL, and what else a standby costs."""

import contextlib
import copy
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

from compare_servers import (Server, Skipped, find_program, free_port, start_postgres,
                             start_zeolite)
from zeo_compare import median

CLIENTS = (16, 64)
SYSTEMS = ("zeolite standby", "zeolite local", "postgres standby")
WAIT_S = 120


def say(text):
    print(f"standby: {text}", file=sys.stderr, flush=True)


def wait_until(what, condition, limit_s=WAIT_S, pause_s=0.02):
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {limit_s} s: {what}")
        time.sleep(pause_s)


# ---- Zeolite -------------------------------------------------------------------------------------


class Node:
    """A Zeolite server; its data outlives the process."""

    def __init__(self, run, name, *arguments):
        self.binary = run.build / "zeolite"
        self.data = run.dir / name
        self.server = start_zeolite(run, name, "--name", name, *arguments, port=free_port())
        self.pid = self.server.pid
        self.at = self.server.at

    def status(self):
        done = subprocess.run([self.binary, "status", "--json", "--at", self.at],
                              capture_output=True, text=True)
        with contextlib.suppress(ValueError):
            return json.loads(done.stdout)
        return {}

    def in_sync(self):
        return any(s.get("in_sync") for s in self.status().get("standbys", []))

    def stop(self):
        self.server.stop()


def start_pair(run, name, *arguments):
    primary = Node(run, f"{name}-a", "--durability", "standby", *arguments)
    standby = Node(run, f"{name}-b", "--standby-of", primary.at, *arguments)
    wait_until(f"the standby of {name} is in sync", primary.in_sync)
    return primary, standby


def bench_commit(binary, at, clients, seconds, size, objects):
    return [binary, "bench", "commit", "--at", at, "--clients", str(clients), "--seconds",
            str(seconds), "--size", str(size), "--objects", str(objects), "--json"]


def commit(run, node, clients, seconds):
    o = run.options
    return run.timed(f"commits of {clients} clients",
                     bench_commit(node.binary, node.at, clients, seconds, o.size, o.objects), node,
                     seconds)


# ---- PostgreSQL ----------------------------------------------------------------------------------


class PostgresPair:
    """A primary, and a standby that every commit waits for until it is on its disk, too."""

    def __init__(self, run):
        self.primary = start_postgres(run)
        self.pid = self.primary.pid
        port = self.primary.at.rsplit(":", 1)[1]
        bin_dir = "/usr/lib/postgresql/15/bin"
        user = "postgres" if os.geteuid() == 0 else None
        as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
        data = run.dir / "postgres" / "standby"
        copied = subprocess.run(
            [find_program("pg_basebackup", bin_dir), "-D", data, "-R", "-X", "stream", "-c", "fast",
             "-d", f"host=127.0.0.1 port={port} user=bench application_name=standby"],
            capture_output=True, text=True, cwd="/", **as_user)
        if copied.returncode != 0:
            raise Skipped(f"pg_basebackup failed: {copied.stderr.strip()[-300:]}")
        standby_port = free_port()
        command = [find_program("postgres", bin_dir), "-D", data, "-p", str(standby_port),
                   "-c", "listen_addresses=127.0.0.1",
                   "-c", f"unix_socket_directories={run.dir / 'postgres'}",
                   "-c", "shared_buffers=256MB"]
        self.standby = Server("postgres standby", command, run.dir / "postgres-standby.log",
                              self.primary.stop_signal, user)
        run.servers.append(self.standby)
        self.psql = [find_program("psql", bin_dir), "-h", "127.0.0.1", "-p", port, "-U", "bench",
                     "-d", "postgres", "-qAt", "-c"]
        self.query("alter system set synchronous_standby_names = '*'")
        self.query("select pg_reload_conf()")
        wait_until("PostgreSQL's standby is synchronous",
                   lambda: self.query("select sync_state from pg_stat_replication") == "sync")

    def query(self, sql):
        done = subprocess.run([*self.psql, sql], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def stop(self):
        self.standby.stop()
        self.primary.stop()


# ---- commits -------------------------------------------------------------------------------------


def measure_commits(run, pair, alone, postgres):
    """Systems and client counts in turns, like all rounds of bench/compare."""
    o, samples = run.options, {}
    for _ in range(o.rounds):
        for clients in CLIENTS:
            commands = {
                "zeolite standby": (pair, bench_commit(pair.binary, pair.at, clients, o.seconds,
                                                       o.size, o.objects)),
                "zeolite local": (alone, bench_commit(alone.binary, alone.at, clients, o.seconds,
                                                      o.size, o.objects)),
            }
            if postgres:
                commands["postgres standby"] = (postgres, [
                    run.tool("peer_load"), "postgres", "commit", "--at", postgres.primary.at,
                    "--clients", str(clients), "--seconds", str(o.seconds), "--size", str(o.size),
                    "--objects", str(o.objects)])
            for system, (primary, command) in commands.items():
                figures = run.timed(f"{system} {clients}", command, primary, o.seconds)
                figures["rate"] = figures["commits_per_s"]
                samples.setdefault(f"{system} commit {clients}", []).append(figures)
                say(f"{system}, {clients} clients: {figures['rate']:,.0f}/s")
    if not pair.in_sync():
        raise RuntimeError("the standby was let go during the measurement")
    return samples


# ---- what else a standby does --------------------------------------------------------------------


def measure_read_your_writes(run, primary, standby):
    done = subprocess.run(
        [run.tool("read_your_writes"), "--primary", primary.at, "--standby", standby.at,
         "--count", "200" if run.options.quick else "3000"],
        capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-1000:])
    return json.loads(done.stdout)


def measure_switchover(run, primary, standby):
    """The longest time without an acknowledged commit, while it moves under load and back."""
    gaps = []
    addresses = f"{primary.at},{standby.at}"
    for _ in range(2):
        load = subprocess.Popen(
            bench_commit(primary.binary, addresses, 16, 6, run.options.size, run.options.objects),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        moved = subprocess.run([primary.binary, "switchover", "--at", addresses],
                               capture_output=True, text=True)
        out, error = load.communicate()
        if moved.returncode != 0 or load.returncode != 0:
            raise RuntimeError((moved.stderr + error).strip()[-1000:])
        gaps.append(json.loads(out)["longest_gap_ms"])
        say(f"switchover: longest gap {gaps[-1]:.0f} ms")
        wait_until("both are in sync again", lambda: primary.in_sync() or standby.in_sync())
    return {"gaps_ms": gaps}


def measure_catch_up(run):
    """A standby misses a million transactions, all still in the log, and comes back."""
    wanted = 20_000 if run.options.quick else 1_000_000
    primary, standby = start_pair(run, "catch-up")
    standby.stop()
    wait_until("the standby is let go", lambda: not primary.in_sync())
    missed, seconds = 0, 0.0
    while missed < wanted:
        figures = commit(run, primary, 64, 2 if run.options.quick else 10)
        missed += figures["acknowledged"]
        seconds += figures["acknowledged"] / figures["commits_per_s"]
    end = primary.status()["last_tid"]
    began = time.monotonic()
    again = Node(run, "catch-up-b", "--standby-of", primary.at, "--durability", "standby")
    wait_until("the standby has caught up", lambda: again.status().get("visible_tid") == end, 600)
    took = time.monotonic() - began
    say(f"catch-up: {missed:,} transactions in {took:.1f} s, committed in {seconds:.1f} s")
    again.stop()
    return primary, {"missed": missed, "committed_s": seconds, "caught_up_s": took}


def copied_files(data):
    """What a copy brings: not the write-ahead log, which the standby makes anew."""
    return [p for p in sorted(data.rglob("*")) if p.is_file() and p.suffix != ".log"]


def plain_copy(files, target):
    """Seconds to send files through loopback and to write them, synced."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def send():
            with socket.create_connection(listener.getsockname()) as out:
                for path in files:
                    out.sendall(path.stat().st_size.to_bytes(8, "big"))
                    with open(path, "rb") as file:
                        out.sendfile(file)

        began = time.monotonic()
        sender = threading.Thread(target=send)
        sender.start()
        peer, _ = listener.accept()
        with peer, peer.makefile("rb", 1 << 20) as incoming:
            for number in range(len(files)):
                size = int.from_bytes(incoming.read(8), "big")
                with open(target / str(number), "wb") as file:
                    while size > 0:
                        part = incoming.read(min(size, 1 << 20))
                        file.write(part)
                        size -= len(part)
                    file.flush()
                    os.fsync(file.fileno())
        sender.join()
        return time.monotonic() - began


def measure_checkpoint(run, primary):
    """A new standby gets a copy: its process starts, and follows."""
    run_plain = run.dir / "plain-copy"
    results = {"copy_s": [], "plain_s": []}
    end = primary.status()["last_tid"]
    for number in range(1 if run.options.quick else 3):
        began = time.monotonic()
        node = Node(run, f"copy-{number}", "--standby-of", primary.at, "--durability", "standby")
        wait_until("the new standby follows", lambda: node.status().get("visible_tid") == end, 600)
        results["copy_s"].append(time.monotonic() - began)
        node.stop()
        files = copied_files(node.data)
        results["bytes"] = sum(path.stat().st_size for path in files)
        run_plain.mkdir()
        results["plain_s"].append(plain_copy(files, run_plain))
        shutil.rmtree(run_plain)
        shutil.rmtree(node.data)
        say(f"copy: {results['bytes'] / 2**20:,.0f} MiB in {results['copy_s'][-1]:.2f} s, plain "
            f"{results['plain_s'][-1]:.2f} s")
    return results


def measure(run):
    """The figures of bench/compare's part "standby"."""
    run = copy.copy(run)
    run.dir = run.dir / "standby"
    run.dir.mkdir(mode=0o755)
    started = []
    try:
        pair, standby = start_pair(run, "pair")
        alone = Node(run, "alone", "--durability", "local")
        started += [pair, standby, alone]
        try:
            postgres = PostgresPair(run)
            started.append(postgres)
        except Skipped as why:
            run.skipped["postgres standby"] = str(why)
            postgres = None
        figures = {"samples": measure_commits(run, pair, alone, postgres)}
        figures["read_your_writes"] = measure_read_your_writes(run, pair, standby)
        figures["switchover"] = measure_switchover(run, pair, standby)
    finally:
        for server in started:
            server.stop()
    primary, figures["catch_up"] = measure_catch_up(run)
    try:
        figures["checkpoint"] = measure_checkpoint(run, primary)
    finally:
        primary.stop()
    return figures


# ---- the report ----------------------------------------------------------------------------------


def ratio(figures, peer, clients):
    ours, theirs = (median(figures, s, "commit", clients) for s in ("zeolite standby", peer))
    return ours / theirs if ours and theirs else None


def goals(figures):
    """(what, measured, comparison, goal, unit), as compare_report's."""
    if not figures:
        return []
    lines = []
    for clients in CLIENTS:
        lines += [
            (f"commits/s with a standby, {clients} clients, to PostgreSQL with a synchronous standby",
             ratio(figures, "postgres standby", clients), ">=", 1.5, "x"),
            (f"commits/s with a standby, {clients} clients, to our own local",
             ratio(figures, "zeolite local", clients), ">=", 0.6, "x"),
        ]
    catch_up, copy = figures["catch_up"], figures["checkpoint"]
    reads = figures["read_your_writes"]
    return [
        *lines,
        ("switchover under load, longest pause",
         max(figures["switchover"]["gaps_ms"]) / 1000, "<=", 1, "s"),
        ("catch-up, to the rate of a million transactions an hour",
         catch_up["missed"] / catch_up["caught_up_s"] / (1_000_000 / 3600), ">=", 3, "x"),
        (f"catch-up of {catch_up['missed']:,} transactions, to the rate of 64 clients without a pause",
         catch_up["committed_s"] / catch_up["caught_up_s"], ">=", 3, "x"),
        ("a commit readable on the standby, p50 after the primary's reply, to a round trip",
         reads["sync_p50_us"] / reads["ping_p50_us"], "<=", 2, "x"),
        ("copy for a new standby, to a plain copy through loopback",
         statistics.median(copy["plain_s"]) / statistics.median(copy["copy_s"]), ">=", 0.7, "x"),
    ]


def table(figures):
    """Lines of the report."""
    if not figures:
        return []
    lines = ["| commits with a standby | clients | per second | p50 µs | p99 µs | primary's CPU |",
             "|---|--:|--:|--:|--:|--:|"]
    for clients in CLIENTS:
        for system in SYSTEMS:
            values = [median(figures, system, "commit", clients, name)
                      for name in ("rate", "p50_us", "p99_us", "server_cpu")]
            if values[0] is not None:
                lines.append(f"| {system} | {clients} | {values[0]:,.0f} | {values[1]:,.0f} "
                             f"| {values[2]:,.0f} | {values[3]:.0%} |")
    reads, catch_up, copy = (figures[name]
                             for name in ("read_your_writes", "catch_up", "checkpoint"))
    return [*lines, "",
            f"Read-your-writes: the standby's snapshot has the commit {reads['sync_p50_us']:.0f} µs "
            f"after the primary's reply, its record is loaded after {reads['load_p50_us']:.0f} µs; "
            f"a round trip takes {reads['ping_p50_us']:.0f} µs (p50).",
            f"Catch-up: {catch_up['missed']:,} transactions, committed in "
            f"{catch_up['committed_s']:.1f} s, in {catch_up['caught_up_s']:.1f} s.",
            f"Copy of {copy['bytes'] / 2**20:,.0f} MiB for a new standby: "
            f"{statistics.median(copy['copy_s']):.2f} s from the start of its process until it "
            f"follows; the same bytes plain: {statistics.median(copy['plain_s']):.2f} s.", ""]
