"""All see independent writes happen in one order; two readers that do not are a long fork.

This looks at values alone, not at the tids that were told.
"""

from collections.abc import Iterator

from .final_log import FinalLog
from .history import History, Operation
from .verdict import Violation


def check(history: History, final: FinalLog) -> Iterator[Violation]:
    # Values are unique; an object that did not exist is the version before all.
    places = {oid: {value: i for i, value in enumerate(revisions.values)}
              for oid, revisions in final.objects.items()}
    groups: dict[tuple[str, ...], list[tuple[tuple[int, ...], Operation]]] = {}
    for op in history.operations:
        oids = tuple(sorted(op.reads))
        versions = []
        for oid in oids:
            value = op.reads[oid]
            place = -1 if value is None else places.get(oid, {}).get(value)
            if place is None:
                yield Violation("never-committed", f"{history.name(op)} read {value!r} in {oid}, "
                                "which is in no transaction of the log")
                break
            versions.append(place)
        else:
            groups.setdefault(oids, []).append((tuple(versions), op))
    for oids, reads in groups.items():
        yield from _of_group(history, oids, reads)


def _of_group(history, oids, reads) -> Iterator[Violation]:
    """Sorted by how much they saw, each must have seen all that the one before did: then they are
    a chain."""
    reads.sort(key=lambda read: sum(read[0]))
    for (less, first), (more, second) in zip(reads, reads[1:]):
        for oid, a, b in zip(oids, less, more):
            if a > b:
                other = next(o for o, c, d in zip(oids, less, more) if c < d)
                yield Violation("long-fork", f"{history.name(first)} saw a write to {oid} and not "
                                f"one to {other}; {history.name(second)} the other way round")
                break
