"""A consumer group's partitions over time: which member reads each, and when nobody does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from workbook_lib.lab.evidence import GroupSample
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import INK, MUTED, RULE, colours_of, new_figure, plain_axes, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["assignment"]

ROW_INCHES: Final = 0.32
HEAD_INCHES: Final = 0.75
FOOT_INCHES: Final = 0.35
NOBODY: Final = "nobody"


class _Stretch(NamedTuple):
    """A time, in seconds since the first sample, in which a partition's reader was the same."""

    owner: str
    start: float
    end: float


def assignment(
    samples: Sequence[GroupSample], *, marks: Mapping[str, datetime] | None = None, title: str = ""
) -> Picture:
    """Draw a row a partition, coloured by the member that reads it; a gap is a time without a reader.

    `marks` names moments, such as {"killed": …}. Raises ValueError for fewer than two samples.
    """
    if len(samples) < 2:
        raise ValueError("it takes two samples to draw a time between them")
    start = samples[0].at
    rows = {partition: _stretches(samples, partition) for partition in sorted(samples[-1].lag)}
    until = (samples[-1].at - start).total_seconds()
    moments = {name: (at - start).total_seconds() for name, at in (marks or {}).items()}
    height = HEAD_INCHES + ROW_INCHES * len(rows) + FOOT_INCHES
    figure = new_figure(height)
    axes = figure.add_axes((0.1, FOOT_INCHES / height, 0.88, ROW_INCHES * len(rows) / height))
    plain_axes(axes, grid="x")
    owners = dict.fromkeys(stretch.owner for row in rows.values() for stretch in row)
    colours = colours_of(owner for owner in owners if owner != NOBODY)
    for place, row in enumerate(rows.values()):
        _draw(axes, place, row, colours)
    axes.set_yticks(
        range(len(rows)), [f"partition {partition}" for partition in rows], fontsize=8.5, color=INK
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, until)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    _mark(axes, {name: moment for name, moment in moments.items() if 0 <= moment <= until})
    handles = [axes.barh(0, 0, color=tint(colour, 0.65), label=owner) for owner, colour in colours.items()]
    figure.legend(
        handles=handles, loc="upper right", ncols=4, fontsize=8, frameon=False, bbox_to_anchor=(0.99, 1.0)
    )
    figure.text(0.1 / 9, 1 - 0.2 / height, title, fontsize=11, weight="bold", color=INK, va="center")
    return Picture(figure, _text(rows, moments))


def _stretches(samples: Sequence[GroupSample], partition: int) -> list[_Stretch]:
    """One for each run of samples with one owner, who counts until the sample that shows another."""
    start = samples[0].at
    runs = [
        (owner, (next(run).at - start).total_seconds())
        for owner, run in groupby(samples, lambda sample: sample.owners.get(partition, NOBODY))
    ]
    ends = [begin for _, begin in runs[1:]] + [(samples[-1].at - start).total_seconds()]
    return [_Stretch(owner, begin, end) for (owner, begin), end in zip(runs, ends, strict=True)]


def _draw(axes: Axes, place: int, row: Sequence[_Stretch], colours: Mapping[str, str]) -> None:
    for stretch in row:
        width = stretch.end - stretch.start
        if stretch.owner == NOBODY:
            axes.barh(place, width, left=stretch.start, height=0.66, fill=False, edgecolor=RULE, hatch="////")
        else:
            colour = tint(colours[stretch.owner], 0.65)
            axes.barh(place, width, left=stretch.start, height=0.66, color=colour)


def _mark(axes: Axes, moments: Mapping[str, float]) -> None:
    for name, moment in moments.items():
        axes.axvline(moment, color=INK, linewidth=1, linestyle="--")
        axes.annotate(
            f" {name}", (moment, 1.02), xycoords=axes.get_xaxis_transform(), fontsize=7.5, color=MUTED
        )


def _text(rows: Mapping[int, Sequence[_Stretch]], moments: Mapping[str, float]) -> str:
    lines = [
        f"partition {partition}: "
        + ", ".join(f"{stretch.owner} {stretch.start:.1f}-{stretch.end:.1f} s" for stretch in row)
        for partition, row in rows.items()
    ]
    return "\n".join(lines + [f"at {moment:.1f} s: {name}" for name, moment in moments.items()])
