"""What is there in the end: the final dump of history_client."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from .history import NEVER_NS, BadFile, History, Operation, process_of, read_lines


@dataclass(slots=True)
class Transaction:
    tid: int
    client: str
    seq: int
    writes: dict[str, str]

    @property
    def id(self) -> tuple[str, int]:
        return self.client, self.seq


@dataclass
class Revisions:
    """Of one object, in the order of the log."""

    tids: list[int] = field(default_factory=list)
    values: list[str] = field(default_factory=list)


class FinalLog:
    def __init__(self, transactions: list[Transaction], visible: int = 0, epoch: int = 0,
                 node: str = ""):
        self.transactions = transactions
        self.visible = visible or max((t.tid for t in transactions), default=0)
        self.epoch = epoch
        self.node = node
        self.by_tid = {transaction.tid: transaction for transaction in transactions}
        self.by_id: dict[tuple[str, int], list[Transaction]] = {}
        self.objects: dict[str, Revisions] = {}
        # Checks search in it; whether the dump has this order is a check of its own.
        self._tids = sorted(self.by_tid)
        for transaction in sorted(transactions, key=lambda t: t.tid):
            self.by_id.setdefault(transaction.id, []).append(transaction)
            for oid, value in transaction.writes.items():
                revisions = self.objects.setdefault(oid, Revisions())
                revisions.tids.append(transaction.tid)
                revisions.values.append(value)

    def value_at(self, oid: str, tid: int) -> str | None:
        revisions = self.objects.get(oid)
        at = bisect_right(revisions.tids, tid) if revisions else 0
        return revisions.values[at - 1] if at else None

    def changed_between(self, oid: str, after: int, before: int) -> int:
        """The tid of a revision with after < tid < before; 0: there is none."""
        revisions = self.objects.get(oid)
        if revisions is None:
            return 0
        at = bisect_left(revisions.tids, before)
        return revisions.tids[at - 1] if at and revisions.tids[at - 1] > after else 0

    def newest_at(self, tid: int) -> int:
        """The newest transaction of a client at or below `tid`: what a snapshot really shows."""
        at = bisect_right(self._tids, tid)
        return self._tids[at - 1] if at else 0

    def last_value(self, oid: str) -> str | None:
        revisions = self.objects.get(oid)
        return revisions.values[-1] if revisions else None

    def committed_tid(self, op: Operation) -> int:
        """Of what committed for certain, as it was told or, if nobody could tell, as it is there."""
        if op.type == "ok":
            return op.tid
        if op.type == "unknown" and op.id in self.by_id:
            return self.by_id[op.id][0].tid
        return 0


def read_final(path) -> FinalLog:
    lines, torn = read_lines(path)
    if torn or len(lines) < 2 or lines[-1].get("transactions") != len(lines) - 2:
        raise BadFile(f"{path}: the dump is not complete")
    head = lines[0]
    try:
        transactions = [Transaction(int(line["tid"], 16), line["client"], line["seq"],
                                    line["writes"]) for line in lines[1:-1]]
        return FinalLog(transactions, int(head["visible"], 16), head["epoch"], head["node"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(f"{path}: no final dump: {error!r}") from None


def with_unrecorded(history: History, final: FinalLog) -> History:
    """The history, and of each client that was killed the operation it was at, as it is in the log.

    A client writes an operation down when it ends: only its very next one may be missing.
    """
    processes = {process_of(client) for client in history.last_seq}
    ended = {}
    for op in history.operations:
        ended[op.client] = max(op.end_ns, ended.get(op.client, 0))
    added: dict[str, Operation] = {}
    for transaction in final.transactions:
        client = transaction.client
        next_seq = history.last_seq.get(client, 0) + 1
        if transaction.seq == next_seq and process_of(client) in processes:
            added.setdefault(client, Operation(
                client=client, seq=next_seq, f="unrecorded", type="unknown",
                begin_ns=ended.get(client, history.origin_ns), end_ns=NEVER_NS,
                writes=transaction.writes))
    return History([*history.operations, *added.values()], history.torn)
