"""What was read is the log up to the snapshot, on every node; what was written rests on it."""

from collections.abc import Iterator

from .final_log import FinalLog
from .history import History, Operation, tid_text
from .verdict import Violation


def check(history: History, final: FinalLog) -> Iterator[Violation]:
    for op in history.operations:
        if op.snapshot:
            yield from _reads(history, final, op)
            yield from _bases(history, final, op)
    yield from _money(history, final)


def _reads(history: History, final: FinalLog, op: Operation) -> Iterator[Violation]:
    if op.snapshot > final.visible:
        yield Violation("beyond-the-log", f"{history.name(op)} read at {tid_text(op.snapshot)}; "
                        f"the log ends at {tid_text(final.visible)}")
    for oid, value in op.reads.items():
        expected = final.value_at(oid, op.snapshot)
        if value != expected:
            yield Violation("wrong-read", f"{history.name(op)} read {value!r} in {oid} at "
                            f"{tid_text(op.snapshot)}, where the log has {expected!r}")


def _bases(history: History, final: FinalLog, op: Operation) -> Iterator[Violation]:
    """First committer wins: nothing came between the snapshot and the commit."""
    there = final.by_id.get(op.id)
    if not there:
        return
    tid = there[0].tid
    for kind, oids in (("lost-update", op.writes), ("stale-check", op.current)):
        for oid in oids:
            between = final.changed_between(oid, op.snapshot, tid)
            if between:
                yield Violation(kind, f"{history.name(op)} committed {tid_text(tid)} from what it "
                                f"read at {tid_text(op.snapshot)}, though {oid} was changed by "
                                f"{tid_text(between)} in between")


def balance_of(value: str | None) -> int:
    """0 for what is no account: who reads that has read something wrong anyway."""
    word = value.split(" ")[0] if value else ""
    return int(word) if word.removeprefix("-").isdigit() else 0


def _money(history: History, final: FinalLog) -> Iterator[Violation]:
    accounts = {oid for op in history.operations if op.f == "sum" for oid in op.reads}
    if not accounts:
        return
    total = sum(balance_of(final.objects[oid].values[0]) for oid in accounts if oid in final.objects)
    for op in history.operations:
        if op.f == "sum":
            found = sum(map(balance_of, op.reads.values()))
            # A standby may not have got the opening yet.
            if found != total and any(op.reads.values()):
                yield Violation("wrong-sum", f"{history.name(op)} found {found}, not {total}")
    balances: dict[str, int] = {}
    for transaction in final.transactions:
        changed = {oid: balance_of(value) for oid, value in transaction.writes.items()
                   if oid in accounts}
        complete = len(balances) == len(accounts)
        before = sum(balances.values())
        balances |= changed
        if complete and sum(balances.values()) != before:
            yield Violation("money-made", f"transaction {tid_text(transaction.tid)} of "
                            f"{transaction.client}, number {transaction.seq}, changes the sum from "
                            f"{before} to {sum(balances.values())}")
