#!/usr/bin/env python3
"""Names the files that clang-format-19 would change. Usage: tools/format.py FILE..."""

import re
import subprocess
import sys


def main(paths: list[str]) -> int:
    if not paths:
        return 0
    result = subprocess.run(["clang-format-19", "--dry-run", *paths], capture_output=True, text=True)
    changed = sorted(set(re.findall(r"^(\S+?):\d+:\d+: warning:", result.stderr, re.MULTILINE)))
    for path in changed:
        print(f"{path}: format: run clang-format-19 -i {path}", file=sys.stderr)
    if result.returncode != 0:
        print(result.stderr, file=sys.stderr)
    return 1 if changed or result.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
