"""A canary's share of the calls, measured from the answers, on top of the one that was wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, SERIES, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbook_lib.lab.canary import Trial

__all__ = ["shares", "wilson"]

STEPS: Final = 24
PANEL_INCHES: Final = 1.35
QUANTILE: Final = 1.96


def shares(trials: Mapping[str, Trial], *, title: str = "The canary's share of the answers") -> Picture:
    """Draw each trial below another: the wanted share as a line, the measured one as dots.

    A dot, with its 95 % interval, stands for a twenty-fourth of the trial. What was decided, and why, stands
    above its end.
    """
    high = 0.45 + PANEL_INCHES * len(trials) + 0.2
    figure = new_figure(high)
    for index, (name, trial) in enumerate(trials.items()):
        bottom = high - 0.45 - PANEL_INCHES * (index + 1) + 0.3
        axes = figure.add_axes((0.075, bottom / high, 0.905, (PANEL_INCHES - 0.5) / high))
        _panel(axes, name, trial)
    figure.text(0.1 / 9, 1 - 0.22 / high, title, fontsize=11, weight="bold", color=INK, va="center")
    return Picture(figure, "\n".join(_text(name, trial) for name, trial in trials.items()))


def wilson(part: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share, as a part of 1 (Wilson, 1927); for no calls everything is possible."""
    if not total:
        return 0.0, 1.0
    spread = QUANTILE**2 / total
    middle = (part / total + spread / 2) / (1 + spread)
    half = QUANTILE / (1 + spread) * math.sqrt(part / total * (1 - part / total) / total + spread / 4 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def _panel(axes: Axes, name: str, trial: Trial) -> None:
    plain_axes(axes, grid="y")
    seconds = trial.answers.seconds
    axes.set_xlim(0, seconds)
    axes.set_ylim(-6, 106)
    axes.set_yticks([0, 25, 50, 100])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    moments, wanted = zip(*trial.wanted, strict=True)
    axes.step([*moments, seconds], [*wanted, wanted[-1]], where="post", color=MUTED, linewidth=1.4)
    for middle, part, total in _binned(trial, seconds / STEPS):
        low, most = wilson(part, total)
        axes.plot([middle, middle], [100 * low, 100 * most], color=SERIES[0], linewidth=1, alpha=0.35)
        axes.plot([middle], [100 * part / total], "o", color=SERIES[0], markersize=3.5)
    good = trial.rollout.promoted
    axes.axvline(trial.decided_seconds, color=SERIES[2] if good else ALARM, linewidth=1.2, linestyle="--")
    axes.text(0, 1.06, name, fontsize=9, weight="bold", color=INK, transform=axes.transAxes)
    end = "all calls" if good else f"taken back: {trial.rollout.reason}"
    axes.text(
        1, 1.06, end, fontsize=8, color=SERIES[2] if good else ALARM, transform=axes.transAxes, ha="right"
    )


def _binned(trial: Trial, width: float) -> list[tuple[float, int, int]]:
    """By step: its middle, the canary's answers, all answers."""
    steps: dict[int, list[bool]] = {}
    for sample in trial.answers.timeline:
        if sample.label:
            steps.setdefault(int(sample.start_seconds / width), []).append(sample.label == trial.canary)
    return [((step + 0.5) * width, sum(labels), len(labels)) for step, labels in sorted(steps.items())]


def _text(name: str, trial: Trial) -> str:
    end = "all calls" if trial.rollout.promoted else f"taken back, {trial.rollout.reason}"
    lines = [
        f"  wanted {share.wanted} %: {share.canary} of {share.answers} answers, {share.measured:.1f} %"
        for share in trial.shares
    ]
    return "\n".join([f"{name}: {end}", *lines])
