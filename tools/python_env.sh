#!/bin/bash
# Makes or updates the Python virtual environment build/python/NAME from
# tests/python/requirements/NAME.txt, and says what it installs. Quick when nothing changed.
# Usage: tools/python_env.sh NAME...
# Exit status: 0 there, 1 failed, 2 usage, 3 cannot be had on this machine: the last line of
# standard output says why.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if [[ $# -eq 0 ]]; then
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
fi
if ! command -v python3 >/dev/null; then
  echo "python3 is not installed"
  exit 3
fi
if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  echo "python3 has no venv and ensurepip (Debian: python3-venv)"
  exit 3
fi
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
  echo "$(python3 --version) is older than 3.10, which the newest ZEO wants"
  exit 3
fi

for name in "$@"; do
  requirements=$root/tests/python/requirements/$name.txt
  if [[ ! -f $requirements ]]; then
    echo "python_env: no $requirements" >&2
    exit 2
  fi
  environment=$root/build/python/$name
  stamp=$environment/stamp
  python=$(python3 -c 'import sys; print(sys.executable, sys.version)')
  state="$(sha256sum <"$requirements") $python"
  if [[ -f $stamp && $(<"$stamp") == "$state" && -x $environment/bin/python ]]; then
    continue
  fi
  echo "python_env: installing into build/python/$name:" \
    "$(grep -v '^#' "$requirements" | paste -sd, | sed 's/==/ /g; s/,/, /g')"
  mkdir -p "$root/build/python"
  # Not --clear, which would leave a half-made environment with a valid stamp.
  rm -rf "$environment"
  python3 -m venv "$environment"
  log=$environment/pip.log
  if ! "$environment/bin/python" -m pip install --disable-pip-version-check --no-input \
    --retries 2 --no-deps -r "$requirements" >"$log" 2>&1; then
    if grep -qiE 'connection|name resolution|timed out|unreachable|proxy|ssl' "$log"; then
      echo "PyPI is out of reach: $(grep -iE 'connection|resolution|timed|unreach|proxy|ssl' \
        "$log" | tail -n 1 | cut -c1-160)"
      exit 3
    fi
    tail -n 15 "$log" >&2
    echo "python_env: pip could not install $requirements" >&2
    exit 1
  fi
  echo "$state" >"$stamp"
done
