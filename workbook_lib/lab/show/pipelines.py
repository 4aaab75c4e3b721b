"""A collector's pipelines, one lane each: receivers, processors in order, exporters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.collector import Pipeline
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import INK, MUTED, PAPER, SERIES, WIDTH_INCHES, new_figure, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["pipelines"]

LANE_INCHES: Final = 0.78
NAME_INCHES: Final = 1.35
HEAD_INCHES: Final = 0.65
KINDS: Final = ("receivers", "processors", "exporters")
LINE: Final = "#7d8a97"

Point = tuple[float, float]


def pipelines(configured: Sequence[Pipeline], *, title: str = "") -> Picture:
    """Draw them; a dashed line is a connector, which ends one pipeline and begins another."""
    height = HEAD_INCHES + LANE_INCHES * len(configured) + 0.1
    figure = new_figure(height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set_xlim(0, WIDTH_INCHES)
    axes.set_ylim(0, height)
    longest = max((len(pipeline.processors) for pipeline in configured), default=0)
    column = (WIDTH_INCHES - NAME_INCHES) / (longest + 2)
    for place, kind in zip((0, (longest + 1) / 2, longest + 1), KINDS, strict=True):
        x = NAME_INCHES + (place + 0.5) * column
        axes.text(x, height - HEAD_INCHES + 0.1, kind, fontsize=7.5, color=MUTED, ha="center")
    axes.text(0.1, height - 0.22, title, fontsize=11, weight="bold", color=INK, va="center")
    places: dict[tuple[str, str], list[Point]] = {}
    for row, pipeline in enumerate(configured):
        y = height - HEAD_INCHES - (row + 0.5) * LANE_INCHES
        for kind, name, at in _lane(axes, pipeline, y, column, longest):
            places.setdefault((kind, name), []).append(at)
    for (kind, name), ends in places.items():
        for end in ends if kind == "exporter" else ():
            for begin in places.get(("receiver", name), []):
                _connect(axes, end, begin)
    return Picture(figure, "\n".join(map(_text, configured)))


def _lane(
    axes: Axes, pipeline: Pipeline, y: float, column: float, longest: int
) -> list[tuple[str, str, Point]]:
    axes.axhspan(y - LANE_INCHES * 0.46, y + LANE_INCHES * 0.46, color="#f5f7f9", zorder=0, linewidth=0)
    axes.text(0.1, y, pipeline.name, fontsize=8.5, weight="bold", color=INK, va="center")
    stages = [("receiver", pipeline.receivers, 0)]
    stages += [("processor", (name,), place) for place, name in enumerate(pipeline.processors, start=1)]
    stages += [("exporter", pipeline.exporters, longest + 1)]
    drawn: list[tuple[str, str, Point]] = []
    before: list[Point] = []
    for kind, names, place in stages:
        x = NAME_INCHES + (place + 0.5) * column
        heights = [y + LANE_INCHES * 0.42 * ((len(names) - 1) / 2 - nth) for nth in range(len(names))]
        here = [(x, at) for at in heights]
        for name, at in zip(names, here, strict=True):
            _box(axes, name, at, SERIES[("receiver", "processor", "exporter").index(kind)])
            drawn.append((kind, name, at))
        for start in before:
            for end in here:
                _arrow(axes, (start[0] + _half(column), start[1]), (end[0] - _half(column), end[1]))
        before = here
    return drawn


def _half(column: float) -> float:
    return min(0.9, column * 0.42)


def _box(axes: Axes, name: str, at: Point, colour: str) -> None:
    box = {"boxstyle": "round,pad=0.35", "facecolor": tint(colour, 0.18), "edgecolor": colour}
    axes.text(*at, name, fontsize=7.5, color=INK, ha="center", va="center", bbox=box, zorder=4)


def _arrow(axes: Axes, start: Point, end: Point) -> None:
    style = {"arrowstyle": "-|>", "color": LINE, "linewidth": 0.9}
    axes.annotate("", end, start, arrowprops=style, zorder=2)


def _connect(axes: Axes, end: Point, begin: Point) -> None:
    """From below the exporter to above the receiver of the next pipeline."""
    style = {
        "arrowstyle": "-|>",
        "color": SERIES[3],
        "linewidth": 1.1,
        "linestyle": (0, (4, 2.5)),
        "connectionstyle": "arc3,rad=-0.06",
        "shrinkA": 14,
        "shrinkB": 38,
    }
    axes.annotate("", begin, end, arrowprops=style, zorder=3)
    place = (begin[0] + (end[0] - begin[0]) * 0.25, begin[1] + (end[1] - begin[1]) * 0.25)
    box = {"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": "none"}
    axes.text(
        *place, "connector", fontsize=6.5, color=SERIES[3], ha="center", va="center", bbox=box, zorder=5
    )


def _text(pipeline: Pipeline) -> str:
    ways = (pipeline.receivers, *((name,) for name in pipeline.processors), pipeline.exporters)
    return f"{pipeline.name}: " + " -> ".join(", ".join(names) for names in ways)
