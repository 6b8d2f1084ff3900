#!/usr/bin/env python3
"""Runs the commands that the documents show, and compares what they print.

Usage: tools/doc_commands.py [--bin DIR] [FILE.md...]    default: README.md and docs/**/*.md

A block opened by ```console test is run. `$ ` begins a command, `> ` continues it; the lines below
are what it prints, standard error included. A line `...` stands for any lines, `...` inside a line
for any text. Nothing below a command: its output does not matter. A command must succeed, unless
its output block ends with `[exit N]`. A command that ends in `&` runs in the background: what is shown
below it is awaited, and it is ended with the document. The blocks of one file run in one bash, in an
empty directory, with the built programs first in PATH.
"""

import os
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from project_files import ROOT
from test_results import Results

COMMAND_SECONDS_MAX = 60
_BLOCK = re.compile(r"^```console test[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_MARK = "zeolite-doc-command-done"


class Mismatch(Exception):
    pass


@dataclass
class Step:
    line: int
    command: str
    expected: list[str] = field(default_factory=list)

    @property
    def in_background(self) -> bool:
        return self.command.rstrip().endswith("&")

    def split_exit(self) -> tuple[list[str], int]:
        if self.expected:
            match = re.fullmatch(r"\[exit (\d+)\]", self.expected[-1].strip())
            if match:
                return self.expected[:-1], int(match.group(1))
        return self.expected, 0


def parse(text: str) -> list[Step]:
    steps: list[Step] = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        in_block: list[Step] = []
        for number, line in enumerate(block.group(1).splitlines(), first):
            if line.startswith("$ "):
                in_block.append(Step(number, line[2:]))
            elif line.startswith("> ") and in_block and not in_block[-1].expected:
                in_block[-1].command += "\n" + line[2:]
            elif in_block:
                in_block[-1].expected.append(line.rstrip())
        for step in in_block:
            while step.expected and not step.expected[-1]:
                step.expected.pop()
        steps += in_block
    return steps


def matches(expected: list[str], actual: str) -> bool:
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("...")) + r"[ \t]*\n"
    return re.fullmatch(pattern, actual if not actual or actual.endswith("\n") else actual + "\n") is not None


class Session:
    """One bash in a temporary directory; ends what it started."""

    def __init__(self, folder: Path, programs: Path):
        self.folder = folder
        env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        self.bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.background: list[int] = []
        self.unread = b""

    def _send(self, script: str) -> tuple[str, str]:
        """What the script printed, and the word behind the mark: exit status or process id."""
        self.bash.stdin.write(script.encode())
        self.bash.stdin.flush()
        deadline = time.monotonic() + COMMAND_SECONDS_MAX
        mark = re.compile(rb"(.*)" + _MARK.encode() + rb" (\d+)\n", re.DOTALL)
        while not (found := mark.match(self.unread)):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.bash.stdout], [], [], left)[0]:
                raise Mismatch(f"did not end within {COMMAND_SECONDS_MAX} s")
            chunk = os.read(self.bash.stdout.fileno(), 65536)
            if not chunk:
                raise Mismatch("ended the shell:\n" + self.unread.decode(errors="replace"))
            self.unread += chunk
        self.unread = self.unread[found.end() :]
        return found.group(1).decode(errors="replace"), found.group(2).decode()

    def run(self, step: Step) -> None:
        if step.in_background:
            self._run_in_background(step)
            return
        output, status = self._send(f"{step.command}\necho {_MARK} $?\n")
        expected, exit_status = step.split_exit()
        if int(status) != exit_status:
            raise Mismatch(f"exit status {status}, not {exit_status}; it printed:\n{output}")
        if expected and not matches(expected, output):
            raise Mismatch(f"printed:\n{output}")

    def _run_in_background(self, step: Step) -> None:
        log = self.folder / f".background-{len(self.background)}.log"
        command = step.command.rstrip().removesuffix("&")
        _, pid = self._send(f"{{ exec {command}\n}} >{shlex.quote(str(log))} 2>&1 </dev/null &\n"
                            f"echo {_MARK} $!\n")
        self.background.append(int(pid))
        deadline = time.monotonic() + COMMAND_SECONDS_MAX
        while step.expected:
            output = log.read_text(errors="replace") if log.exists() else ""
            if matches([*step.expected, "..."], output):
                return
            if time.monotonic() > deadline or not Path(f"/proc/{pid}").exists():
                raise Mismatch(f"in the background, printed:\n{output}")
            time.sleep(0.02)

    def close(self) -> None:
        for pid in self.background:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        try:
            self.bash.communicate(b"wait\n", timeout=20)
        except subprocess.TimeoutExpired:
            for pid in self.background:
                if Path(f"/proc/{pid}").exists():
                    os.kill(pid, signal.SIGKILL)
            self.bash.kill()
            self.bash.wait()


def run_file(path: Path, name: str, programs: Path) -> Results:
    """Each command is a test; after the first that fails the rest of the file is not run."""
    results = Results()
    steps = parse(path.read_text(encoding="utf-8"))
    if not steps:
        return results
    with tempfile.TemporaryDirectory(prefix="zeolite-docs-") as folder:
        session = Session(Path(folder), programs)
        try:
            for step in steps:
                session.run(step)
                results.passed += 1
        except Mismatch as problem:
            where = f"{name}:{step.line}"
            print(f"{where}: `{step.command}` {problem}")
            results.failed.append(where)
        finally:
            session.close()
    return results


def run_all(root: Path, programs: Path) -> Results:
    results = Results()
    paths = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    for path in paths:
        if path.is_file():
            results.add(run_file(path, path.relative_to(root).as_posix(), programs))
    return results


def main(arguments: list[str]) -> int:
    programs = ROOT / "build/release"
    if arguments[:1] == ["--bin"]:
        programs = Path(arguments[1]).resolve()
        arguments = arguments[2:]
    results = Results()
    if arguments:
        for argument in arguments:
            results.add(run_file(Path(argument), argument, programs))
    else:
        results = run_all(ROOT, programs)
    print(results.summary())
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
