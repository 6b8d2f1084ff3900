#!/usr/bin/env python3
"""Checks every #include against tools/layers.txt. Usage: tools/layers.py"""

import re
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from cxx_source import CXX_SUFFIXES, CxxSource, Include
from project_files import ROOT, SOURCE_FOLDERS, Finding, files_under, report


class RulesError(Exception):
    pass


@dataclass
class Rules:
    folders: dict[str, list[str]] = field(default_factory=dict)
    libraries: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Rules":
        rules = cls()
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#", 1)[0].strip()
            if not line:
                continue
            match = re.fullmatch(r"(folder|library)\s+([\w-]+):\s*(.*)", line)
            if not match:
                raise RulesError(f"line {number}: neither 'folder NAME:' nor 'library NAME:'")
            kind, name, rest = match.groups()
            if kind == "folder":
                rules.folders[name] = rest.split()
            else:
                headers, _, places = rest.partition("|")
                rules.libraries[name] = (headers.split(), places.split())
        rules._require_known_and_acyclic()
        return rules

    def _require_known_and_acyclic(self) -> None:
        done: set[str] = set()

        def visit(name: str, path: list[str]) -> None:
            if name in path:
                raise RulesError("cycle: " + " -> ".join(path + [name]))
            if name in done:
                return
            if name not in self.folders:
                raise RulesError(f"unknown folder '{name}' in the list of {path[-1]}")
            for target in self.folders[name]:
                visit(target.split("/")[0], path + [name])
            done.add(name)

        for folder in self.folders:
            visit(folder, [])

    def may_include(self, folder: str, header: str) -> bool:
        target = layer_of_include(header)
        return target == folder or target in self.folders[folder] or header in self.folders[folder]


def layer_of_file(path: str) -> tuple[str, bool]:
    """The layer a file belongs to, and whether it is a test of that layer."""
    parts = path.split("/")
    if parts[0] in ("src", "tests") and len(parts) > 2:
        return parts[1], parts[0] == "tests" and parts[1] not in ("support", "integration")
    return ("public" if parts[0] == "include" else parts[0]), False


def layer_of_include(header: str) -> str:
    folder = header.split("/")[0]
    return "public" if folder == "zeolite" else folder


def check_file(source: CxxSource, rules: Rules) -> list[Finding]:
    layer, is_test = layer_of_file(source.path)
    if layer not in rules.folders:
        return [Finding(source.path, 1, "layers", f"folder '{layer}' is not in tools/layers.txt")]
    findings = []
    for include in source.includes:
        message = _library_fault(source.path, include, rules) or _folder_fault(
            source.path, layer, is_test, include, rules
        )
        if message:
            findings.append(Finding(source.path, include.line, "layers", message))
    return findings


def _library_fault(path: str, include: Include, rules: Rules) -> str | None:
    for name, (headers, places) in rules.libraries.items():
        if any(fnmatchcase(include.path, pattern) for pattern in headers):
            if not any(fnmatchcase(path, place) for place in places):
                return f"<{include.path}> ({name}) may only be included in: {' '.join(places)}"
    return None


def _folder_fault(path, layer, is_test, include: Include, rules: Rules) -> str | None:
    target = layer_of_include(include.path)
    if target not in rules.folders:
        if include.quoted and "/" not in include.path:
            return f'write "folder/{include.path}": own headers are included with their folder'
        return None
    allowed = rules.may_include(layer, include.path) or (is_test and target == "support")
    if allowed:
        return None
    may = " ".join(rules.folders[layer]) or "no other folder"
    return f'"{include.path}": {layer} may include {may} (tools/layers.txt)'


def check(root: Path = ROOT) -> list[Finding]:
    rules = Rules.parse((root / "tools/layers.txt").read_text(encoding="utf-8"))
    findings = []
    for path in files_under(root, SOURCE_FOLDERS, CXX_SUFFIXES):
        if not path.startswith("tests/package/"):  # a consumer: it has a project of its own
            findings += check_file(CxxSource.read(root, path), rules)
    return findings


if __name__ == "__main__":
    try:
        sys.exit(report(check()))
    except RulesError as error:
        sys.exit(f"tools/layers.txt: {error}")
