"""How often which value was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import INK, MUTED, SERIES, new_figure, plain_axes, tint

__all__ = ["histogram"]

HEIGHT_INCHES: Final = 2.4
BINS: Final = 20


def histogram(
    values: Iterable[float], *, unit: str = "s", title: str = "", marks: Mapping[str, float] | None = None
) -> Picture:
    """Draw how often each value was measured, from 0 to the highest of them and of the `marks`.

    `marks` names values to compare with, such as {"one interval": 1.0}. Raises ValueError without a value.
    """
    from matplotlib.ticker import MaxNLocator

    measured = sorted(values)
    if not measured:
        raise ValueError("nothing was measured")
    limits = dict(marks or {})
    top = 1.06 * max(measured[-1], *limits.values(), 0.0) or 1.0
    figure = new_figure(HEIGHT_INCHES)
    axes = figure.add_axes((0.06, 0.14, 0.92, 0.62))
    plain_axes(axes, grid="y")
    axes.hist(
        measured, bins=BINS, range=(0, top), color=tint(SERIES[0], 0.6), edgecolor=SERIES[0], linewidth=0.6
    )
    axes.set_xlim(0, top)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} {unit}")
    for name, value in limits.items():
        axes.axvline(value, color=INK, linewidth=1, linestyle="--")
        place = axes.get_xaxis_transform()
        axes.annotate(f"{name} ", (value, 1.02), xycoords=place, fontsize=7.5, color=MUTED, ha="right")
    figure.text(0.1 / 9, 0.93, title, fontsize=11, weight="bold", color=INK, va="center")
    middle = statistics.median(measured)
    text = (
        f"{len(measured)} measured: least {measured[0]:.3g} {unit}, median {middle:.3g} {unit}, "
        f"most {measured[-1]:.3g} {unit}"
    )
    figure.text(0.98, 0.93, text, fontsize=8, color=MUTED, va="center", ha="right")
    return Picture(
        figure, "\n".join([text, *(f"{name}: {value:g} {unit}" for name, value in limits.items())])
    )
