"""Runs tests under the sanitizers, as far as the machine can."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ctest_runs import repeat_failed, reports_of, run_ctest, run_tests
from project_files import ROOT
from test_results import Results
from time_budget import TimeBudget

# As in CMakePresets.json. Clang compiles for the address sanitizer in half of g++'s time.
ASAN_COMPILER = "clang++-19"
TSAN_COMPILER = "g++"
# Not what shows nothing about memory and threads. Walking the crash points is about what is on the
# disk; the kills that remain take the same ways. The model of the protocol has no code of the product,
# and rules broken on purpose are for the search itself. Of the simulation, a tenth of the seeds. What
# LostCoordination shows depends on leases of seconds; the other tests with etcd take the same ways.
SANITIZED = {"GTEST_FILTER": "-*CrashPoint.*:*FailoverModel*:*MutationTest.*:LostCoordination.*",
             "ZEOLITE_KILL_ROUNDS": "4", "ZEOLITE_SIM_SEEDS": "200"}
# The files that the sanitizers write begin so.
REPORT = "sanitizer"
# What is built for the tests of a label: all is more than the unit tests need.
TARGETS = {"unit": ["unit_tests"], "sim": ["sim_tests"], "integration": ["all"]}


def sanitizer_runs(compiler: str, sanitizer: str, environment=None, wrapper=None) -> bool:
    """Whether a program that does nothing runs under this sanitizer on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "empty.cc")
        source.write_text("int main() { return 0; }\n")
        program = Path(folder, "empty")
        command = [compiler, f"-fsanitize={sanitizer}", str(source), "-o", str(program)]
        if subprocess.run(command, capture_output=True).returncode != 0:
            return False
        env = os.environ | (environment or {})
        command = (wrapper or []) + [str(program)]
        return subprocess.run(command, env=env, capture_output=True).returncode == 0


def written_to(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment in which a sanitizer writes what it finds into files there.

    So nothing is missed that a server or a child says, which a test started and killed.
    """
    named = dict(environment)
    for variable in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        named[variable] = f"{named.get(variable, '')}:log_path={folder / REPORT}"
    return named


def run_label(preset, label, environment, wrapper, budget) -> Results:
    folder = reports_of(preset, label)
    environment = written_to(folder, environment)
    results = run_ctest(preset, label, environment, wrapper, budget)
    # A sanitizer makes all slow, and some tests have a clock.
    if not found(folder):
        results = repeat_failed(results, preset, label, environment, wrapper, budget)
    for report in found(folder):
        text = report.read_text(errors="replace")
        print(text, flush=True)
        lines = [line for line in text.splitlines() if line.strip("= ")]
        results.failed.append(f"{preset}: {report.name}: {lines[0] if lines else 'empty'}")
    return results


def found(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{REPORT}.*"))


def targets_of(labels: list[str]) -> list[str]:
    targets = [target for label in labels for target in TARGETS[label]]
    return ["all"] if "all" in targets else targets


def run_asan(labels: list[str], budget: TimeBudget) -> Results:
    environment = SANITIZED | {"UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    results = Results()
    if not shutil.which(ASAN_COMPILER):
        return Results(skipped=[("asan", f"{ASAN_COMPILER} is not installed")])
    if not sanitizer_runs(ASAN_COMPILER, "address"):
        environment["ASAN_OPTIONS"] = "detect_leaks=0"
        if not sanitizer_runs(ASAN_COMPILER, "address", environment):
            return Results(skipped=[("asan", "a program under the address sanitizer does not start")])
        results.skipped.append(("asan: leaks", "the leak check needs ptrace, forbidden here"))
    results.add(run_tests("asan", labels, environment, targets=targets_of(labels), budget=budget,
                          run_label=run_label))
    return results


def run_tsan(labels: list[str], budget: TimeBudget) -> Results:
    suppressions = ROOT / "tools" / "tsan_suppressions.txt"
    environment = SANITIZED | {
        # RocksDB's mutexes are made where the sanitizer does not see it: no reports of their misuse.
        "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:report_mutex_bugs=0:"
                        f"suppressions={suppressions}"}
    wrapper = []
    if not sanitizer_runs(TSAN_COMPILER, "thread", environment):
        # Kernels with more address randomisation than the sanitizer of g++ 12 knows.
        wrapper = ["setarch", os.uname().machine, "-R"]
        if not sanitizer_runs(TSAN_COMPILER, "thread", environment, wrapper):
            return Results(skipped=[("tsan", "a program under the thread sanitizer does not start")])
    return run_tests("tsan", labels, environment, wrapper, targets_of(labels), budget, run_label)
