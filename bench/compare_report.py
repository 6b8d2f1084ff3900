"""What bench/compare prints and writes: medians, ratios, and the goals they are judged by."""

import os
import pathlib
import re
import statistics

import standby_compare
import zeo_compare

SYSTEMS = ("disk", "rocksdb", "zeolite", "postgres", "redis", "echo")
INVALIDATE_CLIENTS = 200


class Figures:
    """Medians over the rounds."""

    def __init__(self, run):
        self.samples = run.samples
        self.extras = run.extras

    def get(self, system, kind, clients, name="rate"):
        values = [s[name] for s in self.samples.get((system, kind, clients), []) if name in s]
        return statistics.median(values) if values else None

    def extra(self, name, *path):
        value = self.extras.get(name)
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value


def ratio(a, b):
    return a / b if a is not None and b else None


def goals(f):
    """(what, measured, comparison, goal, unit) for each line of the goals."""
    commit = lambda system, n: f.get(system, "commit", n)
    rss = f.extra("memory", "rss_mb")
    over = rss - f.extra("memory", "caches_mb") if rss is not None else None
    cached = f.extra("cache") or {}
    invalidated = f.extra("invalidate", "p99_us")
    return [
        ("commits/s, 1 client, to disk append + fdatasync",
         ratio(commit("zeolite", 1), f.get("disk", "sync", 1, "append_per_s")), ">=", 0.9, "x"),
        ("commits/s, 16 clients, to PostgreSQL",
         ratio(commit("zeolite", 16), commit("postgres", 16)), ">=", 2, "x"),
        ("commits/s, 16 clients, to one RocksDB writer of 16",
         ratio(commit("zeolite", 16), commit("rocksdb", 16)), ">=", 0.8, "x"),
        ("commits/s, 64 clients, to PostgreSQL",
         ratio(commit("zeolite", 64), commit("postgres", 64)), ">=", 2.5, "x"),
        ("commits/s, 64 clients, to Redis",
         ratio(commit("zeolite", 64), commit("redis", 64)), ">=", 1, "x"),
        ("load p50, 1 client, to ping of the same bytes",
         ratio(f.get("zeolite", "load", 1, "p50_us"), f.get("zeolite", "ping", 1, "p50_us")),
         "<=", 1.5, "x"),
        ("loads/s, 16 clients, to Redis GET",
         ratio(f.get("zeolite", "load", 16), f.get("redis", "load", 16)), ">=", 1, "x"),
        ("load from the client's cache", cached.get("transaction_load/threads:1"), "<=", 250, "ns"),
        (f"invalidation, {INVALIDATE_CLIENTS} clients, p99",
         invalidated / 1000 if invalidated is not None else None, "<=", 10, "ms"),
        ("memory beyond caches, 64 clients committing", over, "<=", 100, "MB"),
        ("idle connection", f.extra("memory", "idle_kb_handshake"), "<=", 32, "KB"),
        *zeo_compare.goals(f.extra("zeo")),
        *standby_compare.goals(f.extra("standby")),
    ]


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def goals_table(f):
    lines = ["| | goal | measured | reached |", "|---|---|---|---|"]
    for what, value, comparison, goal, unit in goals(f):
        sign = "≥" if comparison == ">=" else "≤"
        digits = 2 if unit == "x" else 1
        reached = "-"
        if value is not None:
            reached = "yes" if (value >= goal if comparison == ">=" else value <= goal) else "**no**"
        unit = "×" if unit == "x" else unit
        lines.append(f"| {what} | {sign} {goal:g} {unit} | {number(value, digits)} | {reached} |")
    return lines


def rates_table(f):
    lines = ["| system | what | clients | per second | spread | p50 µs | p99 µs "
             "| server CPU | load CPU |",
             "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    order = {s: i for i, s in enumerate(SYSTEMS)}
    for key in sorted(f.samples, key=lambda k: (k[1], k[2], order[k[0]])):
        system, kind, clients = key
        if system == "disk":
            continue
        rates = [s["rate"] for s in f.samples[key]]
        cpu = [f.get(*key, name) for name in ("server_cpu", "load_cpu")]
        what = f"batch of {clients}" if system == "rocksdb" else kind
        lines.append(
            f"| {system} | {what} | {1 if system == 'rocksdb' else clients} "
            f"| {number(f.get(*key))} | {number(min(rates))} to {number(max(rates))} "
            f"| {number(f.get(*key, 'p50_us'), 1)} | {number(f.get(*key, 'p99_us'), 1)} "
            + "".join(f"| {'-' if c is None else f'{100 * c:.0f} %'} " for c in cpu) + "|")
    return lines


def disk_table(f):
    lines = ["| disk: 400 bytes, then fdatasync | per second | p50 µs | p99 µs |",
             "|---|--:|--:|--:|"]
    for name, label in (("append", "appended"), ("overwrite", "over written blocks")):
        values = [f.get("disk", "sync", 1, f"{name}_{k}") for k in ("per_s", "p50_us", "p99_us")]
        lines.append(f"| {label} | {number(values[0])} | {number(values[1], 1)} "
                     f"| {number(values[2], 1)} |")
    return lines


def memory_lines(f):
    m = f.extra("memory")
    if not m:
        return []
    line = (f"Server memory: {m['rss_start_mb']:.0f} MB at the start, {m['rss_mb']:.0f} MB after "
            f"64 clients committed, of it {m['caches_mb']:.0f} MB configured caches.")
    for name, what in (("handshake", "an idle client"), ("silent", "a connection that says nothing")):
        if f"idle_kb_{name}" in m:
            line += f" {what[0].upper() + what[1:]}: {m[f'idle_kb_{name}']:.1f} KB."
    return [line, ""]


def machine_line():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} processors ({model.group(1) if model else 'unknown'}), " + \
        f"Linux {os.uname().release}, load average {os.getloadavg()[0]:.1f}"


def report(run):
    f = Figures(run)
    o = run.options
    lines = [f"{machine_line()}; medians of {o.rounds} rounds of {o.seconds:g} s; "
             f"records of {o.size} bytes, {o.objects:,} objects.", ""]
    lines += [*goals_table(f), "", *rates_table(f), ""]
    if ("disk", "sync", 1) in f.samples:
        lines += [*disk_table(f), ""]
    lines += memory_lines(f)
    lines += zeo_compare.table(f.extra("zeo"))
    lines += standby_compare.table(f.extra("standby"))
    for what, why in run.skipped.items():
        name = what if isinstance(what, str) else " ".join(str(w) for w in what)
        lines.append(f"Not measured: {name}: {why}")
    return "\n".join(lines)


def as_json(run):
    f = Figures(run)
    return {
        "machine": machine_line(),
        "options": {k: str(v) if isinstance(v, pathlib.Path) else v
                    for k, v in vars(run.options).items()},
        "goals": [{"what": w, "measured": v, "comparison": c, "goal": g, "unit": u}
                  for w, v, c, g, u in goals(f)],
        "samples": [{"system": s, "kind": k, "clients": c, "rounds": rounds}
                    for (s, k, c), rounds in run.samples.items()],
        "extras": run.extras,
        "skipped": [{"what": what, "why": why} for what, why in run.skipped.items()],
    }
