"""Counts tests from what ctest and GoogleTest wrote."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection

CUT_OFF = "no time was left for it"


@dataclass
class Results:
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # name, reason

    def add(self, other: "Results") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def summary(self) -> str:
        line = f"{self.passed} passed, {len(self.failed)} failed"
        return line + (f", {len(self.skipped)} skipped" if self.skipped else "")


def read_gtest(report: Path, prefix: str) -> Results:
    results = Results()
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{prefix}{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            results.failed.append(name)
        elif skipped is not None:
            # "file:line", then the reason.
            reason = (skipped.get("message") or "").split("\n", 1)[-1].strip()
            results.skipped.append((name, reason or "no reason given"))
        elif case.get("status") != "notrun":  # disabled
            results.passed += 1
    return results


def killed_by_limit(console: str) -> set[str]:
    """The tests that ctest's console output says were killed when their time was over."""
    return set(re.findall(r"^\s*\d+ - (\S+) \(Timeout\)", console, re.MULTILINE))


def failed_ctests(report: Path) -> list[str]:
    """The ctests that failed, by ctest's name."""
    cases = ElementTree.parse(report).iter("testcase")
    return [case.get("name") for case in cases if case.get("status") == "fail"]


def read_ctest(report: Path, gtest_reports: Path, prefix: str, cut_off: Collection[str] = ()) -> Results:
    """A ctest that is a GoogleTest executable counts as its tests, any other one as one test.

    Those in cut_off were killed because the run had no time left: they are skipped, by name, unless
    they had found something by then.
    """
    results = Results()
    for case in ElementTree.parse(report).iter("testcase"):
        name = case.get("name")
        status = case.get("status")
        if name in cut_off and "[  FAILED  ]" not in (case.findtext("system-out") or ""):
            results.skipped.append((prefix + name, CUT_OFF))
            continue
        gtest_report = gtest_reports / f"{name.split('.', 1)[-1]}_tests.xml"
        if gtest_report.is_file():
            inner = read_gtest(gtest_report, prefix)
            results.add(inner)
            if status == "fail" and not inner.failed:
                results.failed.append(f"{prefix}{name} (its process failed after the tests)")
        elif status == "run":
            results.passed += 1
        elif status == "disabled" or _skipped_itself(case):
            printed = (case.findtext("system-out") or "").strip().splitlines()
            results.skipped.append((prefix + name, printed[-1] if printed else status))
        else:  # failed, or not run because its program is missing
            results.failed.append(prefix + name)
    return results


def _skipped_itself(case: ElementTree.Element) -> bool:
    """By SKIP_RETURN_CODE or SKIP_REGULAR_EXPRESSION; the last line it printed is the reason."""
    skipped = case.find("skipped")
    return skipped is not None and (skipped.get("message") or "").startswith("SKIP_")
