"""Wholes made of parts, one bar below another: what each part of something adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import INK, MUTED, SERIES, WIDTH_INCHES, new_figure, plain_axes, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["stacked_bars"]

BAR_INCHES: Final = 0.5
HEAD_INCHES: Final = 0.4
FOOT_INCHES: Final = 0.55
LEGEND_COLUMNS: Final = 6
NARROWEST: Final = 0.045  # of the axis: a narrower part has no room for its figure


def stacked_bars(wholes: Mapping[str, Mapping[str, float]], *, unit: str = "", title: str = "") -> Picture:
    """Draw one bar a whole, made of its parts in the order given; the same part has the same colour in all.

    Raises ValueError for a part below zero, which no bar can show.
    """
    if any(value < 0 for parts in wholes.values() for value in parts.values()):
        raise ValueError("a part of a bar can't be below zero")
    names = list(dict.fromkeys(name for parts in wholes.values() for name in parts))
    colours = {name: SERIES[index % len(SERIES)] for index, name in enumerate(names)}
    height = HEAD_INCHES + BAR_INCHES * len(wholes) + FOOT_INCHES
    figure = new_figure(height)
    left = (0.08 * max(map(len, wholes), default=1) + 0.25) / WIDTH_INCHES
    across = 0.985 - left
    axes = figure.add_axes((left, FOOT_INCHES / height, across, BAR_INCHES * len(wholes) / height))
    plain_axes(axes)
    axes.set_xticks([])
    widest = max((sum(parts.values()) for parts in wholes.values()), default=1.0) or 1.0
    axes.set_xlim(0, widest * 1.12)
    for row, parts in enumerate(wholes.values()):
        _bar(axes, row, parts, colours, widest, unit)
    axes.set_yticks(range(len(wholes)), list(wholes), fontsize=9, color=INK)
    axes.set_ylim(len(wholes) - 0.5, -0.5)
    handles = [axes.barh(0, 0, color=tint(colours[name], 0.65), label=name) for name in names]
    figure.legend(handles=handles, loc="lower left", ncols=LEGEND_COLUMNS, fontsize=8, frameon=False)
    figure.text(
        0.1 / WIDTH_INCHES, 1 - 0.2 / height, title, fontsize=11, weight="bold", color=INK, va="center"
    )
    return Picture(figure, _text(wholes, unit))


def _bar(
    axes: Axes, row: int, parts: Mapping[str, float], colours: Mapping[str, str], widest: float, unit: str
) -> None:
    start = 0.0
    for name, value in parts.items():
        axes.barh(row, value, left=start, height=0.62, color=tint(colours[name], 0.65))
        if value > NARROWEST * widest:
            axes.text(start + value / 2, row, _number(value), fontsize=8, color=INK, ha="center", va="center")
        start += value
    axes.text(
        start + widest * 0.01,
        row,
        f"{_number(start)} {unit}".rstrip(),
        fontsize=8.5,
        color=MUTED,
        va="center",
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _text(wholes: Mapping[str, Mapping[str, float]], unit: str) -> str:
    return "\n".join(
        f"{name}: " + ", ".join(f"{part} {_number(value)} {unit}".rstrip() for part, value in parts.items())
        for name, parts in wholes.items()
    )
