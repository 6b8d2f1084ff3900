"""Counts tests from what ctest and GoogleTest wrote."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection

CUT_OFF = "no time was left for it"
WHY_MAX = 300  # characters


@dataclass
class Results:
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # name, reason
    flaky: list[str] = field(default_factory=list)  # failed, and passed when run again; are in passed
    why: dict[str, str] = field(default_factory=dict)  # of some that failed or are flaky: a line

    def add(self, other: "Results") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.flaky += other.flaky
        self.why |= other.why

    def repeated(self, again: "Results") -> "Results":
        """What counts after the tests that failed here, and perhaps others, have run once more.

        A run of fewer tests than failed here shows nothing about them.
        """
        mended = [name for name in self.failed if name not in again.failed]
        if again.passed < len(mended):
            return self
        return Results(self.passed + len(mended), again.failed, self.skipped, self.flaky + mended,
                       self.why | again.why)

    def named(self, name: str) -> str:
        return f"{name}: {self.why[name]}" if name in self.why else name

    def summary(self) -> str:
        line = f"{self.passed} passed, {len(self.failed)} failed"
        return line + (f", {len(self.skipped)} skipped" if self.skipped else "")


def one_line(text: str) -> str:
    """What a failure printed, cut to what a list of them can show."""
    shown = " | ".join(line.strip() for line in text.splitlines() if line.strip())
    return shown if len(shown) <= WHY_MAX else shown[:WHY_MAX - 3] + "..."


def read_gtest(report: Path, prefix: str) -> Results:
    results = Results()
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{prefix}{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        failure = case.find("failure")
        if failure is not None:
            results.failed.append(name)
            results.why[name] = one_line(failure.get("message") or "")
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
