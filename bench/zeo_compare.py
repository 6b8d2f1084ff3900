"""Zeolite beside ZEO's own server with a FileStorage, under the same stock client processes."""

import itertools
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

from compare_servers import Skipped, cpu_seconds

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "python"))
import zeo_servers  # noqa: E402

SERVERS = ("zeolite", "python")
CLIENTS = (1, 4, 8)
RATES = {"commit": "commits_per_s", "load": "loads_per_s", "prefetch": "prefetches_per_s"}
CLIENT_LIMIT_S = 600
HOLD_S = 1.0
MISSED_TRANSACTIONS = 100_000
CACHED_OBJECTS = 2000


class Clients:
    """Stock client processes that begin together."""

    def __init__(self, python, what, server, count=1, **options):
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self.server = server
        self.processes = [
            subprocess.Popen([python, "-W", "ignore", ROOT / "bench/zeo_client.py", what, "--at",
                              server.address_text, *arguments],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)]
        for process in self.processes:
            if process.stdout.readline() != "ready\n":
                self.end()
                raise RuntimeError(f"a ZEO client ({what}) ended before it began")

    def go(self):
        for process in self.processes:
            process.stdin.write("go\n")
            process.stdin.flush()

    def results(self):
        """What each tells, and the server's processor time per second until then."""
        before = cpu_seconds(self.server.pid)
        told = [json.loads(process.stdout.readline()) for process in self.processes]
        server_cpu = cpu_seconds(self.server.pid) - before
        self.end()
        return told, server_cpu

    def end(self):
        for process in self.processes:
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def start(name, python, directory):
    server = zeo_servers.SERVERS[name](directory)
    server.python, server.niceness = python, 0
    return server.start()


def rate(python, server, what, count, options):
    clients = Clients(python, what, server, count, seconds=options.seconds, size=options.size,
                      objects=max(10, 1000 // count))
    clients.go()
    told, server_cpu = clients.results()
    return {
        "rate": sum(t[RATES[what]] for t in told),
        "p50_us": statistics.median(t["p50_us"] for t in told),
        "p99_us": max(t["p99_us"] for t in told),
        "server_cpu": server_cpu / options.seconds,
        "client_cpu": sum(t["client_cpu"] for t in told),
    }


def waiting_vote(python, server, options):
    """How long a vote takes while another client's vote on other objects is open."""
    voter = Clients(python, "vote", server, size=options.size)
    holder = Clients(python, "hold", server, seconds=HOLD_S, size=options.size)
    voter.go()
    told, _ = voter.results()
    holder.results()
    return told[0]["vote_ms"]


def make_histories(python, directory, transactions):
    """A Data.fs, and the same with so many transactions more."""
    old, new = directory / "old.fs", directory / "new.fs"
    command = [python, ROOT / "bench/zeo_client.py", "history", "--objects", str(CACHED_OBJECTS)]
    subprocess.run([*command, "--path", old], check=True)
    shutil.copy(old, new)
    subprocess.run([*command, "--path", new, "--transactions", str(transactions)], check=True)
    return old, new


def put_history(name, server_directory, data_fs):
    server_directory.mkdir()
    if name == "python":
        shutil.copy(data_fs, server_directory / "Data.fs")
    else:
        subprocess.run([zeo_servers.zeolite_binary(), "import", f"filestorage:{data_fs}", "--data",
                        server_directory / "data"], check=True, capture_output=True)


def reconnect(name, python, directory, histories):
    """A client fills its cache, misses the transactions, and comes back."""
    for number, history in enumerate(histories):
        place = directory / f"{name}-{number}"
        put_history(name, place, history)
        server = start(name, python, place)
        try:
            clients = Clients(python, "reconnect", server, var=directory / f"{name}-cache",
                              objects=CACHED_OBJECTS)
            clients.go()
            told, _ = clients.results()
        finally:
            server.stop()
        (directory / f"{name}-cache").mkdir(exist_ok=True)
    return told[0]


def measure(run):
    """The figures of bench/compare's part "zeo"."""
    if subprocess.run([ROOT / "tools/python_env.sh", "zeo-newest"], stdout=sys.stderr).returncode:
        raise Skipped("no virtual environment with ZEO, see above")
    python = ROOT / "build/python/zeo-newest/bin/python"
    directory = run.dir / "zeo"
    directory.mkdir()
    zeo_servers.os.environ["ZEOLITE_BINARY"] = str(run.build / "zeolite")
    options, samples, votes = run.options, {}, {}
    servers = {}
    try:
        for name in SERVERS:
            servers[name] = start(name, python, directory / name)
        for _ in range(options.rounds):
            for what, count, name in itertools.product(RATES, CLIENTS, SERVERS):
                key = f"{name} {what} {count}"
                samples.setdefault(key, []).append(
                    rate(python, servers[name], what, count, options))
                print(f"zeo: {key}: {samples[key][-1]['rate']:,.0f}/s", file=sys.stderr)
            for name in SERVERS:
                votes.setdefault(name, []).append(waiting_vote(python, servers[name], options))
    finally:
        for server in servers.values():
            server.stop()
    transactions = MISSED_TRANSACTIONS // (20 if options.quick else 1)
    histories = make_histories(python, directory, transactions)
    reconnects = {}
    for name in SERVERS:
        (directory / f"{name}-cache").mkdir()
        reconnects[name] = reconnect(name, python, directory, histories)
    return {"samples": samples, "vote_ms": {n: statistics.median(v) for n, v in votes.items()},
            "reconnect": reconnects, "missed": transactions}


# ---- the report ----------------------------------------------------------------------------------


def median(figures, system, what, clients, name="rate"):
    samples = (figures or {}).get("samples", {}).get(f"{system} {what} {clients}")
    return statistics.median(s[name] for s in samples) if samples else None


def ratio(figures, what, clients):
    ours, theirs = (median(figures, system, what, clients) for system in SERVERS)
    return ours / theirs if ours and theirs else None


def goals(figures):
    """(what, measured, comparison, goal, unit), as compare_report's."""
    if not figures:
        return []
    vote, back = figures["vote_ms"]["zeolite"], figures["reconnect"]["zeolite"]
    warm = back["verdict"] in ("quick verification", "Cache up to date")
    return [
        ("commits/s, 8 stock ZEO clients, to ZEO's server",
         ratio(figures, "commit", 8), ">=", 3, "x"),
        ("uncached loads/s, 8 stock ZEO clients, to ZEO's server",
         ratio(figures, "load", 8), ">=", 2, "x"),
        ("loads/s in one go (prefetch), 8 stock ZEO clients, to ZEO's server",
         ratio(figures, "prefetch", 8), ">=", 2, "x"),
        ("vote beside another's open vote on other objects", vote, "<=", HOLD_S * 100, "ms"),
        (f"reconnect of a warm cache {figures['missed']:,} transactions old",
         back["seconds"] if warm else None, "<=", 1, "s"),
    ]


def table(figures):
    """Lines of the report."""
    if not figures:
        return []
    lines = ["| stock ZEO clients | clients | server | per second | p50 µs | p99 µs | server CPU "
             "| clients' CPU |", "|---|--:|---|--:|--:|--:|--:|--:|"]
    for what in RATES:
        for clients in CLIENTS:
            for system in SERVERS:
                values = [median(figures, system, what, clients, name)
                          for name in ("rate", "p50_us", "p99_us", "server_cpu", "client_cpu")]
                lines.append(
                    f"| {what} | {clients} | {system} | {values[0]:,.0f} | {values[1]:,.0f} "
                    f"| {values[2]:,.0f} | {values[3]:.0%} | {values[4]:.0%} |")
            lines.append(f"| | {clients} | ratio | {ratio(figures, what, clients):.2f} × | | | | |")
    votes, back = figures["vote_ms"], figures["reconnect"]
    lines += ["", f"A vote while another client's vote on other objects is open for {HOLD_S:g} s: "
              f"zeolite {votes['zeolite']:.1f} ms, python {votes['python']:.0f} ms."]
    lines += [f"Reconnect of a client that missed {figures['missed']:,} transactions: " + "; ".join(
        f"{name} {b['seconds']:.2f} s, {b['verdict']}, {b['cached']:,} objects still cached"
        for name, b in back.items()) + "."]
    return [*lines, ""]
