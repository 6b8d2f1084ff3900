#!/usr/bin/env python3
"""Says whether what clients saw of a cluster is what it promises.

Usage: check_history.py --history FILE... --final FILE
Both are written by history_client. Exit status: 0 good, 1 violations (printed in words), 2 the
files are not what they should be, or show nothing.
"""

import argparse
import sys
from collections import Counter

from checkers import cycles, epochs, forks, order, outcomes, sessions, snapshots
from checkers.final_log import FinalLog, read_final, with_unrecorded
from checkers.history import BadFile, History, read_history
from checkers.verdict import Verdict

CHECKS = (outcomes, order, sessions, snapshots, cycles, forks, epochs)


def judge(history: History, final: FinalLog) -> Verdict:
    history = with_unrecorded(history, final)
    verdict = Verdict(counted=list(_counted(history, final)))
    for check in CHECKS:
        verdict.violations.extend(check.check(history, final))
    return verdict


def check_files(histories, final) -> Verdict:
    """Raises BadFile, also when nothing was acknowledged: then nothing is shown."""
    history = read_history(histories)
    if not any(op.acknowledged for op in history.operations):
        raise BadFile("no operation was acknowledged: there is nothing to check")
    return judge(history, read_final(final))


def _counted(history: History, final: FinalLog):
    types = Counter(op.type for op in history.operations)
    span_s = (max(op.begin_ns for op in history.operations) - history.origin_ns) / 1e9
    yield (f"{len(history.operations)} operations of {len(history.last_seq)} clients in "
           f"{span_s:.1f} s: " + ", ".join(f"{n} {name}" for name, n in sorted(types.items())))
    acknowledged = sum(op.acknowledged for op in history.operations)
    learned = sum(op.learned for op in history.operations)
    yield (f"{acknowledged} commits acknowledged, {learned} outcomes learned by asking; "
           f"{len(final.transactions)} transactions in the log of {final.node or 'the primary'}")
    roles = Counter(op.role for op in history.operations if op.snapshot and op.reads)
    reigns = sorted({op.epoch for op in history.operations if op.epoch})
    yield ("snapshots read from: " + (", ".join(f"{role} {n}" for role, n in sorted(roles.items()))
                                      or "none") + f"; epochs that answered: {reigns}")
    if history.torn:
        yield "last line torn, its client was killed: " + ", ".join(history.torn)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--history", nargs="+", required=True)
    parser.add_argument("--final", required=True)
    arguments = parser.parse_args()
    try:
        verdict = check_files(arguments.history, arguments.final)
    except (BadFile, OSError) as error:
        print(f"check_history: {error}", file=sys.stderr)
        return 2
    print(verdict.text())
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
