"""Histories told by hand, one operation after the other unless said otherwise."""

import copy
import random

from check_history import judge
from checkers.final_log import FinalLog, Transaction
from checkers.history import History, Operation

X, Y, Z = "00000000000000a1", "00000000000000a2", "00000000000000a3"


class Story:
    """Each operation begins 1 ms after the last one has ended, and takes 1 ms."""

    def __init__(self):
        self.operations: list[Operation] = []
        self.now_ns = 0
        self.seqs: dict[str, int] = {}
        self.edits = []  # of the transactions in the final log

    def add(self, client: str, f: str, **fields) -> Operation:
        client = f"test-{client}"
        self.seqs[client] = self.seqs.get(client, 0) + 1
        begin_ns = self.now_ns + 1_000_000
        end_ns = begin_ns + 1_000_000
        op = Operation(client=client, seq=self.seqs[client], f=f, type=fields.pop("type", "ok"),
                       begin_ns=fields.pop("begin_ns", begin_ns),
                       end_ns=fields.pop("end_ns", end_ns), **fields)
        self.operations.append(op)
        self.now_ns = end_ns
        return op

    def write(self, client: str, tid: int, writes: dict[str, str], **fields) -> Operation:
        fields.setdefault("snapshot", tid - 1)
        return self.add(client, fields.pop("f", "write"), tid=tid, writes=writes, **fields)

    def read(self, client: str, snapshot: int, reads: dict, **fields) -> Operation:
        return self.add(client, fields.pop("f", "read"), snapshot=snapshot, reads=reads, **fields)

    def append(self, client: str, tid: int, reads: dict[str, list[int]],
               append: dict[str, list[int]], **fields) -> Operation:
        """Reads these lists and appends to some of them."""
        values = {oid: words(elements) for oid, elements in reads.items()}
        writes = {oid: words(reads[oid] + elements) for oid, elements in append.items()}
        return self.write(client, tid, writes, reads=values, append=append, f="append", **fields)

    def read_lists(self, client: str, snapshot: int, reads: dict[str, list[int]],
                   **fields) -> Operation:
        return self.read(client, snapshot,
                         {oid: words(elements) for oid, elements in reads.items()}, **fields)

    def history(self) -> History:
        return History(copy.deepcopy(self.operations))

    def final(self) -> FinalLog:
        """What was acknowledged, and whatever `edits` make of it."""
        transactions = [Transaction(op.tid, op.client, op.seq, dict(op.writes))
                        for op in self.operations if op.acknowledged]
        transactions.sort(key=lambda transaction: transaction.tid)
        for edit in self.edits:
            transactions = edit(transactions) or transactions
        last = max([0, *(t.tid for t in transactions), *(op.snapshot for op in self.operations)])
        return FinalLog(transactions, visible=last)

    def kinds(self) -> set[str]:
        return judge(self.history(), self.final()).kinds()

    def text(self) -> str:
        return judge(self.history(), self.final()).text()


def words(elements: list[int]) -> str:
    return " ".join(map(str, elements))


class RandomRun(Story):
    """What a correct cluster would answer: snapshot isolation, lag, conflicts, lost answers."""

    OBJECTS = 6
    ACCOUNT = 10

    def __init__(self, seed: int, count: int, clients: int = 8):
        super().__init__()
        self.random = random.Random(seed)
        self.log: list[Transaction] = []
        self.store: dict[str, list[tuple[int, str]]] = {}
        self.tid = 100
        self.visible = 100
        self.standby_visible = 100
        self.element = 0
        self.told: dict[str, int] = {}
        self.busy_until: dict[str, int] = {}
        self.stood: dict[str, int] = {}
        self.epoch = 1
        self._open()
        self.opened = self.standby_visible = self.visible
        for i in range(count):
            self._step(f"c{self.random.randrange(clients)}", i)
            if self.random.random() < 0.2:
                self.standby_visible = self.random.randint(self.standby_visible, self.visible)
            if i % max(1, count // 3) == count // 4:
                self.epoch += 1

    def final(self) -> FinalLog:
        return FinalLog(self.log, visible=self.tid, epoch=self.epoch)

    def _at(self, oid: str, snapshot: int) -> str | None:
        for tid, value in reversed(self.store.get(oid, [])):
            if tid <= snapshot:
                return value
        return None

    def _commit(self, op: Operation) -> None:
        self.tid += self.random.randint(1, 3)
        self.log.append(Transaction(self.tid, op.client, op.seq, dict(op.writes)))
        for oid, value in op.writes.items():
            self.store.setdefault(oid, []).append((self.tid, value))
        self.visible = self.tid

    def _open(self) -> None:
        op = self.add("open", "open", snapshot=self.visible)
        op.writes = {f"a{i}": f"{self.ACCOUNT} open" for i in range(self.OBJECTS)}
        self._commit(op)
        op.tid = self.tid

    def _step(self, client: str, i: int) -> None:
        kind = self.random.choice(["transfer", "sum", "append", "read", "write", "read_fork"])
        standby = kind in ("sum", "read", "read_fork") and self.random.random() < 0.5
        op = self.add(client, kind.removesuffix("_fork"), epoch=self.epoch)
        # Overlaps with what the other clients do next.
        op.begin_ns = max(op.begin_ns - self.random.randrange(900_000),
                          self.busy_until.get(client, 0) + 1)
        op.end_ns = op.begin_ns + 1_000_000
        self.now_ns = op.begin_ns + self.random.randrange(300_000)
        self.busy_until[client] = op.end_ns
        if standby:
            op.role = "standby"
            op.epoch = 0
            op.snapshot = max(self.standby_visible, self.stood.get(client, 0))
            self.stood[client] = op.snapshot
        else:
            op.synced = self.random.random() < 0.5
            op.snapshot = self._primary_snapshot(client, op)
        getattr(self, "_" + kind)(op, i)
        if op.writes:
            self._end(client, op)

    def _primary_snapshot(self, client: str, op: Operation) -> int:
        floor = self.told.get(client, self.opened)
        snapshot = self.visible if op.synced else self.random.randint(
            max(floor, self.visible - 8), self.visible)
        self.told[client] = snapshot
        return snapshot

    def _end(self, client: str, op: Operation) -> None:
        stale = any(self.store.get(oid, [(0, "")])[-1][0] > op.snapshot
                    for oid in [*op.writes, *op.current])
        chance = self.random.random()
        if stale or chance < 0.05:
            op.type = "fail"
            return
        self._commit(op)
        if chance < 0.1:
            op.type = "unknown"
            op.epoch = 0
            return
        op.tid = self.tid
        op.learned = chance < 0.12
        if not op.learned:
            self.told[client] = self.tid

    def _read(self, op: Operation, i: int) -> None:
        op.reads = {oid: self._at(oid, op.snapshot) for oid in self._some_lists(i)}

    def _some_lists(self, i: int) -> list[str]:
        lists = [f"b{i // 400}-{n}" for n in range(self.OBJECTS)]
        return self.random.sample(lists, 3)

    def _append(self, op: Operation, i: int) -> None:
        oids = self._some_lists(i)
        op.reads = {oid: self._at(oid, op.snapshot) for oid in oids}
        for oid in oids[:self.random.randint(1, 2)]:
            new = []
            for _ in range(self.random.randint(1, 2)):
                self.element += 1
                new.append(self.element)
            op.append[oid] = new
            op.writes[oid] = " ".join(filter(None, [op.reads[oid], words(new)]))
        if self.random.random() < 0.5:
            op.current = oids[len(op.writes):]

    def _sum(self, op: Operation, i: int) -> None:
        op.reads = {f"a{n}": self._at(f"a{n}", op.snapshot) for n in range(self.OBJECTS)}

    def _transfer(self, op: Operation, i: int) -> None:
        oids = self.random.sample([f"a{n}" for n in range(self.OBJECTS)], 2)
        op.reads = {oid: self._at(oid, op.snapshot) for oid in oids}
        for oid, change in zip(oids, (-1, 1)):
            op.writes[oid] = f"{int(op.reads[oid].split()[0]) + change} {op.client}/{op.seq}"

    def _write(self, op: Operation, i: int) -> None:
        op.writes = {f"c{self.random.randrange(4)}": f"{op.client}/{op.seq}"}

    def _read_fork(self, op: Operation, i: int) -> None:
        op.reads = {f"c{n}": self._at(f"c{n}", op.snapshot) for n in range(4)}
