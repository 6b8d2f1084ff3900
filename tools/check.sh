#!/bin/bash
# All checks of the source, one entry point.
# Usage: tools/check.sh [fast|full]
#   fast   formatting, house rules, include layers, the tools' own tests: seconds
#   full   also clang-tidy: minutes the first time, then only what changed
# A check whose program is not installed is skipped by name. Exit status 1 if any check failed.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 tools/check.py "${1:-fast}"
