"""Runs the checks and says of each how it went. tools/check.sh is the way in."""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from cxx_source import CXX_SUFFIXES
from project_files import ROOT, SOURCE_FOLDERS, files_under


@dataclass(frozen=True)
class Check:
    name: str
    command: list[str]
    needs: str  # a program
    full_only: bool = False


def checks() -> list[Check]:
    sources = files_under(ROOT, SOURCE_FOLDERS, CXX_SUFFIXES)
    python = sys.executable
    return [
        Check("format", [python, "tools/format.py", *sources], "clang-format-19"),
        Check("tidy", [python, "tools/tidy.py"], "python3"),
        Check("layers", [python, "tools/layers.py"], "python3"),
        Check("tools-tests", [python, "-m", "unittest", "discover", "-s", "tools/tests", "-t",
                              "tools", "-q"], "python3"),
        Check("clang-tidy", [python, "tools/clang_tidy.py"], "clang-tidy-19", full_only=True),
    ]


@dataclass(frozen=True)
class Outcome:
    name: str
    status: str  # passed, failed, skipped
    detail: str


def run(check: Check) -> Outcome:
    if not shutil.which(check.needs):
        return Outcome(check.name, "skipped", f"{check.needs} is not installed")
    started = time.monotonic()
    status = subprocess.run(check.command, cwd=ROOT).returncode
    detail = f"{time.monotonic() - started:.1f} s"
    return Outcome(check.name, "failed" if status else "passed", detail)


def run_all(full: bool) -> list[Outcome]:
    outcomes = []
    for check in checks():
        if check.full_only and not full:
            continue
        outcome = run(check)
        print(f"check {outcome.name}: {outcome.status} ({outcome.detail})", flush=True)
        outcomes.append(outcome)
    return outcomes


if __name__ == "__main__":
    if sys.argv[1:] not in (["fast"], ["full"]):
        sys.exit("usage: tools/check.sh [fast|full]")
    results = run_all(full=sys.argv[1] == "full")
    sys.exit(1 if any(outcome.status == "failed" for outcome in results) else 0)
