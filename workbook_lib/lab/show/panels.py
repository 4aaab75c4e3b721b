"""Several figures of the same things side by side, each on a scale of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import INK, SERIES, WIDTH_INCHES, new_figure, plain_axes, tint

__all__ = ["panels"]

HEIGHT_INCHES: Final = 2.5
MOST_PANELS: Final = 4


def panels(figures: Mapping[str, Mapping[str, float]], *, title: str = "") -> Picture:
    """Draw one panel a figure, with a bar for each thing that it is of: {"releases a day": {"before": 2, …}}.

    The things have the same colours in all panels. Raises ValueError for none, or more than four.
    """
    if not 0 < len(figures) <= MOST_PANELS:
        raise ValueError(f"{len(figures)} panels; from 1 to {MOST_PANELS} have room side by side")
    things = list(dict.fromkeys(name for values in figures.values() for name in values))
    colours = {name: SERIES[index % len(SERIES)] for index, name in enumerate(things)}
    figure = new_figure(HEIGHT_INCHES)
    across = 1 / len(figures)
    for place, (name, values) in enumerate(figures.items()):
        axes = figure.add_axes((place * across + 0.015, 0.16, across - 0.03, 0.56))
        plain_axes(axes)
        axes.set_yticks([])
        drawn = axes.bar(
            range(len(values)),
            list(values.values()),
            width=0.66,
            color=[tint(colours[thing], 0.75) for thing in values],
        )
        axes.bar_label(drawn, [_number(value) for value in values.values()], padding=2, fontsize=9, color=INK)
        axes.set_ylim(0, max(max(values.values()), 1e-9) * 1.15)
        axes.set_xticks(range(len(values)), list(values), fontsize=8)
        axes.set_title(name, fontsize=9, color=INK, loc="left")
    figure.text(0.1 / WIDTH_INCHES, 0.93, title, fontsize=11, weight="bold", color=INK, va="center")
    return Picture(figure, _text(figures))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _text(figures: Mapping[str, Mapping[str, float]]) -> str:
    return "\n".join(
        f"{name}: " + ", ".join(f"{thing} {_number(value)}" for thing, value in values.items())
        for name, values in figures.items()
    )
