"""What had ended before something began: the only order between clients that they can tell."""

from collections.abc import Callable, Iterable, Iterator

from .history import Operation


def before_each(ops: Iterable[Operation], ended: Iterable[Operation],
                rank: Callable[[Operation], int]
                ) -> Iterator[tuple[Operation, Operation | None]]:
    """Each of `ops` in the order of their begin, with the one of highest rank among those of
    `ended` that had ended before it began."""
    waiting = sorted(ended, key=lambda op: op.end_ns)
    at = 0
    highest = None
    for op in sorted(ops, key=lambda op: op.begin_ns):
        while at < len(waiting) and waiting[at].end_ns < op.begin_ns:
            if highest is None or rank(waiting[at]) > rank(highest):
                highest = waiting[at]
            at += 1
        yield op, highest
