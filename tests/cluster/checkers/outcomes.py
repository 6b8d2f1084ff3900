"""What was acknowledged is there, as it was told, and once; what failed is not."""

from collections.abc import Iterator

from .final_log import FinalLog, Transaction
from .history import History, Operation, tid_text
from .lists import elements_of
from .verdict import Violation


def check(history: History, final: FinalLog) -> Iterator[Violation]:
    for op in history.operations:
        yield from _of_operation(history, final, op)
    yield from _shared_tids(history)
    yield from _authors(history, final)
    yield from _twice(final)
    yield from _elements_twice(history, final)


def _of_operation(history: History, final: FinalLog, op: Operation) -> Iterator[Violation]:
    there = final.by_id.get(op.id, [])
    if op.type == "fail":
        for transaction in there:
            yield Violation("failed-is-there", f"{history.name(op)} was told that it did not "
                            f"commit ({op.why}), but it is transaction {tid_text(transaction.tid)}")
        return
    if op.acknowledged and not op.tid:
        yield Violation("wrong-tid", f"{history.name(op)} committed, but was told no tid")
    elif op.acknowledged and not there:
        yield Violation("lost", f"{history.name(op)} was acknowledged as transaction "
                        f"{tid_text(op.tid)}, which is not in the log")
    elif op.acknowledged and op.tid not in [transaction.tid for transaction in there]:
        yield Violation("wrong-tid", f"{history.name(op)} was acknowledged as transaction "
                        f"{tid_text(op.tid)}, but is {tid_text(there[0].tid)}")
    for transaction in there:
        if transaction.writes != op.writes:
            yield Violation("wrong-content", f"{history.name(op)} wrote {op.writes}, but "
                            f"transaction {tid_text(transaction.tid)} has {transaction.writes}")


def _shared_tids(history: History) -> Iterator[Violation]:
    owner: dict[int, Operation] = {}
    for op in history.operations:
        if not op.tid:
            continue
        first = owner.setdefault(op.tid, op)
        if first is not op:
            yield Violation("shared-tid", f"transaction {tid_text(op.tid)} was told to "
                            f"{history.name(first)} and to {history.name(op)}")


def _authors(history: History, final: FinalLog) -> Iterator[Violation]:
    for transaction in final.transactions:
        if transaction.id not in history.by_id:
            yield Violation("no-author", f"{_text(transaction)} is in no history: were all files "
                            "given?")


def _twice(final: FinalLog) -> Iterator[Violation]:
    for transactions in final.by_id.values():
        if len(transactions) > 1:
            tids = " and ".join(tid_text(transaction.tid) for transaction in transactions)
            yield Violation("committed-twice", f"{_text(transactions[0])}: it is {tids}")


def _elements_twice(history: History, final: FinalLog) -> Iterator[Violation]:
    lists = {oid for op in history.operations for oid in op.append}
    place: dict[int, str] = {}
    for oid in sorted(lists):
        for element in elements_of(final.last_value(oid)):
            if element in place:
                yield Violation("element-twice", f"{element} was appended once, but is in list "
                                f"{place[element]} and in list {oid}")
            place[element] = oid


def _text(transaction: Transaction) -> str:
    return (f"transaction {tid_text(transaction.tid)}, number {transaction.seq} of "
            f"{transaction.client}")
