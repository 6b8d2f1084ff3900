"""Who depends on whom in the append workload, told from the content of the lists alone.

    ww   wrote a list next after
    wr   read what the other appended last
    rw   read a list before the other appended to it

A list's versions are the prefixes of what is there in the end. Tids are not looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .final_log import FinalLog
from .history import History, Operation
from .lists import elements_of
from .verdict import Violation


@dataclass
class Dependencies:
    """Operations by number; edges[kind][a] are those that depend on a."""

    operations: list[Operation] = field(default_factory=list)
    ww: list[set[int]] = field(default_factory=list)
    wr: list[set[int]] = field(default_factory=list)
    rw: list[set[int]] = field(default_factory=list)
    # Of rw: the reader committed, and only if nobody had changed what it read. So it came first.
    checked_rw: list[set[int]] = field(default_factory=list)


class DependencyFinder:
    def __init__(self, history: History, final: FinalLog):
        self.history = history
        self.violations: list[Violation] = []
        self.author: dict[int, Operation] = {}
        for op in history.operations:
            for elements in op.append.values():
                for element in elements:
                    self.author[element] = op
        self._add_unrecorded(final)
        self.orders = self._orders(final)
        self.dependencies = Dependencies()
        self.number: dict[tuple[str, int], int] = {}

    def _add_unrecorded(self, final: FinalLog) -> None:
        for op in self.history.operations:
            if op.f != "unrecorded":
                continue
            tid = final.committed_tid(op)
            for oid, value in op.writes.items():
                if not oid_is_list(value):
                    continue
                before = elements_of_list(final.value_at(oid, tid - 1))
                new = list(elements_of(value)[len(before):])
                op.append[oid] = new
                for element in new:
                    self.author.setdefault(element, op)

    def _orders(self, final: FinalLog) -> dict[str, tuple[int, ...]]:
        """Of each list, what is there in the end; if it is not, the longest that anybody read."""
        lists = sorted({oid for op in self.history.operations for oid in op.append})
        orders = {oid: elements_of(final.last_value(oid)) for oid in lists}
        for op in self.history.operations:
            for oid, value in op.reads.items():
                if oid not in orders or oid in final.objects:
                    continue
                orders[oid] = max(orders[oid], elements_of(value), key=len)
        return orders

    def find(self) -> Dependencies:
        for op in self.history.operations:
            if (op.append and op.type != "fail") or (op.snapshot and self._reads_lists(op)):
                self.number[op.id] = len(self.dependencies.operations)
                self.dependencies.operations.append(op)
        size = len(self.dependencies.operations)
        for edges in (self.dependencies.ww, self.dependencies.wr, self.dependencies.rw,
                      self.dependencies.checked_rw):
            edges.extend(set() for _ in range(size))
        for order in self.orders.values():
            self._add_writes(order)
        for op in list(self.dependencies.operations):
            for oid, value in op.reads.items():
                if oid in self.orders:
                    self._add_read(op, oid, elements_of(value))
        return self.dependencies

    def _reads_lists(self, op: Operation) -> bool:
        return any(oid in self.orders for oid in op.reads)

    def _writer(self, element: int) -> int | None:
        op = self.author.get(element)
        return None if op is None else self.number.get(op.id)

    def _add_writes(self, order: tuple[int, ...]) -> None:
        for earlier, later in zip(order, order[1:]):
            a, b = self._writer(earlier), self._writer(later)
            if a is not None and b is not None and a != b:
                self.dependencies.ww[a].add(b)

    def _add_read(self, op: Operation, oid: str, read: tuple[int, ...]) -> None:
        order = self.orders[oid]
        if order[:len(read)] != read:
            self.violations.append(Violation("incompatible-order", (
                f"{self.history.name(op)} read {list(read)} in list {oid}, which is no beginning "
                f"of {list(order)}")))
            return
        reader = self.number[op.id]
        if read:
            self._check_source(op, oid, read[-1])
            writer = self._writer(read[-1])
            if writer is not None and writer != reader:
                self.dependencies.wr[writer].add(reader)
        if len(read) < len(order):
            successor = self._writer(order[len(read)])
            if successor is not None and successor != reader:
                committed = op.type != "fail" and bool(op.writes)
                checked = committed and (oid in op.writes or oid in op.current)
                edges = self.dependencies.checked_rw if checked else self.dependencies.rw
                edges[reader].add(successor)

    def _check_source(self, op: Operation, oid: str, last: int) -> None:
        author = self.author.get(last)
        if author is None or oid not in author.append:
            self.violations.append(Violation("never-committed", (
                f"{self.history.name(op)} read {last} in list {oid}, which nobody appended to it")))
        elif author.type == "fail":
            self.violations.append(Violation("G1a", (
                f"{self.history.name(op)} read {last} in list {oid}, of {self.history.name(author)}"
                ", which did not commit")))
        elif last != author.append[oid][-1]:
            self.violations.append(Violation("G1b", (
                f"{self.history.name(op)} read {last} as the last in list {oid}: half of what "
                f"{self.history.name(author)} appended, {author.append[oid]}")))


def oid_is_list(value: str) -> bool:
    return all(word.isdigit() for word in value.split())


def elements_of_list(value: str | None) -> tuple[int, ...]:
    return elements_of(value) if value and oid_is_list(value) else ()


def find_dependencies(history: History, final: FinalLog) -> tuple[Dependencies, list[Violation]]:
    finder = DependencyFinder(history, final)
    dependencies = finder.find()
    return dependencies, finder.violations
