"""Curves over time: what a query of Prometheus found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.evidence import Series
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import INK, MUTED, WIDTH_INCHES, colours_of, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curves"]

HEIGHT_INCHES: Final = 2.9
LETTER_INCHES: Final = 0.075


def curves(
    series: Sequence[Series],
    *,
    label: str,
    unit: str = "",
    title: str = "",
    marks: Mapping[str, datetime] | None = None,
) -> Picture:
    """Draw each series as a line, named by the value of its `label`; seconds count from the first point.

    `marks` names moments, such as {"killed": …}. Raises ValueError when there is no point to draw.
    """
    named = {each.labels.get(label, ""): _numbers(each) for each in series if _numbers(each).points}
    if not named:
        raise ValueError("the query found no series: there is nothing to draw")
    start = min(each.points[0][0] for each in named.values())
    end = max(each.points[-1][0] for each in named.values())
    figure = new_figure(HEIGHT_INCHES)
    axes = figure.add_axes((0.075, 0.13, _width(named), 0.7))
    plain_axes(axes, grid="y")
    colours = colours_of(named)
    for name, each in named.items():
        seconds = [(time - start).total_seconds() for time, _ in each.points]
        axes.plot(seconds, each.values, color=colours[name], linewidth=1.8, label=name)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} {unit}".rstrip())
    _mark(
        axes, {name: (at - start).total_seconds() for name, at in (marks or {}).items() if start <= at <= end}
    )
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=8.5, labelcolor=INK)
    figure.text(0.1 / 9, 0.93, title, fontsize=11, weight="bold", color=INK, va="center")
    return Picture(figure, _text(named, unit))


def _width(names: Iterable[str]) -> float:
    """Of the axes, as a share of the figure: what the longest name in the legend leaves."""
    return min(0.76, 0.84 - LETTER_INCHES / WIDTH_INCHES * max(map(len, names)))


def _numbers(series: Series) -> Series:
    """Without the points that are none: 0/0 is NaN in Prometheus."""
    return Series(series.labels, tuple(point for point in series.points if not math.isnan(point[1])))


def _mark(axes: Axes, marks: Mapping[str, float]) -> None:
    for name, moment in marks.items():
        axes.axvline(moment, color=MUTED, linewidth=1, linestyle="--")
        axes.annotate(
            f" {name}", (moment, 1.02), xycoords=axes.get_xaxis_transform(), fontsize=7.5, color=MUTED
        )


def _text(named: Mapping[str, Series], unit: str) -> str:
    width = max(map(len, named))
    of_unit = f" {unit}" if unit else ""
    return "\n".join(
        f"{name:<{width}}  from {min(each.values):.4g} to {max(each.values):.4g}{of_unit}, "
        f"last {each.values[-1]:.4g}, {len(each.points)} points"
        for name, each in named.items()
    )
