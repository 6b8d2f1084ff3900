"""What history clients were promised, read while they are at work."""

import json
from pathlib import Path

from checkers.history import Operation, operation_of


class Acknowledgements:
    """Of all files of some clients, also of those that begin later."""

    def __init__(self, files: list[Path]):
        self._files = files  # grows
        self._offsets: dict[Path, int] = {}
        self.commits: list[Operation] = []
        self.reads: list[Operation] = []

    def look(self) -> None:
        """Reads what is new: whole lines."""
        for path in self._files:
            if not path.is_file():
                continue
            with open(path, "rb") as file:
                file.seek(self._offsets.get(path, 0))
                new = file.read()
            whole = new[:new.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            for line in whole.splitlines():
                operation = operation_of(json.loads(line))
                if operation.acknowledged:
                    self.commits.append(operation)
                elif operation.type == "ok" and operation.role == "primary":
                    self.reads.append(operation)

    def first(self, after_s: float, above_epoch: int) -> Operation | None:
        """The first commit that a later reign acknowledged, and that ended after this moment."""
        self.look()
        found = [op for op in self.commits
                 if op.epoch > above_epoch and op.end_ns >= after_s * 1e9]
        return min(found, key=lambda op: op.end_ns, default=None)

    def begun_after(self, at_s: float) -> dict[str, int]:
        """How many commits began later and are acknowledged, of each workload."""
        self.look()
        counts: dict[str, int] = {}
        for op in self.commits:
            if op.begin_ns >= at_s * 1e9:
                workload = op.client.partition("-")[0]
                counts[workload] = counts.get(workload, 0) + 1
        return counts

    def ends_s(self, epoch: int) -> list[float]:
        """When commits of that reign, and reads from it, were answered."""
        self.look()
        return sorted(op.end_ns / 1e9 for op in [*self.commits, *self.reads] if op.epoch == epoch)
