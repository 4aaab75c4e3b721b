"""The nodes of a service map, each kind in its own shape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from workbook_lib.lab.evidence import NodeKind
from workbook_lib.lab.show.palette import INK, MUTED, PAPER, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HEIGHT_INCHES", "WIDTH_INCHES", "draw_node", "node_size", "wrapped"]

STORES: Final[dict[NodeKind, tuple[str, str]]] = {
    "database": ("#8a94a0", "database"),
    "cache": ("#b5524a", "cache"),
    "topic": ("#6a5b95", "topic"),
}
WIDTH_INCHES: Final = 1.16
STORE_WIDTH_INCHES: Final = 0.95
HEIGHT_INCHES: Final = 0.56
LINE_CHARACTERS: Final = 13

Point = tuple[float, float]


def node_size(kind: NodeKind) -> tuple[float, float]:
    """Width and height in inches."""
    return (STORE_WIDTH_INCHES if kind in ("database", "cache") else WIDTH_INCHES), HEIGHT_INCHES


def draw_node(axes: Axes, at: Point, name: str, kind: NodeKind, colour: str) -> None:
    """Draw a node round the point `at` (inches): services as boxes, stores as cylinders, topics as pipes."""
    size = node_size(kind)
    if kind in STORES:
        colour, caption = STORES[kind]
        _cylinder(axes, at, size, colour, lying=kind == "topic")
        shift = 0.035 if kind == "topic" else -0.02
        _write(axes, (at[0] - (0.04 if kind == "topic" else 0), at[1] + shift), name, INK, "normal")
        axes.text(
            at[0], at[1] - size[1] / 2 - 0.03, caption, fontsize=6.2, color=MUTED, ha="center", va="top"
        )
    else:
        _box(axes, at, size, colour, outside=kind == "external")
        _write(axes, at, name, INK if kind == "external" else PAPER, "bold")


def wrapped(name: str) -> str:
    """The name over as many lines as it needs, broken after `-`, `_`, `.`, `/` or `:`."""
    lines = [""]
    for part in re.findall(r"[^-_./:]+[-_./:]*|[-_./:]+", name):
        if lines[-1] and len(lines[-1]) + len(part) > LINE_CHARACTERS:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _write(axes: Axes, at: Point, name: str, colour: str, weight: str) -> None:
    axes.text(*at, wrapped(name), fontsize=8, weight=weight, color=colour, ha="center", va="center", zorder=6)


def _box(axes: Axes, at: Point, size: tuple[float, float], colour: str, *, outside: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    wide, high = size
    patch = FancyBboxPatch(
        (at[0] - wide / 2, at[1] - high / 2),
        wide,
        high,
        boxstyle="round,pad=0,rounding_size=0.1",
        facecolor=PAPER if outside else colour,
        edgecolor=colour,
        linestyle="--" if outside else "-",
        linewidth=1.2,
        zorder=5,
    )
    axes.add_patch(patch)


def _cylinder(axes: Axes, at: Point, size: tuple[float, float], colour: str, *, lying: bool) -> None:
    """A cylinder standing, or lying with its open end at the right."""
    from matplotlib.patches import Ellipse, PathPatch
    from matplotlib.path import Path

    (x, y), (wide, high) = at, size
    along, across, cap = (wide, high * 0.9, 0.09) if lying else (high, wide, 0.075)
    half, side = along / 2 - cap, across / 2
    body = [(-half, side), (half, side), (half, -side), (-half, -side)]
    start_cap = [(-half - cap * 4 / 3, -side), (-half - cap * 4 / 3, side), (-half, side)]
    points = [*body, *start_cap]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, *[Path.CURVE4] * 3]
    turned = [(x + a, y + b) if lying else (x + b, y + a) for a, b in points]
    style: Any = {"edgecolor": colour, "linewidth": 1.2, "zorder": 5}
    axes.add_patch(PathPatch(Path(turned, codes), facecolor=tint(colour, 0.16), **style))
    centre = (x + half, y) if lying else (x, y + half)
    lid = (2 * cap, across) if lying else (across, 2 * cap)
    axes.add_patch(Ellipse(centre, *lid, facecolor=tint(colour, 0.32), **style))
