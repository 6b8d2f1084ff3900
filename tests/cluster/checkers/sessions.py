"""What one client sees goes forward, and has what it was promised."""

from collections.abc import Iterator

from .final_log import FinalLog
from .history import History, Operation, tid_text
from .intervals import before_each
from .verdict import Violation


def check(history: History, final: FinalLog) -> Iterator[Violation]:
    by_client: dict[str, list[Operation]] = {}
    for op in history.operations:
        by_client.setdefault(op.client, []).append(op)
    for ops in by_client.values():
        yield from _of_client(history, sorted(ops, key=lambda op: op.seq))
    yield from _synced(history, final)


def _of_client(history: History, ops: list[Operation]) -> Iterator[Violation]:
    last: dict[str, Operation] = {}  # by role: there is a connection for each
    own = None
    for op in ops:
        if op.snapshot:
            yield from _snapshot(history, op, last.get(op.role), own)
            last[op.role] = op
        # What was only learned by asking, the client's snapshots need not have yet.
        if op.acknowledged and not op.learned:
            own = op


def _snapshot(history: History, op: Operation, before: Operation | None,
              own: Operation | None) -> Iterator[Violation]:
    if before and op.snapshot < before.snapshot:
        yield Violation("backward-read", f"{history.name(op)} read at {tid_text(op.snapshot)}, "
                        f"though {history.name(before)} had read at {tid_text(before.snapshot)}")
    if own and op.role == "primary" and op.snapshot < own.tid:
        yield Violation("own-write-missed", f"{history.name(op)} read at "
                        f"{tid_text(op.snapshot)}, before the client's own {history.name(own)}, "
                        f"which is {tid_text(own.tid)}")
    if op.snapshot < op.at_least:
        yield Violation("at-least-missed", f"{history.name(op)} read at {tid_text(op.snapshot)}, "
                        f"though it had waited for {tid_text(op.at_least)}")
    if op.acknowledged and op.tid <= op.snapshot:
        yield Violation("commit-in-the-past", f"{history.name(op)} is {tid_text(op.tid)}, but "
                        f"read at {tid_text(op.snapshot)}")


def _synced(history: History, final: FinalLog) -> Iterator[Violation]:
    """Who asked the primary for news sees all that anybody had committed, or read, until then."""
    def shown(op: Operation) -> int:
        read = final.newest_at(op.snapshot)
        return max(read, op.tid) if op.acknowledged else read

    askers = [op for op in history.operations
              if op.synced and op.role == "primary" and op.snapshot]
    seen = [op for op in history.operations if op.snapshot]
    for op, earlier in before_each(askers, seen, shown):
        if earlier and op.snapshot < shown(earlier):
            yield Violation("stale-read", f"{history.name(op)} asked for news and read at "
                            f"{tid_text(op.snapshot)}, though before it began "
                            f"{history.name(earlier)} had seen {tid_text(shown(earlier))}")
