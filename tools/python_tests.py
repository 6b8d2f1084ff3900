"""The tests with stock ZEO clients: tests/python, run in virtual environments of their own."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from ctest_runs import REPEAT_VARIABLE
from project_files import ROOT
from test_results import Results, one_line

NEWEST = "zeo-newest"
# Runs the tests of what clients do by themselves at a takeover and at a full server, too.
OLDER = "zeo-5.4.1"
OLDER_TESTS = ["test_takeover", "test_reconnect.CrowdTest"]
# What the encoding can change, and what is quick.
MSGPACK_TESTS = ["test_objects", "test_copying", "test_blobs", "test_ordering", "test_hostile",
                 "test_versions", "test_seeded_files", "test_same_answers",
                 "test_reconnect.CacheTest",
                 "test_reconnect.ReadOnlyTest", "test_reconnect.KillTest"]
LONG_TESTS = ["test_races", "test_same_content", "test_reconnect.KillTest", "test_seeded_files",
              "test_same_answers",
              "test_hostile.HostileTest.test_ten_thousand_idle_connections"]
LONG_MSGPACK_TESTS = ["test_races", "test_reconnect.KillTest", "test_seeded_files"]
TESTS = ROOT / "tests" / "python"
# What the long runs set: see tests/python/run_interop.py.
LONG = {"ZEOLITE_TEST_LONG": "300", "ZEOLITE_KILL_ROUNDS": "50"}


def make_environments() -> tuple[Results, bool]:
    """One for each client version; whether the newest, which runs the tests, is there."""
    results = Results()
    names = sorted(path.stem for path in (TESTS / "requirements").glob("*.txt"))
    available = True
    for name in names:
        done = subprocess.run([ROOT / "tools" / "python_env.sh", name], text=True,
                              stdout=subprocess.PIPE)
        sys.stdout.write(done.stdout)
        if done.returncode == 0:
            continue
        available = available and name != NEWEST
        if done.returncode == 3:
            results.skipped.append((f"python {name}", done.stdout.strip().splitlines()[-1]))
        else:
            results.failed.append(f"python {name} (its packages could not be installed)")
    return results, available


def run_script(script: str, arguments: list[str], environment: dict[str, str],
               client: str = NEWEST) -> Results:
    """Runs a driver of tests/python; what failed once more, where that is wanted."""
    results = run_once(script, arguments, environment, client)
    wanted = results.failed and os.environ.get(REPEAT_VARIABLE)
    again = named(results.failed) if wanted else []
    return results.repeated(run_once(script, again, environment, client)) if again else results


def run_once(script, arguments, environment, client) -> Results:
    """Its output comes in one piece: two run side by side."""
    label = " ".join([script, *arguments] if client == NEWEST else [client, script, *arguments])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [ROOT / "build/python" / client / "bin/python", TESTS / script, *arguments,
                   "--json", report]
        done = subprocess.run(command, env=os.environ | environment, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        sys.stdout.write(f"--- {label}\n{done.stdout}")
        sys.stdout.flush()
        if not report.is_file():
            return Results(failed=[f"{label} (it wrote no report)"])
        outcome = json.loads(report.read_text())
    results = Results(outcome["passed"], outcome["failed"],
                      [(name, reason) for name, reason in outcome["skipped"]],
                      why={name: one_line(text) for name, text in outcome.get("why", {}).items()})
    if done.returncode != 0 and not results.failed:
        results.failed.append(f"{label} (it failed, see above)")
    return results


def named(failed: list[str]) -> list[str]:
    """The arguments with which a driver runs these again; empty when one is no test's name."""
    tests, options = [], set()
    for name in failed:
        match = re.fullmatch(r"(zeo-suites|interop)( msgpack| pickle|) (\w+\.[\w.]+)( .*)?", name)
        if not match or (match[1] == "zeo-suites" and match[4]):
            return []
        if match[1] == "zeo-suites":
            tests.append(match[3].rsplit(".", 1)[-1])
            continue
        if match[2]:
            options.add("--msgpack")
        tests.append(match[3])
    tests = list(dict.fromkeys(tests))
    if failed[0].startswith("zeo-suites"):
        return ["--test", rf"\b({'|'.join(tests)})\b"]
    return [*options, *tests]


def run_all(build_release) -> Results:
    """The packages' own suites in both encodings, beside our own tests of both encodings."""
    results, available = make_environments()
    if not available:
        return results
    if not build_release():
        results.failed.append("build release")
        return results
    own = []

    def run_own():
        own.append(run_script("run_interop.py", [], {}))
        own.append(run_script("run_interop.py", ["--msgpack", *MSGPACK_TESTS], {}))
        if (ROOT / "build/python" / OLDER / "stamp").is_file():  # else it was said why not
            own.append(run_script("run_interop.py", OLDER_TESTS, {}, OLDER))

    beside = threading.Thread(target=run_own)
    beside.start()
    results.add(summed_exclusions(run_script("zeo_suites.py", [], {})))
    beside.join()
    for outcome in own:
        results.add(outcome)
    return results


def run_long(build_release) -> Results:
    results, available = make_environments()
    if not available:
        return results
    if not build_release():
        results.failed.append("build release")
        return results
    results.add(run_script("run_interop.py", LONG_TESTS, LONG))
    results.add(run_script("run_interop.py", ["--msgpack", *LONG_MSGPACK_TESTS], LONG))
    return results


def summed_exclusions(results: Results) -> Results:
    """One line for each reason; tests/python/exclusions.txt has them all."""
    by_reason: dict[str, int] = {}
    for _, reason in results.skipped:
        by_reason[reason] = by_reason.get(reason, 0) + 1
    results.skipped = [(f"zeo-suites, {count} tests", re.sub(r"\s+", " ", reason))
                       for reason, count in by_reason.items()]
    return results
