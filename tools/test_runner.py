#!/usr/bin/env python3
"""Builds and runs the tests, stage by stage. ./test is the way in and says what the stages are."""

import os
import shutil
import sys
import time
from dataclasses import dataclass
from typing import Callable

import check
import doc_commands
import python_tests
from ctest_runs import build, run_tests
from project_files import ROOT
from sanitized_runs import run_asan, run_tsan
from test_results import Results
from time_budget import VARIABLE, OutOfTime, TimeBudget, minutes_of

# The full run tests what is shipped; the dev preset is for while editing. What matters more comes
# first: each of the last ones may be skipped.
ALL_STAGES = ("checks", "release", "python", "docs", "cluster", "fuzz", "asan-unit", "tsan-unit",
              "asan-integration", "tsan-integration")
# Of the full run: what goes on only as long as there is time. Such a stage does not begin with less
# than so many minutes left, about what it takes on two cores without a compiler cache.
NEEDED_MINUTES = {"cluster": 5, "fuzz": 8, "asan-unit": 20, "tsan-unit": 20, "asan-integration": 8,
                  "tsan-integration": 10}
GROUPS = {"fast": ("checks", "unit"), "all": ALL_STAGES}


def run_checks() -> Results:
    results = Results()
    for outcome in check.run_all(full=False):
        name = f"check {outcome.name}"
        if outcome.status == "passed":
            results.passed += 1
        elif outcome.status == "failed":
            results.failed.append(name)
        else:
            results.skipped.append((name, outcome.detail))
    return results


def run_fuzz(budget: TimeBudget) -> Results:
    if not shutil.which("clang++-19"):
        return Results(skipped=[("fuzz", "clang++-19 is not installed")])
    return run_tests("fuzz", ["fuzz"], targets=["fuzz/all"], budget=budget)


def build_program() -> bool:
    return build("release", "zeolite")


def build_for_clients() -> bool:
    """The demonstration has a native client, too."""
    return build("release", "zeolite", "example_journal")


def run_docs() -> Results:
    if not build_program():
        return Results(failed=["build release"])
    return doc_commands.run_all(ROOT, ROOT / "build/release")


@dataclass(frozen=True)
class Stage:
    action: Callable[[TimeBudget], Results]
    shown: str


def listed(labels: tuple[str, ...]) -> str:
    return " and ".join(", ".join(labels).rsplit(", ", 1))


def tests(preset: str, *labels: str) -> Stage:
    return Stage(lambda budget: run_tests(preset, labels, budget=budget),
                 f"build {preset}, ctest {listed(labels)}")


def sanitized(name: str, action, *labels: str) -> Stage:
    return Stage(lambda budget: action(labels, budget), f"build {name}, ctest {listed(labels)}")


STAGES = {
    "checks": Stage(lambda budget: run_checks(), "tools/check.sh fast"),
    "unit": tests("dev", "unit"),
    "integration": tests("dev", "integration"),
    "sim": tests("release", "sim"),
    "release": tests("release", "unit", "sim", "integration"),
    "python": Stage(lambda budget: python_tests.run_all(build_for_clients),
                    "build release, stock ZEO clients and their packages' own suites"),
    "python-soak": Stage(lambda budget: python_tests.run_long(build_program),
                         "build release, long races, kills and 10,000 stock connections"),
    "cluster": tests("release", "cluster"),
    "asan": sanitized("asan", run_asan, "unit", "sim", "integration"),
    "tsan": sanitized("tsan", run_tsan, "unit", "sim", "integration"),
    "asan-unit": sanitized("asan", run_asan, "unit", "sim"),
    "tsan-unit": sanitized("tsan", run_tsan, "unit", "sim"),
    "asan-integration": sanitized("asan", run_asan, "integration"),
    "tsan-integration": sanitized("tsan", run_tsan, "integration"),
    "fuzz": Stage(run_fuzz, "build fuzz, ctest fuzz"),
    "docs": Stage(lambda budget: run_docs(), "build release, commands of README.md and docs/"),
    "soak": tests("release", "soak"),
}


def stages_of(arguments: list[str]) -> list[str]:
    names = []
    for argument in arguments or ["all"]:
        for name in GROUPS.get(argument, (argument,)):
            if name not in STAGES:
                known = ", ".join([*GROUPS, *STAGES])
                sys.exit(f"test: no stage '{name}'; there are {known}")
            if name not in names:
                names.append(name)
    return names


def run_stage(name: str, budget: TimeBudget) -> Results:
    print(f"=== {name}: {STAGES[name].shown}", flush=True)
    started = time.monotonic()
    try:
        results = STAGES[name].action(budget)
    except OutOfTime as reason:
        results = Results(skipped=[(name, f"{reason}; run ./test {name}")])
    print(f"=== {name}: {results.summary()} ({time.monotonic() - started:.0f} s)", flush=True)
    return results


def run_all(names: list[str], budget: TimeBudget) -> Results:
    """Lack of time makes nothing fail: what the time is not enough for is skipped, by name."""
    total = Results()
    for name in names:
        needed = NEEDED_MINUTES.get(name) if budget.limited() else None
        if needed is None:
            total.add(run_stage(name, TimeBudget()))
        elif budget.left_s() >= needed * 60:
            total.add(run_stage(name, budget))
        else:
            left = max(budget.left_s(), 0) / 60
            total.skipped.append((name, f"{left:.0f} minutes are left ({VARIABLE}), it may need "
                                        f"{needed}; run ./test {name}"))
    return total


def main(arguments: list[str]) -> int:
    dry_run = "--dry-run" in arguments
    names = stages_of([argument for argument in arguments if argument != "--dry-run"])
    if dry_run:
        for name in names:
            print(f"{name}: {STAGES[name].shown}")
        return 0
    try:
        minutes = minutes_of(os.environ)
    except ValueError as error:
        sys.exit(f"test: {error}")
    # Who names stages wants these, however long they take.
    total = run_all(names, TimeBudget() if arguments else TimeBudget(minutes * 60))
    for name, reason in total.skipped:
        print(f"skipped: {name}: {reason}")
    for name in total.flaky:
        print(f"flaky, passed when it was run again: {total.named(name)}")
    for name in total.failed:
        print(f"failed: {total.named(name)}")
    print(total.summary())
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
