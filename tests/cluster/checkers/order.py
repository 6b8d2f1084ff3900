"""Tids are one order: that of the log, of real time, and of each client's own commits."""

from collections.abc import Iterator

from .final_log import FinalLog
from .history import History, tid_text
from .intervals import before_each
from .verdict import Violation


def check(history: History, final: FinalLog) -> Iterator[Violation]:
    yield from _log(final)
    yield from _real_time(history, final)


def _log(final: FinalLog) -> Iterator[Violation]:
    for earlier, later in zip(final.transactions, final.transactions[1:]):
        if earlier.tid >= later.tid:
            yield Violation("log-order", f"in the log, transaction {tid_text(later.tid)} of "
                            f"{later.client} follows {tid_text(earlier.tid)} of {earlier.client}")


def _real_time(history: History, final: FinalLog) -> Iterator[Violation]:
    """A client's own commits are in it: it does one after the other.

    Nothing ends that is not known; so a late copy of a request may commit at any later time.
    """
    told = [op for op in history.operations if op.acknowledged]
    committed = [op for op in history.operations if final.committed_tid(op)]
    for op, earlier in before_each(committed, told, lambda op: op.tid):
        tid = final.committed_tid(op)
        if earlier is None or tid > earlier.tid:
            continue
        kind = "client-order" if earlier.client == op.client else "real-time-order"
        yield Violation(kind, f"{history.name(op)} is transaction {tid_text(tid)}, though before "
                        f"it began {history.name(earlier)} had ended as {tid_text(earlier.tid)}")
