"""What limits let through of the same burst, one below another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, SERIES, new_figure, plain_axes, tint
from workbook_lib.lab.traffic import LoadResult

__all__ = ["bursts"]

STEP_SECONDS: Final = 0.1
PANEL_INCHES: Final = 1.2
HEAD_INCHES: Final = 0.4
FOOT_INCHES: Final = 0.35
REFUSED: Final = 429


def bursts(results: Mapping[str, LoadResult], *, title: str = "A burst") -> Picture:
    """Draw the requests of each tenth of a second: answered ones upwards, refused ones (429) downwards.

    One panel a limit, with the same scales. Raises ValueError when no request was sent.
    """
    if not any(result.timeline for result in results.values()):
        raise ValueError("no request was sent: there is nothing to draw")
    until = max(sample.start_seconds for result in results.values() for sample in result.timeline)
    steps = int(until / STEP_SECONDS) + 1
    height = HEAD_INCHES + PANEL_INCHES * len(results) + FOOT_INCHES
    figure = new_figure(height)
    first = None
    for row, (name, result) in enumerate(results.items()):
        bottom = (FOOT_INCHES + (len(results) - 1 - row) * PANEL_INCHES) / height
        axes = figure.add_axes(
            (0.075, bottom, 0.905, (PANEL_INCHES - 0.38) / height), sharex=first, sharey=first
        )
        first = first or axes
        plain_axes(axes, grid="y")
        starts = [step * STEP_SECONDS for step in range(steps)]
        good, refused = _counted(result, steps)
        width = STEP_SECONDS * 0.9
        axes.bar(starts, good, width=width, align="edge", color=tint(SERIES[2], 0.75))
        axes.bar(starts, [-n for n in refused], width=width, align="edge", color=tint(ALARM, 0.75))
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
        if row < len(results) - 1:
            axes.tick_params(labelbottom=False)
        axes.text(0, 1.08, name, fontsize=9, weight="bold", color=INK, transform=axes.transAxes)
        axes.text(1, 1.08, _facts(result), fontsize=7.5, color=MUTED, transform=axes.transAxes, ha="right")
    key = "each tenth of a second: answered above the line, refused below"
    figure.text(0.1 / 9, 1 - 0.2 / height, title, fontsize=11, weight="bold", color=INK, va="center")
    figure.text(0.98, 1 - 0.2 / height, key, fontsize=8, color=MUTED, ha="right", va="center")
    return Picture(figure, "\n".join(f"{name}: {_facts(result)}" for name, result in results.items()))


def _counted(result: LoadResult, steps: int) -> tuple[list[int], list[int]]:
    good, refused = [0] * steps, [0] * steps
    for sample in result.timeline:
        place = int(sample.start_seconds / STEP_SECONDS)
        if sample.ok:
            good[place] += 1
        elif sample.status == REFUSED:
            refused[place] += 1
    return good, refused


def _facts(result: LoadResult) -> str:
    refused = result.statuses.get(REFUSED, 0)
    others = result.failures - refused
    rest = f", {others:,} failed otherwise" if others else ""
    return f"{result.requests - result.failures:,} answered, {refused:,} refused{rest}"
