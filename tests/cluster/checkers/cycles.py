"""Cycles of dependencies that snapshot isolation forbids, and with read_current serializability.

In words of commit times: after ww, wr and a checked rw the second commits later than the first. After an
unchecked rw it only commits later than the first one's snapshot was taken; so that edge counts with
the ww or wr before it, whose first was committed when that snapshot was taken. All these edges go
forward in time: a cycle of them is an anomaly. Two unchecked rw in a row are allowed: write skew.
"""

from collections.abc import Iterator

from .dependencies import Dependencies, find_dependencies
from .final_log import FinalLog
from .graph import components, shortest_cycle
from .history import History
from .verdict import Violation


def check(history: History, final: FinalLog) -> Iterator[Violation]:
    dependencies, violations = find_dependencies(history, final)
    yield from violations
    yield from find_cycles(history, dependencies)


def find_cycles(history: History, dependencies: Dependencies) -> Iterator[Violation]:
    """The plainest anomaly that there is: the others usually follow from it."""
    ww, wr = dependencies.ww, dependencies.wr
    direct = [a | b for a, b in zip(ww, wr)]
    for edges in (ww, direct, _with_anti_dependencies(dependencies, direct)):
        cyclic = components(edges)
        for component in cyclic:
            cycle = shortest_cycle(edges, component)
            steps = list(_steps(dependencies, direct, cycle))
            yield Violation(_kind(steps), "; ".join(
                f"{history.name(dependencies.operations[a])} {_WORDS[how]} "
                f"{history.name(dependencies.operations[b])}" for a, how, b in steps))
        if cyclic:
            return


_WORDS = {"ww": "was overwritten by", "wr": "was read by", "rw": "did not see",
          "checked rw": "was checked not to see"}


def _with_anti_dependencies(dependencies: Dependencies, direct: list[set[int]]) -> list[set[int]]:
    edges = []
    for node, successors in enumerate(direct):
        through = set().union(*(dependencies.rw[middle] for middle in successors))
        edges.append(successors | dependencies.checked_rw[node] | through)
    return edges


def _steps(dependencies: Dependencies, direct: list[set[int]],
           cycle: list[int]) -> Iterator[tuple[int, str, int]]:
    for a, b in zip(cycle, cycle[1:] + cycle[:1]):
        how = _edge(dependencies, a, b)
        if how:
            yield a, how, b
            continue
        middle = next(m for m in direct[a] if b in dependencies.rw[m])
        yield a, _edge(dependencies, a, middle), middle
        yield middle, "rw", b


def _edge(dependencies: Dependencies, a: int, b: int) -> str:
    for how, edges in (("ww", dependencies.ww), ("wr", dependencies.wr),
                       ("checked rw", dependencies.checked_rw)):
        if b in edges[a]:
            return how
    return ""


def _kind(steps: list[tuple[int, str, int]]) -> str:
    hows = [how for _, how, _ in steps]
    anti = [how.endswith("rw") for how in hows]
    if not any(anti):
        return "G0" if set(hows) == {"ww"} else "G1c"
    if sum(anti) == 1:
        return "G-single"
    adjacent = any(a and b for a, b in zip(anti, anti[1:] + anti[:1]))
    return "G2" if adjacent else "G-nonadjacent"
