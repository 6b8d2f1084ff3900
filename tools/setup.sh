#!/bin/bash
# Installs the Debian packages of tools/packages.txt that are missing.
# Usage: tools/setup.sh [--dry-run] [GROUP...]     groups: build (default), test, cluster,
#                                                check, bench
# Exit status: 0 all there, 1 could not install, 2 usage.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

dry_run=false
if [[ ${1:-} == --dry-run ]]; then
  dry_run=true
  shift
fi
[[ $# -gt 0 ]] || set -- build

wanted=()
for group in "$@"; do
  mapfile -t of_group < <(awk -v want="[$group]" '
    /^\[/ { inside = ($1 == want) }
    inside && !/^(\[|#|[[:space:]]*$)/ { print $1 }' "$here/packages.txt")
  if [[ ${#of_group[@]} -eq 0 ]]; then
    echo "setup: no group '$group' in tools/packages.txt" >&2
    exit 2
  fi
  wanted+=("${of_group[@]}")
done

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not a Debian system; install the equivalents of: ${wanted[*]}" >&2
  exit 1
fi

installed=$(dpkg-query -W -f='${binary:Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null |
  awk '$2 == "installed" { sub(/:.*/, "", $1); print $1 }') || true
missing=()
for package in "${wanted[@]}"; do
  grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

echo "setup: installing ${missing[*]}"
if $dry_run; then
  exit 0
fi
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: neither root nor sudo; run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
    "$@" >"$log" 2>&1
}
if ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
  tail -n 5 "$log" >&2
  echo "setup: apt-get could not install ${missing[*]} (network, mirror or rights; see above)" >&2
  exit 1
fi
