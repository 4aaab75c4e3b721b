"""Where the nodes of a service map go: layers from the left, few crossings, no overlap (after Sugiyama)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Layout", "arrange"]

ORDER_SWEEPS: Final = 12
PULL_SWEEPS: Final = 60
LANE: Final = 0.55  # the height that an edge takes where it passes a layer; a node takes 1

Pair = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """Positions: x is the layer (0 at the left), y grows upwards in node heights.

    `routes` holds for each pair the points that its arrow passes between caller and callee.
    """

    nodes: Mapping[str, tuple[int, float]]
    routes: Mapping[Pair, Sequence[tuple[int, float]]]
    layers: int
    low: float
    high: float


def arrange(pairs: Iterable[Pair]) -> Layout:
    """Lay out the graph of these (caller, callee) pairs; a call to oneself takes no place."""
    edges = list(dict.fromkeys(pair for pair in pairs if pair[0] != pair[1]))
    forward = _without_cycles(edges)
    layer_of = _layers(forward)
    chains = {edge: _chain(way, layer_of) for edge, way in forward.items()}
    rows = _ordered(_rows(layer_of, chains.values()), chains.values())
    y = _heights(rows, chains.values())
    column = {name: layer for layer, row in enumerate(rows) for name in row}
    routes = {}
    for edge, chain in chains.items():
        points = [(column[name], y[name]) for name in chain[1:-1]]
        routes[edge] = points if forward[edge] == edge else points[::-1]
    nodes = {name: (layer, y[name]) for name, layer in layer_of.items()}
    heights = list(y.values()) or [0.0]
    return Layout(nodes, routes, len(rows), min(heights), max(heights))


def _without_cycles(edges: Sequence[Pair]) -> dict[Pair, Pair]:
    """Each edge as it counts for the layers: turned round where it would close a cycle."""
    below: dict[str, list[str]] = {}
    for caller, callee in edges:
        below.setdefault(caller, []).append(callee)
    called = {callee for _, callee in edges}
    open_names: set[str] = set()
    done: set[str] = set()
    backward: set[Pair] = set()

    def visit(name: str) -> None:
        open_names.add(name)
        for callee in below.get(name, []):
            if callee in open_names:
                backward.add((name, callee))
            elif callee not in done:
                visit(callee)
        open_names.discard(name)
        done.add(name)

    for name in sorted(below, key=lambda name: name in called):
        if name not in done:
            visit(name)
    return {edge: edge[::-1] if edge in backward else edge for edge in edges}


def _layers(forward: Mapping[Pair, Pair]) -> dict[str, int]:
    """The longest way from a node that nobody calls."""
    layers = dict.fromkeys((name for way in forward.values() for name in way), 0)
    for _ in layers:
        for caller, callee in forward.values():
            layers[callee] = max(layers[callee], layers[caller] + 1)
    return layers


def _chain(way: Pair, layer_of: Mapping[str, int]) -> list[str]:
    """The nodes an edge passes: its ends, and a stand-in in every layer between them."""
    caller, callee = way
    between = range(layer_of[caller] + 1, layer_of[callee])
    return [caller, *(f"{caller}\0{callee}\0{layer}" for layer in between), callee]


def _rows(layer_of: Mapping[str, int], chains: Iterable[Sequence[str]]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for name, layer in layer_of.items():
        rows[layer].append(name)
    for chain in chains:
        for place, name in enumerate(chain[1:-1], layer_of[chain[0]] + 1):
            rows[place].append(name)
    return rows


def _neighbours(chains: Iterable[Sequence[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for chain in chains:
        for left, right in itertools.pairwise(chain):
            before.setdefault(right, []).append(left)
            after.setdefault(left, []).append(right)
    return before, after


def _ordered(rows: list[list[str]], chains: Iterable[Sequence[str]]) -> list[list[str]]:
    """Sort each layer by its neighbours' mean place, forth and back; keep the order with fewest crossings."""
    before, after = _neighbours(list(chains))
    best, fewest = [list(row) for row in rows], _crossings(rows, after)
    for sweep in range(ORDER_SWEEPS):
        beside, order = (before, rows) if sweep % 2 == 0 else (after, rows[::-1])
        for fixed, row in itertools.pairwise(order):
            _sort_by_neighbours(row, fixed, beside)
        if (now := _crossings(rows, after)) < fewest:
            best, fewest = [list(row) for row in rows], now
    return best


def _sort_by_neighbours(row: list[str], fixed: Sequence[str], beside: Mapping[str, Sequence[str]]) -> None:
    place = {name: index for index, name in enumerate(fixed)}
    centre = {
        name: _mean([place[other] for other in beside.get(name, [])], default=index)
        for index, name in enumerate(row)
    }
    row.sort(key=centre.__getitem__)


def _crossings(rows: Sequence[Sequence[str]], after: Mapping[str, Sequence[str]]) -> int:
    count = 0
    for left, right in itertools.pairwise(rows):
        place = {name: index for index, name in enumerate(right)}
        ends = [sorted(place[other] for other in after.get(name, [])) for name in left]
        for index, upper in enumerate(ends):
            count += sum(high > low for lower in ends[index + 1 :] for high in upper for low in lower)
    return count


def _heights(rows: Sequence[Sequence[str]], chains: Iterable[Sequence[str]]) -> dict[str, float]:
    """Pull every node towards its neighbours, as far as its layer's order and spacing allow."""
    before, after = _neighbours(list(chains))
    y = {name: -float(index) for row in rows for index, name in enumerate(row)}
    for sweep in range(PULL_SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted = [
                _mean([y[other] for other in (*before.get(name, []), *after.get(name, []))], y[name])
                for name in row
            ]
            y.update(zip(row, _spaced(row, wanted), strict=True))
    return y


def _spaced(row: Sequence[str], wanted: Sequence[float]) -> list[float]:
    """The places nearest to those wanted that keep order and spacing (isotonic regression)."""
    offsets = [0.0]
    for upper, lower in itertools.pairwise(row):
        offsets.append(offsets[-1] - (_size(upper) + _size(lower)) / 2)
    pools: list[list[float]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        pools.append([want - offset])
        while len(pools) > 1 and _mean(pools[-2]) < _mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    levels = [_mean(pool) for pool in pools for _ in pool]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]


def _size(name: str) -> float:
    return LANE if "\0" in name else 1.0


def _mean(values: Sequence[float], default: float = 0.0) -> float:
    return sum(values) / len(values) if values else default
