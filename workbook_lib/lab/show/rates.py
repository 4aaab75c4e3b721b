"""Who answered when: answers per second by label, one layer on another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, colours_of, new_figure, plain_axes, tint
from workbook_lib.lab.traffic import LoadResult

__all__ = ["rates"]

STEP_SECONDS: Final = 0.5
FAILED: Final = "failed"


def rates(result: LoadResult, *, title: str = "Answers per second") -> Picture:
    """Draw how many requests were answered each second, by their label (a version, say), and how many failed.

    Requests count in the half second in which they began; an unfinished last one is left out. Raises
    ValueError for a load without requests.
    """
    if not result.timeline:
        raise ValueError("no request was sent: there is nothing to draw")
    steps = max(1, int(max(sample.start_seconds for sample in result.timeline) / STEP_SECONDS))
    layers: dict[str, list[float]] = {}
    for sample in result.timeline:
        place = int(sample.start_seconds / STEP_SECONDS)
        name = (sample.label or "answered") if sample.ok else FAILED
        layer = layers.setdefault(name, [0.0] * steps)
        if place < steps:
            layer[place] += 1 / STEP_SECONDS
    names = sorted(layers, key=lambda name: name == FAILED)  # in the order of their first answers
    colours = colours_of(name for name in names if name != FAILED) | {FAILED: ALARM}
    figure = new_figure(2.6)
    axes = figure.add_axes((0.075, 0.15, 0.905, 0.62))
    plain_axes(axes, grid="y")
    starts = [step * STEP_SECONDS for step in range(steps)]
    drawn = [layers[name] for name in names]
    fills = [tint(colours[name], 0.75) for name in names]
    axes.stackplot(starts, drawn, labels=names, colors=fills, step="post")
    axes.set_xlim(0, max(starts[-1], STEP_SECONDS))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(names), frameon=False, fontsize=8)
    figure.text(0.1 / 9, 0.92, title, fontsize=11, weight="bold", color=INK, va="center")
    facts = f"{result.requests:,} requests, {result.failures:,} failed"
    figure.text(0.98, 0.92, facts, fontsize=8, color=MUTED, ha="right", va="center")
    return Picture(figure, _text(result, names, facts))


def _text(result: LoadResult, names: Sequence[str], facts: str) -> str:
    seconds: dict[int, Counter[str]] = {}
    for sample in result.timeline:
        name = (sample.label or "answered") if sample.ok else FAILED
        seconds.setdefault(int(sample.start_seconds), Counter())[name] += 1
    lines = [
        f"  second {second}: " + ", ".join(f"{count[name]:,} {name}" for name in names if count[name])
        for second, count in seconds.items()
    ]
    return "\n".join([facts, *lines])
