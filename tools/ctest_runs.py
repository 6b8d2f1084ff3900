"""Builds a preset and runs tests of it through ctest."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Collection

from project_files import ROOT
from test_results import CUT_OFF, Results, failed_ctests, killed_by_limit, read_ctest
from time_budget import LEAST_S, OutOfTime, TimeBudget

JOBS = os.cpu_count() or 1
# ctest arguments. Whatever carries none of the labels is an integration test: examples, package.
LABELS = {
    "unit": ["-L", "^unit$"],
    "sim": ["-L", "^sim$"],
    "integration": ["-LE", "^(unit|sim|soak|cluster)$"],
    "cluster": ["-L", "^cluster$"],
    "fuzz": ["-L", "^fuzz$"],
    "soak": ["-L", "^soak$"],
}
# Set by continuous integration, where a red run throws work away: a test that fails is run once more.
REPEAT_VARIABLE = "ZEOLITE_TEST_REPEAT"
# With less time left nothing is run again.
REPEAT_S = 120


def run(command, budget: TimeBudget, env=None) -> bool:
    sys.stdout.flush()
    return budget.run(command, cwd=ROOT, env=env)


def build(preset: str, *targets: str, budget: TimeBudget = TimeBudget()) -> bool:
    """Everything, unless targets are named. OutOfTime when the time is over."""
    configured = (ROOT / "build" / preset / "build.ninja").is_file()
    if not configured and not run(["cmake", "--preset", preset], budget):
        return False
    return run(["cmake", "--build", f"build/{preset}", "--target", *(targets or ("all",))], budget)


def not_begun(command: list[str], results: Path) -> list[str]:
    """The tests that ctest should have run and does not report."""
    shown = subprocess.run([*command, "--show-only=json-v1"], cwd=ROOT, text=True, check=True,
                           stdout=subprocess.PIPE).stdout
    reported = results.read_text(errors="replace")
    return [test["name"] for test in json.loads(shown)["tests"]
            if f'<testcase name="{test["name"]}"' not in reported]


def reports_of(preset: str, label: str) -> Path:
    """Where everything about a run of these tests is written."""
    return ROOT / "build" / preset / "reports" / label


def run_ctest(preset: str, label: str, environment: dict[str, str], wrapper: list[str],
              budget: TimeBudget, only: Collection[str] = ()) -> Results:
    """`only` these, if any are named; what is in the folder of reports stays then."""
    reports = reports_of(preset, label)
    if not only:
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
    junit, console = reports / "ctest.xml", reports / "console.log"
    env = os.environ | environment | {"GTEST_OUTPUT": f"xml:{reports}/"}
    names = ["-R", f"^({'|'.join(map(re.escape, only))})$"] if only else []
    tests = ["ctest", "--test-dir", f"build/{preset}", *LABELS[label], *names]
    command = wrapper + tests + [
        "--output-on-failure", "--no-tests=error", "-j", str(JOBS), "--output-junit", str(junit),
        "--output-log", str(console), *budget.stop_arguments()]
    passed = run(command, TimeBudget(), env)  # ctest itself ends in time
    prefix = "" if preset in ("dev", "release", "fuzz") else f"{preset}: "
    if not junit.is_file():
        return Results(failed=[f"{prefix}{label} (ctest wrote no report)"])
    out_of_time = budget.left_s() < LEAST_S
    cut_off = killed_by_limit(console.read_text(errors="replace")) if out_of_time else set()
    results = read_ctest(junit, reports, prefix, cut_off)
    if out_of_time:
        results.skipped += [(prefix + name, CUT_OFF) for name in not_begun(tests, junit)]
    if not passed and not results.failed and not out_of_time:
        results.failed.append(f"{prefix}{label} (ctest failed, see above)")
    return results


def repeat_failed(results: Results, preset, label, environment, wrapper, budget) -> Results:
    """After those that failed have run once more, and alone as far as their names are known."""
    report = reports_of(preset, label) / "ctest.xml"
    if not results.failed or not report.is_file() or budget.left_s() <= REPEAT_S:
        return results
    ctests = failed_ctests(report)
    names = [name.removeprefix(f"{preset}: ") for name in results.failed]
    print(f"{preset}: run again: {', '.join(names)}", flush=True)
    tests = [name for name in names if name not in ctests and " (" not in name]
    if len(tests) == len(names):
        environment = environment | {"GTEST_FILTER": ":".join(tests)}
    return results.repeated(run_ctest(preset, label, environment, wrapper, budget, only=ctests))


def run_label(preset, label, environment, wrapper, budget) -> Results:
    results = run_ctest(preset, label, environment, wrapper, budget)
    if os.environ.get(REPEAT_VARIABLE):
        results = repeat_failed(results, preset, label, environment, wrapper, budget)
    return results


def run_tests(preset, labels, environment=None, wrapper=None, targets=("all",),
              budget: TimeBudget = TimeBudget(), run_label=run_label) -> Results:
    """Tests that the time is not enough for are skipped, by name; OutOfTime if that is all of them.

    `run_label` runs those of one label, as run_ctest does.
    """
    if not build(preset, *targets, budget=budget):
        return Results(failed=[f"build {preset}"])
    results = Results()
    for label in labels:
        try:
            results.add(run_label(preset, label, environment or {}, wrapper or [], budget))
        except OutOfTime as reason:
            results.skipped.append((f"{preset}: {label}", str(reason)))
    return results
