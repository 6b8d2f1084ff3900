"""The project's files, and findings about them."""

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE_FOLDERS = ("src", "include", "tests", "bench", "fuzz", "examples")
_SKIPPED_FOLDERS = {"build", "var", "__pycache__", "corpus", "testdata", ".git", ".cache", ".venv"}


@dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


def files_under(root: Path, folders, suffixes=None) -> list[str]:
    """Paths relative to root, sorted. A name in `folders` may also be a file."""
    found = []
    for folder in folders:
        top = root / folder
        candidates = [top] if top.is_file() else sorted(top.rglob("*"))
        for path in candidates:
            relative = path.relative_to(root)
            if _SKIPPED_FOLDERS.intersection(relative.parts[:-1]) or not path.is_file():
                continue
            if suffixes is None or path.suffix in suffixes:
                found.append(relative.as_posix())
    return found


def report(findings) -> int:
    """Prints the findings; the exit status of a check."""
    for finding in sorted(findings):
        print(finding, file=sys.stderr)
    return 1 if findings else 0
