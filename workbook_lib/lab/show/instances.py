"""The instances of a service over time, as Consul sees them: passing, critical, not registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from workbook_lib.lab.evidence import InstanceSample
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, RULE, new_figure, plain_axes, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["instances"]

ROW_INCHES: Final = 0.34
HEAD_INCHES: Final = 0.95
FOOT_INCHES: Final = 0.35
COLOURS: Final = {"passing": "#3f8f62", "warning": "#b8872b", "critical": ALARM}
ABSENT: Final = "not registered"


class _Stretch(NamedTuple):
    """A time, in seconds since the first sample, in which an instance was the same."""

    status: str
    start: float
    end: float


def instances(
    samples: Sequence[InstanceSample],
    *,
    marks: Mapping[str, datetime] | None = None,
    until: datetime | None = None,
    title: str = "",
) -> Picture:
    """Draw a row an instance, coloured by its status; hatched where Consul doesn't know it.

    `marks` names moments, such as {"killed": …}; the last sample holds until `until`, by default now. Raises
    ValueError without a sample.
    """
    if not samples:
        raise ValueError("it takes a sample to draw")
    start = samples[0].at
    end = ((until or datetime.now(UTC)) - start).total_seconds()
    names = sorted({name for sample in samples for name in sample.statuses})
    rows = {name: _stretches(samples, name, end) for name in names}
    moments = {name: (at - start).total_seconds() for name, at in (marks or {}).items()}
    height = HEAD_INCHES + ROW_INCHES * len(rows) + FOOT_INCHES
    figure = new_figure(height)
    axes = figure.add_axes((0.17, FOOT_INCHES / height, 0.81, ROW_INCHES * len(rows) / height))
    plain_axes(axes, grid="x")
    for place, row in enumerate(rows.values()):
        _draw(axes, place, row)
    axes.set_yticks(range(len(rows)), names, fontsize=8.5, color=INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, end)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    _mark(axes, {name: moment for name, moment in moments.items() if 0 <= moment <= end})
    shown = [
        status for status in COLOURS if any(each.status == status for row in rows.values() for each in row)
    ]
    handles = [axes.barh(0, 0, color=tint(COLOURS[status], 0.65), label=status) for status in shown]
    handles.append(axes.barh(0, 0, fill=False, edgecolor=RULE, hatch="////", label=ABSENT))
    figure.legend(
        handles=handles, loc="upper right", ncols=4, fontsize=8, frameon=False, bbox_to_anchor=(0.99, 1.0)
    )
    figure.text(0.1 / 9, 1 - 0.2 / height, title, fontsize=11, weight="bold", color=INK, va="center")
    return Picture(figure, _text(rows, moments))


def _stretches(samples: Sequence[InstanceSample], name: str, end: float) -> list[_Stretch]:
    """One for each run of samples with one status."""
    start = samples[0].at
    runs = [
        (status, (next(run).at - start).total_seconds())
        for status, run in groupby(samples, lambda sample: sample.statuses.get(name, ABSENT))
    ]
    ends = [begin for _, begin in runs[1:]] + [end]
    return [_Stretch(status, begin, until) for (status, begin), until in zip(runs, ends, strict=True)]


def _draw(axes: Axes, place: int, row: Sequence[_Stretch]) -> None:
    for stretch in row:
        width = stretch.end - stretch.start
        if stretch.status == ABSENT:
            axes.barh(place, width, left=stretch.start, height=0.66, fill=False, edgecolor=RULE, hatch="////")
        else:
            colour = tint(COLOURS[stretch.status], 0.65)
            axes.barh(place, width, left=stretch.start, height=0.66, color=colour)


def _mark(axes: Axes, moments: Mapping[str, float]) -> None:
    """Names stand in two lines in turn, so that neighbours don't cover each other."""
    for number, (name, moment) in enumerate(sorted(moments.items(), key=lambda each: each[1])):
        axes.axvline(moment, color=INK, linewidth=1, linestyle="--")
        place = axes.get_xaxis_transform()
        axes.annotate(
            f" {name}",
            (moment, 1.0),
            xytext=(0, 3 + 10 * (number % 2)),
            textcoords="offset points",
            xycoords=place,
            fontsize=7.5,
            color=MUTED,
        )


def _text(rows: Mapping[str, Sequence[_Stretch]], moments: Mapping[str, float]) -> str:
    lines = [
        f"{name}: " + ", ".join(f"{each.status} {each.start:.1f}-{each.end:.1f} s" for each in row)
        for name, row in rows.items()
    ]
    return "\n".join(lines + [f"at {moment:.1f} s: {name}" for name, moment in moments.items()])
