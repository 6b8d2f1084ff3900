"""What clients did: the files of history_client."""

import json
from dataclasses import dataclass, field
from pathlib import Path

NEVER_NS = 1 << 62


class BadFile(Exception):
    """A file is not what it should be; nothing can be said of the cluster."""


def tid_text(tid: int) -> str:
    return f"{tid:016x}"


@dataclass(slots=True)
class Operation:
    client: str
    seq: int
    f: str
    type: str  # ok, fail, unknown
    begin_ns: int
    end_ns: int
    role: str = "primary"
    tid: int = 0  # 0: none was told
    snapshot: int = 0
    at_least: int = 0
    epoch: int = 0
    synced: bool = False
    learned: bool = False
    why: str = ""
    reads: dict[str, str | None] = field(default_factory=dict)
    writes: dict[str, str] = field(default_factory=dict)
    current: list[str] = field(default_factory=list)
    append: dict[str, list[int]] = field(default_factory=dict)

    @property
    def id(self) -> tuple[str, int]:
        return self.client, self.seq

    @property
    def acknowledged(self) -> bool:
        """It was said to be committed."""
        return self.type == "ok" and bool(self.writes)


@dataclass
class History:
    operations: list[Operation]
    torn: list[str] = field(default_factory=list)  # files whose last line is not whole

    def __post_init__(self):
        self.origin_ns = min((op.begin_ns for op in self.operations), default=0)
        self.by_id = {op.id: op for op in self.operations}
        self.last_seq: dict[str, int] = {}
        for op in self.operations:
            self.last_seq[op.client] = max(op.seq, self.last_seq.get(op.client, 0))

    def name(self, op: Operation) -> str:
        """The operation in words, for a verdict."""
        begin = (op.begin_ns - self.origin_ns) / 1e9
        if op.end_ns == NEVER_NS:
            times = f"from {begin:.3f} s, not ended"
        else:
            times = f"{begin:.3f} to {(op.end_ns - self.origin_ns) / 1e9:.3f} s"
        text = f"{op.f} {op.seq} of {op.client} ({times}"
        if op.role != "primary":
            text += f", {op.role}"
        if op.epoch:
            text += f", epoch {op.epoch}"
        return text + ")"


def process_of(client: str) -> str:
    """Clients of one process are named PROCESS-NUMBER."""
    return client.rpartition("-")[0]


def _tid(fields: dict, key: str) -> int:
    return int(fields.get(key, "0"), 16)


def operation_of(fields: dict) -> Operation:
    if fields["type"] not in ("ok", "fail", "unknown"):
        raise ValueError(f"type {fields['type']!r}")
    value = fields["value"]
    return Operation(
        client=fields["client"], seq=fields["seq"], f=fields["f"], type=fields["type"],
        begin_ns=fields["begin_ns"], end_ns=fields["end_ns"], role=fields["role"],
        tid=_tid(fields, "tid"), snapshot=_tid(fields, "snapshot"),
        at_least=_tid(fields, "at_least"), epoch=fields.get("epoch", 0),
        synced=fields.get("synced", False), learned=fields.get("learned", False),
        why=fields.get("why", ""), reads=value["reads"], writes=value["writes"],
        current=value["current"], append=value["append"])


def read_lines(path) -> tuple[list[dict], bool]:
    """The file's lines, and whether the last one was torn (its writer was killed)."""
    text = Path(path).read_text(encoding="utf-8")
    lines = text.split("\n")
    torn = lines.pop() != ""
    fields = []
    for number, line in enumerate(lines, 1):
        try:
            fields.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise BadFile(f"{path}:{number}: {error}") from None
    return fields, torn


def read_history(paths) -> History:
    operations, torn = [], []
    for path in paths:
        lines, is_torn = read_lines(path)
        if is_torn:
            torn.append(str(path))
        for number, fields in enumerate(lines, 1):
            try:
                operations.append(operation_of(fields))
            except (KeyError, TypeError, ValueError) as error:
                raise BadFile(f"{path}:{number}: no operation: {error!r}") from None
    history = History(operations, torn)
    if len(history.by_id) != len(operations):
        raise BadFile("two operations have the same client and seq: was a file given twice?")
    return history
