#!/usr/bin/env python3
"""Runs clang-tidy-19 over the project's files of preset `tidy`. Usage: tools/clang_tidy.py [FILE...]

A file that passed is not looked at again until it, a header it includes or .clang-tidy changes.
"""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from project_files import ROOT, SOURCE_FOLDERS

BUILD = ROOT / "build/tidy"
PASSED = BUILD / "passed"


def configure() -> None:
    if subprocess.run(["cmake", "--preset", "tidy"], cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        sys.exit("clang-tidy: cmake --preset tidy failed, see above")
    targets = subprocess.run(["ninja", "-C", BUILD, "-t", "targets", "all"], check=True,
                             capture_output=True, text=True).stdout
    generated = re.findall(r"^(\S+\.capnp\.h): CUSTOM_COMMAND", targets, re.MULTILINE)
    if generated:
        subprocess.run(["ninja", "-C", BUILD, *generated], check=True, stdout=subprocess.DEVNULL)


def project_entries(wanted: list[str]) -> list[dict]:
    entries = []
    for entry in json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8")):
        path = Path(entry["file"])
        if not path.is_relative_to(ROOT):
            continue
        relative = path.relative_to(ROOT)
        if relative.parts[0] in SOURCE_FOLDERS and (not wanted or relative.as_posix() in wanted):
            entries.append(entry)
    return entries


def fingerprint(entry: dict) -> str | None:
    """Of all that clang-tidy sees; nothing if the file does not even preprocess."""
    command = shlex.split(entry["command"])
    if "-o" in command:
        at = command.index("-o")
        del command[at : at + 2]
    while command and Path(command[0]).name == "ccache":
        del command[0]
    command = [word for word in command if word != "-c"] + ["-E"]
    preprocessed = subprocess.run(command, cwd=entry["directory"], capture_output=True)
    if preprocessed.returncode != 0:
        return None
    parts = (" ".join(command).encode(), (ROOT / ".clang-tidy").read_bytes(),
             Path(entry["file"]).read_bytes(), preprocessed.stdout)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def run_one(entry: dict) -> tuple[str, bool, str]:
    name = Path(entry["file"]).relative_to(ROOT).as_posix()
    seen = fingerprint(entry)
    if seen and (PASSED / seen).exists():
        return name, True, ""
    result = subprocess.run(["clang-tidy-19", "-p", BUILD, "--quiet", entry["file"]],
                            capture_output=True, text=True)
    if result.returncode == 0 and seen:
        (PASSED / seen).touch()
    # Counts of suppressed warnings go to standard error and are of no interest.
    return name, result.returncode == 0, result.stdout or result.stderr


def diagnostics(output: str) -> list[str]:
    """Each with the lines that explain it, so that one in a header is shown once."""
    starts = re.compile(r"^(?=\S+:\d+:\d+: (?:error|warning):)", re.MULTILINE)
    return [block.strip() for block in starts.split(output) if block.strip()]


def main(wanted: list[str]) -> int:
    configure()
    PASSED.mkdir(exist_ok=True)
    entries = project_entries(wanted)
    started = time.monotonic()
    failed = []
    shown = set()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, passed, output in pool.map(run_one, entries):
            if not passed:
                failed.append(name)
                for block in diagnostics(output.replace(f"{ROOT}/", "")):
                    if block not in shown:
                        shown.add(block)
                        print(block, file=sys.stderr, flush=True)
    seconds = time.monotonic() - started
    print(f"clang-tidy: {len(entries)} files, {len(failed)} failed, {seconds:.0f} s")
    return 1 if failed or not entries else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
