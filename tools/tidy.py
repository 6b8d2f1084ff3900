#!/usr/bin/env python3
"""The house rules: sizes, banned names, file names, one test per source. Usage: tools/tidy.py

A line may be excepted by a comment on it or above it: `// tidy: allow RULE: reason`.
"""

import re
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cxx_source import CXX_SUFFIXES, CxxSource
from project_files import ROOT, SOURCE_FOLDERS, Finding, files_under, report

HEADER_LINES_MAX = 300
SOURCE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100

TEXT_FOLDERS = SOURCE_FOLDERS + (
    "tools", "cmake", ".ci", "packaging", "CMakeLists.txt", "CMakePresets.json", "run", "test")

SANS_IO = tuple(f"src/{f}/*" for f in ("base", "model", "pickle", "wire", "zeo", "commit",
                                            "invalidation", "replication", "server"))
UNIT_TESTS = ("tests/*",)
NOT_UNIT_TESTS = ("tests/integration/*", "tests/cluster/*", "tests/support/*", "tests/package/*")


@dataclass(frozen=True)
class Ban:
    rule: str
    pattern: re.Pattern
    places: tuple[str, ...]
    instead: str
    excepted: tuple[str, ...] = ()
    unless_after: re.Pattern | None = None  # what may stand before it

    def applies_to(self, path: str) -> bool:
        return _matches(path, self.places) and not _matches(path, self.excepted)


def _matches(path: str, patterns) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _ban(rule, pattern, places, instead, excepted=(), unless_after=None):
    after = re.compile(unless_after + r"\Z") if unless_after else None
    return Ban(rule, re.compile(pattern), places, instead, excepted, after)


_CLOCK = r"\b(?:system|steady|high_resolution)_clock\s*::\s*now\b|\b(?:clock_gettime|gettimeofday)\s*\(|\btime\s*\(\s*(?:nullptr|NULL|0)\s*\)"
_SLEEP = r"\bsleep_for\b|\bsleep_until\b|(?<![\w.>:])(?:::)?(?:u|nano)?sleep\s*\("
_EVERYWHERE = ("src/*", "include/*")

BANS = (
    _ban("clock", _CLOCK, SANS_IO, "take an Instant as an argument", ("src/base/time.*",)),
    _ban("clock", _CLOCK, UNIT_TESTS, "use a fixed Instant", NOT_UNIT_TESTS),
    _ban("sleep", _SLEEP, SANS_IO, "return a deadline to the caller"),
    _ban("sleep", _SLEEP, UNIT_TESTS, "wait for the event itself", NOT_UNIT_TESTS),
    _ban("random", r"\brandom_device\b|\bs?rand\s*\(", SANS_IO, "take the random bits as an argument"),
    _ban("threads", r"\bstd::(?:jthread|thread|(?:\w+_)?mutex|condition_variable\w*|async|atomic)\b",
         SANS_IO, "decide on one thread; threads belong to net, daemon, client and storage"),
    _ban("environment", r"\bgetenv\s*\(", SANS_IO, "pass it in as a setting"),
    _ban("output", r"\bstd::(?:cout|cerr|clog)\b|(?<![\w])f?printf\s*\(",
         _EVERYWHERE, "log through daemon's logger, print in cli only",
         ("src/cli/*", "src/daemon/*", "src/base/check.cc")),
    _ban("assert", r"(?<!static_)\bassert\s*\(", _EVERYWHERE, "CHECK (base/check.h) stays on in every build"),
    _ban("raw-new", r"(?<!operator )\bnew\s+[A-Za-z_:]|\bdelete\s+[A-Za-z_*(]|\bdelete\s*\[\]|\bmalloc\s*\(",
         _EVERYWHERE, "std::make_unique, std::unique_ptr<T>(new T(...)) for a private constructor",
         unless_after=r"(?:unique|shared)_ptr<[\w:]+>\s*\w*\(\s*"),
    _ban("unsafe-text", r"\b(?:strcpy|strcat|sprintf|gets|atoi|atol|strtok|stoi|stoul|stoull)\s*\(",
         _EVERYWHERE, "std::from_chars, std::string, std::format-like builders"),
    _ban("throw", r"\bthrow\b", ("src/*",), "return Result (base/error.h)",
         ("src/client/*", "src/cli/command_line.cc")),  # the client's interface; CLI11
)

_UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
_MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|tmp|home|root)/")
_VAGUE_NAME = re.compile(r"(?:^|_)(?:utils?|common|helpers?|misc|stuff)(?:$|[_.])")
_UNORDERED = re.compile(r"\bunordered_(?:flat_|node_)?(?:multi)?(?:map|set)\s*<")


def check_cxx(source: CxxSource, header: CxxSource | None = None) -> list[Finding]:
    """`header` is the source's own header: its members are iterated here."""
    return (
        _sizes(source)
        + _pragma_once(source)
        + _banned(source)
        + _unordered_iteration(source, header)
    )


def _sizes(source: CxxSource) -> list[Finding]:
    findings = []
    is_header = source.path.endswith(".h")
    limit = HEADER_LINES_MAX if is_header else SOURCE_LINES_MAX
    if len(source.lines) > limit:
        kind = "header" if is_header else "source"
        message = f"{len(source.lines)} lines; a {kind} has at most {limit}: split it by role"
        findings.append(Finding(source.path, 1, "file-size", message))
    for function in source.functions:
        if function.lines > FUNCTION_LINES_MAX and not source.allowed("function-size", function.line):
            message = f"{function.name} has {function.lines} lines, at most {FUNCTION_LINES_MAX}"
            findings.append(Finding(source.path, function.line, "function-size", message))
    return findings


def _pragma_once(source: CxxSource) -> list[Finding]:
    if source.path.endswith(".h") and "#pragma once" not in source.text:
        return [Finding(source.path, 1, "pragma-once", "begin the header with #pragma once")]
    return []


def _banned(source: CxxSource) -> list[Finding]:
    findings = []
    for ban in BANS:
        if not ban.applies_to(source.path):
            continue
        for match in ban.pattern.finditer(source.code):
            line = source.line_of(match.start())
            before = source.code[max(0, match.start() - 200) : match.start()]
            if ban.unless_after and ban.unless_after.search(before):
                continue
            if not source.allowed(ban.rule, line):
                message = f"'{match.group(0).strip()}' is banned here: {ban.instead}"
                findings.append(Finding(source.path, line, ban.rule, message))
    return findings


def _unordered_names(code: str) -> set[str]:
    names = set()
    for match in _UNORDERED.finditer(code):
        depth, at = 1, match.end()
        while at < len(code) and depth:
            depth += {"<": 1, ">": -1}.get(code[at], 0)
            at += 1
        name = re.match(r"\s*[&*]?\s*(\w+)\s*[;={(,)]", code[at:])
        if name:
            names.add(name.group(1))
    return names


def _unordered_iteration(source: CxxSource, header: CxxSource | None) -> list[Finding]:
    if not _matches(source.path, SANS_IO):
        return []
    names = _unordered_names(source.code) | (_unordered_names(header.code) if header else set())
    findings = []
    for name in sorted(names):
        loop = rf"\bfor\s*\([^;()]*:\s*(?:\w+(?:\.|->))*{name}\s*\)|\b{name}\.c?begin\s*\("
        for match in re.finditer(loop, source.code):
            line = source.line_of(match.start())
            if not source.allowed("unordered-iteration", line):
                message = (f"iterates over unordered '{name}': use an ordered container, or say "
                           "'// tidy: allow unordered-iteration: why the order does not matter'")
                findings.append(Finding(source.path, line, "unordered-iteration", message))
    return findings


def check_text(path: str, text: str) -> list[Finding]:
    findings = []
    if _VAGUE_NAME.search(Path(path).name) or _VAGUE_NAME.search(Path(path).parent.name):
        message = "name the file after what it does, not utils, common, helpers or misc"
        findings.append(Finding(path, 1, "file-name", message))
    for number, line in enumerate(text.splitlines(), 1):
        if _UNFINISHED.search(line):
            findings.append(Finding(path, number, "unfinished", "finish it, or open an issue"))
        if _MACHINE_PATH.search(line) and "tidy: allow machine-path:" not in line:
            message = "a path of one machine: take it from an argument or a temporary directory"
            findings.append(Finding(path, number, "machine-path", message))
        if path.endswith(CXX_SUFFIXES) and len(line) > LINE_COLUMNS_MAX:
            message = f"{len(line)} columns, at most {LINE_COLUMNS_MAX}"
            findings.append(Finding(path, number, "line-length", message))
    return findings


def parse_exceptions(text: str) -> dict[str, str]:
    """`PATH: reason` per line; the reason may name the test that takes its place."""
    exceptions = {}
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            path, _, reason = line.partition(":")
            exceptions[path.strip()] = reason.strip()
    return exceptions


def check_pairs(paths: list[str], exceptions: dict[str, str]) -> list[Finding]:
    """src/F/x.cc has tests/F/x_test.cc; tests/F/x_test.cc tests a src/F/x.cc or x.h, or a
    public header of the client."""
    listed = "tools/test_exceptions.txt"
    known = set(paths)
    findings = []
    for path in paths:
        parts = path.split("/")
        if len(parts) < 3 or not path.endswith(".cc"):
            continue
        if parts[0] == "src":
            test = "tests/" + "/".join(parts[1:])[: -len(".cc")] + "_test.cc"
            if test not in known and path not in exceptions:
                message = f"has no {test}; write it, or give the reason in {listed}"
                findings.append(Finding(path, 1, "test-pair", message))
        elif parts[0] == "tests" and path.endswith("_test.cc"):
            stem = "src/" + "/".join(parts[1:])[: -len("_test.cc")]
            public = stem.replace("src/client/", "include/zeolite/") + ".h"
            tested = {stem + ".cc", stem + ".h", public} & known
            if not tested and not _matches(path, NOT_UNIT_TESTS) and path not in exceptions:
                message = f"tests no {stem}.cc or .h; rename it, or give the reason in {listed}"
                findings.append(Finding(path, 1, "test-pair", message))
    for path, reason in exceptions.items():
        if path not in known:
            findings.append(Finding(listed, 1, "test-pair", f"{path} does not exist"))
        elif not reason:
            findings.append(Finding(listed, 1, "test-pair", f"{path} has no reason"))
        for named in re.findall(r"tests/[\w/]+\.cc", reason):
            if named not in known:
                findings.append(Finding(listed, 1, "test-pair", f"{named} does not exist"))
    return findings


def check_listed(root: Path, paths: list[str]) -> list[Finding]:
    """Every source is named in the CMakeLists.txt above it: nothing lies about unbuilt."""
    findings = []
    for path in paths:
        if not path.endswith(".cc") or path.startswith("tests/package/"):
            continue
        folder = (root / path).parent
        while folder != root and not (folder / "CMakeLists.txt").is_file():
            folder = folder.parent
        name = (root / path).relative_to(folder).as_posix()
        lists = [(folder / "CMakeLists.txt").read_text(encoding="utf-8")]
        if not any(re.search(rf"(?<![\w/]){re.escape(form)}\b", text)
                   for text in lists for form in (name, name[: -len(".cc")])):
            message = f"is not named in {folder.relative_to(root).as_posix()}/CMakeLists.txt"
            findings.append(Finding(path, 1, "unbuilt", message))
    return findings


def check(root: Path = ROOT) -> list[Finding]:
    findings = []
    sources = files_under(root, SOURCE_FOLDERS, CXX_SUFFIXES)
    for path in sources:
        header_path = root / (path[: -len(".cc")] + ".h")
        header = None
        if path.endswith(".cc") and header_path.is_file():
            header = CxxSource.read(root, header_path.relative_to(root).as_posix())
        findings += check_cxx(CxxSource.read(root, path), header)
    for path in files_under(root, [f for f in TEXT_FOLDERS if (root / f).exists()]):
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # test data
        findings += check_text(path, text)
    exceptions_file = root / "tools/test_exceptions.txt"
    exceptions = parse_exceptions(exceptions_file.read_text(encoding="utf-8"))
    findings += check_pairs(sources, exceptions)
    findings += check_listed(root, sources)
    return findings


if __name__ == "__main__":
    sys.exit(report(check()))
