"""A directed graph of numbers, and its strongly connected components.

Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972; without recursion,
because a run has chains of a hundred thousand operations.
"""

from __future__ import annotations

from collections.abc import Sequence

STARTS_MAX = 64


def cycles(edges: Sequence[Sequence[int]]) -> list[list[int]]:
    """Gives the components of more than one node, each in ascending order.

    Args:
        edges: For each node the nodes that it points to. An edge to itself is no cycle here.
    """
    search = _Search(edges)
    for root in range(len(edges)):
        if search.index[root] == 0:
            search.from_root(root)
    return search.found


class _Search:
    def __init__(self, edges: Sequence[Sequence[int]]):
        self._edges = edges
        self._count = 0
        self.index = [0] * len(edges)
        """Order of discovery, from 1; 0: not yet."""
        self._low = [0] * len(edges)
        self._open: list[int] = []
        self._is_open = bytearray(len(edges))
        self.found: list[list[int]] = []

    def from_root(self, root: int) -> None:
        path = [(root, 0)]
        self._enter(root)
        index, low, is_open = self.index, self._low, self._is_open
        while path:
            node, place = path.pop()
            targets = self._edges[node]
            for number in range(place, len(targets)):
                target = targets[number]
                if index[target] == 0:
                    path.append((node, number + 1))
                    path.append((target, 0))
                    self._enter(target)
                    break
                if is_open[target] and index[target] < low[node]:
                    low[node] = index[target]
            else:
                self._leave(node)
                if path and low[node] < low[path[-1][0]]:
                    low[path[-1][0]] = low[node]

    def _enter(self, node: int) -> None:
        self._count += 1
        self.index[node] = self._low[node] = self._count
        self._open.append(node)
        self._is_open[node] = 1

    def _leave(self, node: int) -> None:
        if self._low[node] != self.index[node]:
            return
        component: list[int] = []
        while True:
            member = self._open.pop()
            self._is_open[member] = 0
            component.append(member)
            if member == node:
                break
        if len(component) > 1:
            self.found.append(sorted(component))


def shortest_cycle(edges: Sequence[Sequence[int]], component: Sequence[int]) -> list[int]:
    """Gives a short cycle of a component: the shortest through any of `STARTS_MAX` nodes."""
    inside = set(component)
    stride = max(1, len(component) // STARTS_MAX)
    return min((_cycle(edges, inside, start) for start in component[::stride]), key=len)


def _cycle(edges: Sequence[Sequence[int]], inside: set[int], start: int) -> list[int]:
    """Gives a shortest cycle through a node, beginning with it; breadth first."""
    came_from: dict[int, int] = {}
    level = [start]
    while level:
        following: list[int] = []
        for node in level:
            for target in edges[node]:
                if target == start:
                    return _path(came_from, start, node)
                if target in inside and target not in came_from:
                    came_from[target] = node
                    following.append(target)
        level = following
    raise ValueError(f"node {start} is on no cycle")


def _path(came_from: dict[int, int], start: int, node: int) -> list[int]:
    path = [node]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]
