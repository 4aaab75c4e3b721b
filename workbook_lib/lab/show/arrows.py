"""The arrows of a service map: level ends, smooth bends, labels that keep off nodes and one another."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from workbook_lib.lab.evidence import Edge
from workbook_lib.lab.show.palette import ALARM, INK, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path

__all__ = ["DASHES", "LINE", "NAMES", "Box", "describe", "draw_arrows"]

LINE: Final = "#7d8a97"
TIMES: Final = "\N{MULTIPLICATION SIGN}"
DASHES: Final = (0, (4, 2.5))
NAMES: Final = {"http": "HTTP", "grpc": "gRPC", "kafka": "Kafka", "redis": "Redis", "sql": "SQL"}
LABEL_PLACES: Final = (0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74)
CHARACTER_INCHES: Final = 0.06
LINE_INCHES: Final = 0.13
PORT_GAP_INCHES: Final = 0.14
GAP_INCHES: Final = 0.02
HEAD: Final = (0.24, 0.08)
SAMPLES: Final = 40

Pair = tuple[str, str]
Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle on the map, in inches."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def round(cls, centre: Point, size: Point) -> Box:
        """The box of this size round a point."""
        (x, y), (wide, high) = centre, size
        return cls(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)

    @property
    def centre(self) -> Point:
        """Its middle."""
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any area."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.top <= other.bottom or other.top <= self.bottom)


def describe(edge: Edge) -> str:
    """The protocol, how many calls, and how many of them failed."""
    failed = f", {edge.failures:,} failed" if edge.failures else ""
    return f"{NAMES[edge.protocol]} {TIMES}{edge.calls:,}{failed}"


def draw_arrows(
    axes: Axes,
    edges: Sequence[Edge],
    routes: Mapping[Pair, Sequence[Point]],
    nodes: Mapping[str, Box],
    *,
    label: Callable[[Edge], Sequence[str]],
) -> None:
    """Draw one arrow a pair of nodes, through the points of its route; `label` gives the lines on it."""
    from matplotlib.patches import FancyArrowPatch

    ports = _ports(nodes, routes)
    taken = [*nodes.values(), *(Box.round(end, HEAD) for _, end in ports.values())]
    for pair, between in routes.items():
        parallel = [edge for edge in edges if (edge.caller, edge.callee) == pair]
        points = [ports[pair][0], *between, ports[pair][1]]
        arrow = FancyArrowPatch(
            path=_path(points),
            arrowstyle="-|>,head_length=5,head_width=2.6",
            color=ALARM if any(edge.failures for edge in parallel) else LINE,
            linewidth=1.2,
            linestyle=DASHES if all(edge.protocol == "kafka" for edge in parallel) else "-",
            shrinkA=0,
            shrinkB=0,
            zorder=2,
        )
        axes.add_patch(arrow)
        _label(axes, parallel, [line for edge in parallel for line in label(edge)], _samples(points), taken)


def _ports(nodes: Mapping[str, Box], routes: Mapping[Pair, Sequence[Point]]) -> dict[Pair, list[Point]]:
    """Where each arrow leaves and arrives: spread over the node's side, in the order of the other ends."""
    ports: dict[Pair, list[Point]] = {pair: [(0, 0), (0, 0)] for pair in routes}
    sides: dict[tuple[str, bool], list[tuple[float, Pair, int]]] = {}
    for pair, between in routes.items():
        for end in (0, 1):
            here, there = nodes[pair[end]], nodes[pair[1 - end]]
            towards = between[-end] if between else there.centre
            sides.setdefault((pair[end], there.left > here.left), []).append((towards[1], pair, end))
    for (name, right), arrows in sides.items():
        box = nodes[name]
        x = box.right + GAP_INCHES if right else box.left - GAP_INCHES
        for index, (_, pair, end) in enumerate(sorted(arrows)):
            shift = (index - (len(arrows) - 1) / 2) * min(PORT_GAP_INCHES, 0.4 / len(arrows))
            ports[pair][end] = (x, box.centre[1] + shift)
    return ports


def _segments(points: Sequence[Point]) -> Iterator[tuple[Point, Point, Point, Point]]:
    """Cubic curves through the points: level at both ends, along the neighbours' direction between them."""
    inner = zip(points, points[2:], strict=False)
    slopes = [0.0, *((after[1] - before[1]) / (after[0] - before[0]) for before, after in inner), 0.0]
    for ((x0, y0), (x1, y1)), (out, into) in zip(
        itertools.pairwise(points), itertools.pairwise(slopes), strict=True
    ):
        bend = (x1 - x0) * 0.45
        yield (x0, y0), (x0 + bend, y0 + out * bend), (x1 - bend, y1 - into * bend), (x1, y1)


def _path(points: Sequence[Point]) -> Path:
    from matplotlib.path import Path

    vertices, codes = [points[0]], [Path.MOVETO]
    for _, *controls in _segments(points):
        vertices += controls
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)


def _samples(points: Sequence[Point]) -> list[Point]:
    """Points on the curve, evenly in its parameter."""
    track = []
    for corners in _segments(points):
        for step in range(SAMPLES):
            t = step / SAMPLES
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
            x, y = (
                sum(w * corner[axis] for w, corner in zip(weights, corners, strict=True)) for axis in (0, 1)
            )
            track.append((x, y))
    return track


def _label(
    axes: Axes, edges: Sequence[Edge], lines: Sequence[str], track: Sequence[Point], taken: list[Box]
) -> None:
    """Write what goes over the arrow at the first free place along it; above it where it runs level."""
    size = (max(map(len, lines)) * CHARACTER_INCHES, len(lines) * LINE_INCHES)
    level = abs(track[0][1] - track[-1][1]) < size[1]
    lift = size[1] / 2 + 0.04 if level else 0.0
    places = (track[round(share * (len(track) - 1))] for share in LABEL_PLACES)
    boxes = [Box.round((x, y + lift), size) for x, y in places]
    box = next((box for box in boxes if not any(box.overlaps(other) for other in taken)), boxes[0])
    taken.append(box)
    axes.text(
        *box.centre,
        "\n".join(lines),
        fontsize=7,
        color=ALARM if any(edge.failures for edge in edges) else INK,
        ha="center",
        va="center",
        bbox={
            "boxstyle": "round,pad=0.1",
            "facecolor": PAPER,
            "edgecolor": "none",
            "alpha": 0 if level else 0.9,
        },
        zorder=4,
    )
