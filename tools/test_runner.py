#!/usr/bin/env python3
"""Builds and runs the tests, stage by stage. ./test is the way in and says what the stages are."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import check
import doc_commands
import python_tests
from project_files import ROOT
from test_results import Results, read_ctest

JOBS = os.cpu_count() or 1

# ctest arguments. Whatever carries none of the labels is an integration test: examples, package.
LABELS = {
    "unit": ["-L", "^unit$"],
    "sim": ["-L", "^sim$"],
    "integration": ["-LE", "^(unit|sim|soak)$"],
    "fuzz": ["-L", "^fuzz$"],
    "soak": ["-L", "^soak$"],
}
# The full run tests what is shipped; the dev preset is for while editing.
ALL_STAGES = ("checks", "release", "python", "docs", "asan-unit", "tsan-unit", "fuzz")
# Of the full run: what builds the sources anew. On a machine that is so slow that the run would not
# end in time, a stage of these that would begin later than this is skipped, by name.
REBUILDING = ("asan-unit", "tsan-unit", "fuzz")
REBUILD_BEGINS_WITHIN_S = 10 * 60
# Walking the crash points shows what is on the disk, not how the code uses memory and threads; the
# release build does it, and the kills that remain take the same ways.
SANITIZED = {"GTEST_FILTER": "-*CrashPoint.*", "ZEOLITE_KILL_ROUNDS": "4"}
GROUPS = {"fast": ("checks", "unit"), "all": ALL_STAGES}


def run(command, env=None) -> bool:
    sys.stdout.flush()
    return subprocess.run(command, cwd=ROOT, env=env).returncode == 0


def build(preset: str, *targets: str) -> bool:
    """Everything, unless targets are named."""
    configured = (ROOT / "build" / preset / "build.ninja").is_file()
    if not configured and not run(["cmake", "--preset", preset]):
        return False
    return run(["cmake", "--build", f"build/{preset}", "--target", *(targets or ("all",))])


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


def run_ctest(preset: str, label: str, environment: dict, wrapper: list[str]) -> Results:
    reports = ROOT / "build" / preset / "reports" / label
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    junit = reports / "ctest.xml"
    env = os.environ | environment | {"GTEST_OUTPUT": f"xml:{reports}/"}
    command = wrapper + [
        "ctest", "--test-dir", f"build/{preset}", "--output-on-failure", "--no-tests=error",
        "-j", str(JOBS), "--output-junit", str(junit), *LABELS[label]]
    passed = run(command, env)
    prefix = "" if preset in ("dev", "release", "fuzz") else f"{preset}: "
    if not junit.is_file():
        return Results(failed=[f"{prefix}{label} (ctest wrote no report)"])
    results = read_ctest(junit, reports, prefix)
    if not passed and not results.failed:
        results.failed.append(f"{prefix}{label} (ctest failed, see above)")
    return results


def run_tests(preset, labels, environment=None, wrapper=None, target="all") -> Results:
    if not build(preset, target):
        return Results(failed=[f"build {preset}"])
    results = Results()
    for label in labels:
        results.add(run_ctest(preset, label, environment or {}, wrapper or []))
    return results


def sanitizer_runs(sanitizer: str, environment=None, wrapper=None) -> bool:
    """Whether a program that does nothing runs under this sanitizer on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "empty.cc")
        source.write_text("int main() { return 0; }\n")
        program = Path(folder, "empty")
        command = ["g++", f"-fsanitize={sanitizer}", str(source), "-o", str(program)]
        if subprocess.run(command, capture_output=True).returncode != 0:
            return False
        env = os.environ | (environment or {})
        command = (wrapper or []) + [str(program)]
        return subprocess.run(command, env=env, capture_output=True).returncode == 0


def run_asan(labels) -> Results:
    environment = SANITIZED | {"UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    results = Results()
    if not sanitizer_runs("address"):
        environment["ASAN_OPTIONS"] = "detect_leaks=0"
        if not sanitizer_runs("address", environment):
            return Results(skipped=[("asan", "a program under the address sanitizer does not start")])
        results.skipped.append(("asan: leaks", "the leak check needs ptrace, forbidden here"))
    results.add(run_tests("asan", labels, environment))
    return results


def run_tsan(labels) -> Results:
    suppressions = ROOT / "tools" / "tsan_suppressions.txt"
    environment = SANITIZED | {
        # RocksDB's mutexes are made where the sanitizer does not see it: no reports of their misuse.
        "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:report_mutex_bugs=0:"
                        f"suppressions={suppressions}"}
    wrapper = []
    if not sanitizer_runs("thread", environment):
        # Kernels with more address randomisation than the sanitizer of g++ 12 knows.
        wrapper = ["setarch", os.uname().machine, "-R"]
        if not sanitizer_runs("thread", environment, wrapper):
            return Results(skipped=[("tsan", "a program under the thread sanitizer does not start")])
    return run_tests("tsan", labels, environment, wrapper)


def run_fuzz() -> Results:
    if not shutil.which("clang++-19"):
        return Results(skipped=[("fuzz", "clang++-19 is not installed")])
    return run_tests("fuzz", ["fuzz"], target="fuzz/all")


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
    action: Callable[[], Results]
    shown: str


STAGES = {
    "checks": Stage(run_checks, "tools/check.sh fast"),
    "unit": Stage(lambda: run_tests("dev", ["unit"]), "build dev, ctest unit"),
    "integration": Stage(lambda: run_tests("dev", ["integration"]), "build dev, ctest integration"),
    "sim": Stage(lambda: run_tests("release", ["sim"]), "build release, ctest sim"),
    "release": Stage(lambda: run_tests("release", ["unit", "sim", "integration"]),
                     "build release, ctest unit, sim and integration"),
    "python": Stage(lambda: python_tests.run_all(build_for_clients),
                    "build release, stock ZEO clients and their packages' own suites"),
    "python-soak": Stage(lambda: python_tests.run_long(build_program),
                         "build release, long races, kills and 10,000 stock connections"),
    "asan": Stage(lambda: run_asan(["unit", "integration"]),
                  "build asan, ctest unit and integration"),
    "tsan": Stage(lambda: run_tsan(["unit", "integration"]),
                  "build tsan, ctest unit and integration"),
    "asan-unit": Stage(lambda: run_asan(["unit"]), "build asan, ctest unit"),
    "tsan-unit": Stage(lambda: run_tsan(["unit"]), "build tsan, ctest unit"),
    "fuzz": Stage(run_fuzz, "build fuzz, ctest fuzz"),
    "docs": Stage(run_docs, "build release, commands of README.md and docs/"),
    "soak": Stage(lambda: run_tests("release", ["soak"]), "build release, ctest soak"),
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


def main(arguments: list[str]) -> int:
    dry_run = "--dry-run" in arguments
    names = stages_of([argument for argument in arguments if argument != "--dry-run"])
    if dry_run:
        for name in names:
            print(f"{name}: {STAGES[name].shown}")
        return 0
    total = Results()
    began = time.monotonic()
    for name in names:
        if not arguments and name in REBUILDING:
            passed_s = time.monotonic() - began
            if passed_s > REBUILD_BEGINS_WITHIN_S:
                total.skipped.append((name, f"{passed_s / 60:.0f} minutes have passed already; "
                                            f"run ./test {name}"))
                continue
        print(f"=== {name}: {STAGES[name].shown}", flush=True)
        started = time.monotonic()
        results = STAGES[name].action()
        print(f"=== {name}: {results.summary()} ({time.monotonic() - started:.0f} s)", flush=True)
        total.add(results)
    for name, reason in total.skipped:
        print(f"skipped: {name}: {reason}")
    for name in total.failed:
        print(f"failed: {name}")
    print(total.summary())
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
