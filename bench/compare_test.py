"""Runs bench/compare for a moment: each figure it promises is there, or what is missing is not installed.

The figures themselves mean nothing here. BUILD is the build directory.
Usage: compare_test.py BUILD
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = Path(__file__).resolve().parent
# What takes long, and is measured on standbys and stock clients, has tests of its own.
SYSTEMS = "disk,rocksdb,zeolite,postgres,redis,echo,invalidate,memory,cache"
NOT_INSTALLED = "is not installed"


def run_compare(build: str, folder: str) -> dict:
    figures = Path(folder, "figures.json")
    done = subprocess.run(
        [sys.executable, "-B", BENCH / "compare", "--no-build", "--build", build, "--dir", folder,
         "--only", SYSTEMS, "--rounds", "1", "--seconds", "0.2", "--memory-seconds", "1",
         "--memory-objects", "1000", "--idle-connections", "100", "--objects", "1000",
         "--json", figures],
        capture_output=True, text=True, timeout=250)
    if done.returncode != 0:
        sys.exit(f"bench/compare failed:\n{done.stdout}{done.stderr}")
    if "| commits/s, 1 client" not in done.stdout:
        sys.exit(f"no table of goals in what bench/compare printed:\n{done.stdout}")
    return json.loads(figures.read_text())


def what_is_wrong(figures: dict) -> list[str]:
    skipped = {str(item["what"]): item["why"] for item in figures["skipped"]}
    absent = {what for what, why in skipped.items() if NOT_INSTALLED in why}
    wrong = [f"skipped: {what}: {why}" for what, why in skipped.items() if what not in absent]
    names = {"postgres": "PostgreSQL", "redis": "Redis"}
    for goal in figures["goals"]:
        excused = any(name in goal["what"] for peer, name in names.items() if peer in absent)
        if goal["measured"] is None and not excused:
            wrong.append(f"not measured: {goal['what']}")
    return wrong


def main(build: str) -> int:
    with tempfile.TemporaryDirectory(prefix="zeolite-compare-test-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's user passes through
        figures = run_compare(build, folder)
    wrong = what_is_wrong(figures)
    print("\n".join(wrong) or f"{len(figures['samples'])} measurements")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
