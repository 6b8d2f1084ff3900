"""Nobody is answered by a reign that has been replaced."""

from collections.abc import Iterator

from .final_log import FinalLog
from .history import History, Operation
from .intervals import before_each
from .verdict import Violation


def check(history: History, final: FinalLog) -> Iterator[Violation]:
    known = [op for op in history.operations if op.epoch]
    # A standby learns of a reign when it follows it; what it shows is allowed to be old.
    of_primary = [op for op in known if op.role == "primary"]
    for op, earlier in before_each(of_primary, of_primary, lambda op: op.epoch):
        if earlier and op.epoch < earlier.epoch:
            yield Violation("old-epoch", f"{history.name(op)} was answered by epoch {op.epoch}, "
                            f"though before it began {history.name(earlier)} had ended in epoch "
                            f"{earlier.epoch}")
    last: dict[tuple[str, str], Operation] = {}
    for op in sorted(known, key=lambda op: op.seq):
        before = last.get((op.client, op.role))
        if before and op.epoch < before.epoch:
            yield Violation("epoch-backward", f"{history.name(op)} follows {history.name(before)}")
        last[op.client, op.role] = op
    newest = max(known, key=lambda op: op.epoch, default=None)
    if newest and final.epoch and newest.epoch > final.epoch:
        yield Violation("old-final", f"the final dump is of epoch {final.epoch}, but "
                        f"{history.name(newest)} was answered by epoch {newest.epoch}")
