"""A circuit breaker's states over time, above what its callers got."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from workbook_lib.kit.breaker import State, StateChange
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, SERIES, new_figure, plain_axes, tint
from workbook_lib.lab.show.rates import layers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbook_lib.lab.traffic import Scenario

__all__ = ["breaker_timeline"]

COLOURS: Final[dict[State, str]] = {"closed": SERIES[2], "half-open": SERIES[1], "open": ALARM}
NARROWEST: Final = 0.06  # of the axis: a narrower stretch has no room for its name
STEP_SECONDS: Final = 0.5


def breaker_timeline(
    changes: Sequence[StateChange], scenario: Scenario, load: str, *, title: str = "Breaker"
) -> Picture:
    """Draw a breaker's states during a scenario, and below them the answers a second to one of its loads.

    Answers are told apart by their label. Changes before or after the scenario are cut off. Raises
    ValueError for a load without requests, KeyError for an unknown one.
    """
    result = scenario.loads[load]
    if not result.timeline:
        raise ValueError("no request was sent: there is nothing to draw")
    until = max(sample.start_seconds for sample in result.timeline)
    stretches = list(_stretches(changes, scenario, until))
    figure = new_figure(3.5)
    band = figure.add_axes((0.075, 0.76, 0.905, 0.1))
    plain_axes(band)
    band.set_yticks([])
    for state, start, end in stretches:
        band.axvspan(start, end, color=tint(COLOURS[state], 0.75), linewidth=0)
        if end - start > NARROWEST * until:
            band.text((start + end) / 2, 0.5, state, fontsize=8.5, color=INK, ha="center", va="center")
    band.tick_params(labelbottom=False)
    answers = figure.add_axes((0.075, 0.12, 0.905, 0.5), sharex=band)
    _answers(answers, scenario, load)
    band.set_xlim(0, until)
    for name, moment in scenario.marks.items():
        for axes in (band, answers):
            axes.axvline(moment, color=INK, linewidth=1, linestyle="--")
        band.annotate(
            f" {name}", (moment, 1.1), xycoords=band.get_xaxis_transform(), fontsize=7.5, color=MUTED
        )
    figure.text(0.1 / 9, 0.95, title, fontsize=11, weight="bold", color=INK, va="center")
    return Picture(figure, _text(changes, scenario))


def _stretches(
    changes: Sequence[StateChange], scenario: Scenario, until: float
) -> Iterator[tuple[State, float, float]]:
    """Which state it had from when to when, in seconds of the scenario."""
    first: State = changes[0].before if changes else "closed"
    steps = [(first, 0.0), *((change.after, scenario.seconds(change.at)) for change in changes)]
    for (state, start), (_, end) in pairwise([*steps, (first, until)]):
        start, end = max(0.0, start), min(end, until)
        if start < end:
            yield state, start, end


def _answers(axes: Axes, scenario: Scenario, load: str) -> None:
    plain_axes(axes, grid="y")
    layers, colours = layers_of(scenario.loads[load], STEP_SECONDS)
    steps = max(map(len, layers.values()))
    edges = [step * STEP_SECONDS for step in range(steps + 1)]
    heights = [[*each, each[-1]] for each in layers.values()]  # the last step is as wide as the others
    fills = [tint(colours[name], 0.75) for name in layers]
    axes.stackplot(edges, heights, labels=list(layers), colors=fills, step="post")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(layers), frameon=False, fontsize=8)
    axes.text(1, 1.07, "answers a second", fontsize=7.5, color=MUTED, ha="right", transform=axes.transAxes)


def _text(changes: Sequence[StateChange], scenario: Scenario) -> str:
    lines = [
        f"{scenario.seconds(change.at):6.2f} s  {change.before} -> {change.after}: {change.reason}"
        for change in changes
    ]
    return "\n".join(lines) or "the breaker has never changed its state"
