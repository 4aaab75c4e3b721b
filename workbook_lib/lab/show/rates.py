"""Who answered when: answers per second by label, one layer on another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, colours_of, new_figure, plain_axes, tint
from workbook_lib.lab.traffic import LoadResult

__all__ = ["layers_of", "rates"]

STEP_SECONDS: Final = 0.5
FAILED: Final = "failed"


def rates(result: LoadResult, *, title: str = "Answers per second") -> Picture:
    """Draw how many requests were answered each second, by their label (a version, say), and how many failed.

    Requests count in the half second in which they began; an unfinished last one is left out. Raises
    ValueError for a load without requests.
    """
    if not result.timeline:
        raise ValueError("no request was sent: there is nothing to draw")
    layers, colours = layers_of(result, STEP_SECONDS)
    names = list(layers)
    figure = new_figure(2.6)
    axes = figure.add_axes((0.075, 0.15, 0.905, 0.62))
    plain_axes(axes, grid="y")
    starts = [step * STEP_SECONDS for step in range(len(layers[names[0]]))]
    fills = [tint(colours[name], 0.75) for name in names]
    axes.stackplot(starts, list(layers.values()), labels=names, colors=fills, step="post")
    axes.set_xlim(0, max(starts[-1], STEP_SECONDS))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(names), frameon=False, fontsize=8)
    figure.text(0.1 / 9, 0.92, title, fontsize=11, weight="bold", color=INK, va="center")
    facts = f"{result.requests:,} requests, {result.failures:,} failed"
    figure.text(0.98, 0.92, facts, fontsize=8, color=MUTED, ha="right", va="center")
    return Picture(figure, _text(result, names, facts))


def layers_of(result: LoadResult, step_seconds: float) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Answers a second in each step, by label in the order of their first answers, and their colours.

    What failed is the last layer; an unfinished last step is left out.
    """
    steps = max(1, int(max(sample.start_seconds for sample in result.timeline) / step_seconds))
    layers: dict[str, list[float]] = {}
    for sample in result.timeline:
        place = int(sample.start_seconds / step_seconds)
        name = (sample.label or "answered") if sample.ok else FAILED
        layer = layers.setdefault(name, [0.0] * steps)
        if place < steps:
            layer[place] += 1 / step_seconds
    ordered = {name: layers[name] for name in sorted(layers, key=lambda name: name == FAILED)}
    return ordered, colours_of(name for name in ordered if name != FAILED) | {FAILED: ALARM}


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
