"""A rollout: which ReplicaSet's pods were ready, and which of them answered, on one axis of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, RULE, SERIES, new_figure, plain_axes, tint
from workbook_lib.lab.show.rates import FAILED, layers_of
from workbook_lib.lab.traffic import LoadResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbook_lib.lab.kubernetes.moments import AutoscalerMoment, Recording

__all__ = ["autoscaling", "rollout"]

STEP_SECONDS: Final = 0.5
LEFT, WIDTH = 0.075, 0.905


def rollout(
    recording: Recording,
    load: LoadResult,
    *,
    load_at: float = 0.0,
    marks: Mapping[str, float] | None = None,
    title: str = "Rollout",
) -> Picture:
    """Draw the ready pods of each ReplicaSet, one layer on another, above the answers a second of each.

    The load's answers are labelled with the pods' names; it began at second `load_at` of the recording;
    `marks` names seconds of the load. Raises ValueError for a load without requests.
    """
    if not load.timeline:
        raise ValueError("no request was sent: there is nothing to draw")
    answers = _by_replica_set(load)
    ready = {name: _shifted(steps, load_at) for name, steps in recording.ready().items() if name}
    changed = [at for steps in ready.values() for at, _ in steps]
    marks = marks or {}
    until = 1.02 * max([answers.timeline[-1].start_seconds, *changed, *marks.values()])
    colours = {name: SERIES[index % len(SERIES)] for index, name in enumerate(ready)} | {FAILED: ALARM}
    figure = new_figure(3.6)
    upper = figure.add_axes((LEFT, 0.56, WIDTH, 0.26))
    lower = figure.add_axes((LEFT, 0.11, WIDTH, 0.32), sharex=upper)
    edges, heights = _on_one_axis(ready, until)
    _stack(upper, edges, heights, colours)
    layers, _ = layers_of(answers, STEP_SECONDS)
    steps = [step * STEP_SECONDS for step in range(len(next(iter(layers.values()))) + 1)]
    _stack(lower, steps, {name: [*each, each[-1]] for name, each in layers.items()}, colours)
    _whole_numbers(upper)
    upper.tick_params(labelbottom=False)
    upper.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False, fontsize=8)
    for axes, what in ((upper, "ready pods"), (lower, "answers a second")):
        axes.text(1, 1.04, what, fontsize=7.5, color=MUTED, ha="right", transform=axes.transAxes)
    upper.set_xlim(0, until)
    _mark(upper, lower, marks)
    facts = f"{load.requests:,} requests, {load.failures:,} failed"
    figure.text(0.1 / 9, 0.95, title, fontsize=11, weight="bold", color=INK, va="center")
    figure.text(0.98, 0.95, facts, fontsize=8, color=MUTED, ha="right", va="center")
    return Picture(figure, _text(ready, answers, facts))


def autoscaling(moments: Sequence[AutoscalerMoment], *, title: str = "Autoscaling") -> Picture:
    """Draw what an autoscaler measured, with its target, above how many pods it wanted and had.

    Raises ValueError when it has measured nothing.
    """
    measured = [(each.at, each.cpu_percent) for each in moments if each.cpu_percent is not None]
    if not measured:
        raise ValueError("the autoscaler has measured nothing: there is nothing to draw")
    start = measured[0][0]
    figure = new_figure(3.4)
    upper = figure.add_axes((LEFT, 0.52, WIDTH, 0.32))
    lower = figure.add_axes((LEFT, 0.11, WIDTH, 0.28), sharex=upper)
    for axes in (upper, lower):
        plain_axes(axes, grid="y")
    times = [at - start for at, _ in measured]
    upper.step(times, [percent for _, percent in measured], where="post", color=SERIES[0], linewidth=1.8)
    upper.axhline(
        next(each.target_percent or 0 for each in moments), color=MUTED, linestyle="--", linewidth=1
    )
    upper.set_ylim(bottom=0)
    upper.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    upper.tick_params(labelbottom=False)
    at = [max(0.0, each.at - start) for each in moments]
    lower.step(at, [each.desired for each in moments], where="post", color=SERIES[1], label="wanted")
    lower.fill_between(
        at, [each.current for each in moments], step="post", color=tint(SERIES[2], 0.4), label="present"
    )
    lower.set_ylim(bottom=0)
    _whole_numbers(lower)
    lower.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    lower.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False, fontsize=8)
    what = "processor time, as a share of what the pods request; dashed: the target"
    upper.text(1, 1.04, what, fontsize=7.5, color=MUTED, ha="right", transform=upper.transAxes)
    lower.text(1, 1.06, "pods", fontsize=7.5, color=MUTED, ha="right", transform=lower.transAxes)
    figure.text(0.1 / 9, 0.95, title, fontsize=11, weight="bold", color=INK, va="center")
    return Picture(figure, "\n".join(_measured(moments, start)))


def _measured(moments: Sequence[AutoscalerMoment], start: float) -> list[str]:
    return [
        f"{each.at - start:6.1f} s  {each.cpu_percent} % of {each.target_percent} %, "
        f"{each.current} pods, {each.desired} wanted"
        for each in moments
        if each.cpu_percent is not None
    ]


def _whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _by_replica_set(load: LoadResult) -> LoadResult:
    """A pod's name is its ReplicaSet's and five characters more."""
    samples = (sample._replace(label=sample.label.rpartition("-")[0]) for sample in load.timeline)
    return replace(load, timeline=tuple(samples))


def _shifted(steps: Sequence[tuple[float, int]], by: float) -> list[tuple[float, int]]:
    return [(at - by, count) for at, count in steps]


def _on_one_axis(
    ready: Mapping[str, Sequence[tuple[float, int]]], until: float
) -> tuple[list[float], dict[str, list[float]]]:
    """The counts of all at every moment at which one of them changes."""
    edges = sorted({0.0, until, *(at for steps in ready.values() for at, _ in steps if 0 < at < until)})
    heights = {
        name: [float(([0] + [count for at, count in steps if at <= edge])[-1]) for edge in edges]
        for name, steps in ready.items()
    }
    return edges, heights


def _stack(
    axes: Axes, edges: Sequence[float], heights: Mapping[str, Sequence[float]], colours: Mapping[str, str]
) -> None:
    plain_axes(axes, grid="y")
    fills = [tint(colours.get(name, RULE), 0.75) for name in heights]
    axes.stackplot(edges, list(heights.values()), labels=list(heights), colors=fills, step="post")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")


def _mark(upper: Axes, lower: Axes, marks: Mapping[str, float]) -> None:
    for name, moment in marks.items():
        for axes in (upper, lower):
            axes.axvline(moment, color=INK, linewidth=1, linestyle="--")
        side = "left" if moment < 0.8 * upper.get_xlim()[1] else "right"
        upper.text(
            *(moment, 0.88, f" {name} "),
            transform=upper.get_xaxis_transform(),
            fontsize=7.5,
            color=INK,
            ha=side,
        )


def _text(ready: Mapping[str, Sequence[tuple[float, int]]], answers: LoadResult, facts: str) -> str:
    answered = Counter(sample.label for sample in answers.timeline if sample.ok)
    lines = [
        f"{name}: {answered[name]:,} answers; ready pods: "
        + ", ".join(f"{count} at {at:.1f} s" for at, count in steps)
        for name, steps in ready.items()
    ]
    return "\n".join([facts, *lines])
