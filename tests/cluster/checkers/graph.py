"""Cycles of a directed graph, given as the list of each node's successors."""

from collections import deque
from collections.abc import Collection, Sequence

Edges = Sequence[Collection[int]]


def components(edges: Edges) -> list[list[int]]:
    """Tarjan's strongly connected components, those with a cycle only."""
    order = [0] * len(edges)  # from 1, in the order of the visit
    lowest = [0] * len(edges)
    on_stack = [False] * len(edges)
    stack: list[int] = []
    found: list[list[int]] = []
    visited = 0
    for root in range(len(edges)):
        if order[root]:
            continue
        work = [(root, iter(edges[root]))]
        while work:
            node, successors = work[-1]
            if not order[node]:
                visited += 1
                order[node] = lowest[node] = visited
                stack.append(node)
                on_stack[node] = True
            for successor in successors:
                if not order[successor]:
                    work.append((successor, iter(edges[successor])))
                    break
                if on_stack[successor]:
                    lowest[node] = min(lowest[node], order[successor])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == order[node]:
                    component = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack[component[-1]] = False
                    if len(component) > 1 or node in edges[node]:
                        found.append(component)
    return found


def shortest_cycle(edges: Edges, component: list[int]) -> list[int]:
    """Of those through the component's first nodes: its nodes in order, the first not repeated."""
    members = set(component)
    best: list[int] = []
    for start in component[:50]:
        cycle = _cycle_through(edges, members, start)
        if cycle and (not best or len(cycle) < len(best)):
            best = cycle
    return best


def _cycle_through(edges: Edges, members: set[int], start: int) -> list[int]:
    came_from: dict[int, int] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for successor in edges[node]:
            if successor == start:
                cycle = [node]
                while cycle[-1] != start:
                    cycle.append(came_from[cycle[-1]])
                return cycle[::-1]
            if successor in members and successor not in came_from:
                came_from[successor] = node
                queue.append(successor)
    return []
