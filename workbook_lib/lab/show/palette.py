"""Colours and sizes that all pictures share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ALARM",
    "INK",
    "MUTED",
    "PAPER",
    "RULE",
    "SERIES",
    "WIDTH_INCHES",
    "colours_of",
    "new_figure",
    "plain_axes",
    "tint",
]

WIDTH_INCHES: Final = 9.0
PAPER: Final = "#ffffff"
INK: Final = "#1f2933"
MUTED: Final = "#6b7785"
RULE: Final = "#dfe4ea"
ALARM: Final = "#c62f35"
SERIES: Final = (
    *("#3568b0", "#d97b29", "#3f8f62", "#8458b3", "#2b91a3", "#c2588e"),
    *("#b8872b", "#77604b", "#5a6fd0", "#6f8f2f"),
)


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """One colour a name; the same set of names gets the same colours in every picture."""
    return {name: SERIES[index % len(SERIES)] for index, name in enumerate(sorted(set(names)))}


def tint(colour: str, strength: float) -> tuple[float, float, float]:
    """The colour mixed with white; `strength` 1 is the colour itself, 0 is white."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (1 - strength * (1 - channel) for channel in channels)
    return red, green, blue


def new_figure(height_inches: float, width_inches: float = WIDTH_INCHES) -> Figure:
    """A figure on its own, without pyplot's global state; only now is matplotlib imported."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes, *, grid: str = "") -> None:
    """Take away the frame and ticks; keep a light grid along `grid` ("x", "y" or none)."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", length=0, labelsize=8, labelcolor=MUTED)
    axes.set_axisbelow(True)
    if grid == "x":
        axes.grid(axis="x", color=RULE, linewidth=0.8)
    elif grid == "y":
        axes.grid(axis="y", color=RULE, linewidth=0.8)
