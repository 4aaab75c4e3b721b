"""Figures drawn rather than read: how latencies are spread, how an outage went, how sizes compare."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, PAPER, SERIES, new_figure, plain_axes, tint
from workbook_lib.lab.traffic import LoadResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bars", "latency_histogram", "timeline"]

BINS: Final = 64
WIDE_RANGE: Final = 8.0  # from here on a linear axis would squeeze the fast requests into one bar
PERCENTILES: Final = ((50, "-"), (95, "--"), (99, ":"))
TEXT_BAR: Final = 40


def latency_histogram(results: Mapping[str, LoadResult], *, title: str = "Latency") -> Picture:
    """Draw each load's latencies on a shared axis, with p50, p95 and p99; logarithmic when they span much.

    Raises ValueError when no load had a successful request.
    """
    latencies = [latency for result in results.values() for latency in result.latencies_ms]
    if not latencies:
        raise ValueError("no successful request: there is no latency to draw")
    low, high = max(min(latencies), 1e-3), max(latencies)
    logarithmic = high / low > WIDE_RANGE
    edges = _bins(low, high, logarithmic=logarithmic)
    figure, panels = _panels(len(results), title)
    for axes, (label, result), colour in zip(panels, results.items(), _cycle(len(results)), strict=True):
        plain_axes(axes, grid="x")
        axes.set_yticks([])
        if logarithmic:
            axes.set_xscale("log")
        axes.set_xlim(edges[0], edges[-1])
        axes.hist(result.latencies_ms, bins=edges, color=tint(colour, 0.45), edgecolor=colour, linewidth=0.5)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.35)
        _head(axes, label, f"{result.requests:,} requests, {result.failures:,} failed", colour)
        if result.latencies_ms:
            _percentiles(axes, result, colour)
    _milliseconds(panels[-1])
    text = "\n".join(f"{label}: {result!r}" for label, result in results.items())
    return Picture(figure, text)


def timeline(
    results: LoadResult | Mapping[str, LoadResult],
    *,
    marks: Mapping[str, float] | None = None,
    title: str = "Requests",
) -> Picture:
    """Draw every request by its start: successful ones by latency, failed ones as ticks at the top.

    `marks` names moments (in seconds since the load began), for example {"instance killed": 2.0}.
    """
    named = {"": results} if isinstance(results, LoadResult) else dict(results)
    figure, panels = _panels(len(named), title, each=1.7)
    until = max(max((s.start_seconds for s in r.timeline), default=0.0) for r in named.values()) or 1.0
    for axes, (label, result), colour in zip(panels, named.items(), _cycle(len(named)), strict=True):
        axes.set_xlim(-0.02 * until, until * 1.02)
        _requests(axes, result, colour)
        _head(axes, label, f"{result.requests:,} requests, {result.failures:,} failed", colour)
        for name, moment in (marks or {}).items():
            axes.axvline(moment, color=MUTED, linewidth=1, linestyle="--")
            place = axes.get_xaxis_transform()
            axes.annotate(f" {name}", (moment, 0.02), xycoords=place, fontsize=7.5, color=MUTED)
    panels[-1].xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    text = "\n".join(_seconds_text(label, result) for label, result in named.items())
    return Picture(figure, text)


def bars(
    values: Mapping[str, float], *, unit: str = "", title: str = "", logarithmic: bool = False
) -> Picture:
    """Draw one horizontal bar a value; `logarithmic` where they differ by powers of ten."""
    figure = new_figure(0.36 * len(values) + (0.55 if title else 0.25))
    high = figure.get_size_inches()[1]
    left = 0.08 * max(map(len, values), default=1) + 0.25
    axes = figure.add_axes((left / 9, 0.1 / high, 0.985 - left / 9, (0.36 * len(values)) / high))
    plain_axes(axes)
    axes.set_xticks([])
    places = range(len(values))
    if logarithmic:
        axes.set_xscale("log")
    drawn = axes.barh(places, list(values.values()), height=0.62, color=_cycle(len(values)))
    labels = [f"{_number(value)} {unit}".rstrip() for value in values.values()]
    axes.bar_label(drawn, labels, padding=5, fontsize=8.5, color=INK)
    axes.set_yticks(places, list(values), fontsize=9, color=INK)
    axes.set_ylim(len(values) - 0.5, -0.5)
    start, end = axes.get_xlim()
    axes.set_xlim(start, end * (end / start) ** 0.18 if logarithmic else end * 1.14)
    if title:
        figure.text(0.1 / 9, 1 - 0.22 / high, title, fontsize=11, weight="bold", color=INK, va="center")
    return Picture(figure, _bars_text(values, labels))


def _panels(count: int, title: str, each: float = 1.35) -> tuple[Figure, Sequence[Axes]]:
    """One axes below another, sharing x, under a title."""
    high = 0.4 + count * each + 0.35
    figure = new_figure(high)
    panels: list[Axes] = []
    for index in range(count):
        bottom = (0.35 + (count - 1 - index) * each) / high
        place = (0.075, bottom, 0.905, (each - 0.32) / high)
        panels.append(figure.add_axes(place, sharex=panels[0] if panels else None))
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    figure.text(0.1 / 9, 1 - 0.22 / high, title, fontsize=11, weight="bold", color=INK, va="center")
    return figure, panels


def _head(axes: Axes, label: str, facts: str, colour: str) -> None:
    axes.text(0, 1.06, label, fontsize=9, weight="bold", color=colour, transform=axes.transAxes)
    axes.text(1, 1.06, facts, fontsize=7.5, color=MUTED, transform=axes.transAxes, ha="right")


def _requests(axes: Axes, result: LoadResult, colour: str) -> None:
    """A dot a successful request, a red tick a failed one."""
    plain_axes(axes, grid="y")
    good = [sample for sample in result.timeline if sample.ok]
    bad = [sample.start_seconds for sample in result.timeline if not sample.ok]
    starts, latencies = [sample.start_seconds for sample in good], [sample.latency_ms for sample in good]
    axes.scatter(starts, latencies, s=7, color=colour, alpha=0.45, linewidth=0)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} ms")
    axes.minorticks_off()
    if good:  # the top is for the failed ones
        low, high = math.log10(max(min(latencies), 1e-3)), math.log10(max(latencies))
        axes.set_ylim(10 ** (low - 0.1), 10 ** (high + 0.3 * max(high - low, 1)))
    if bad:
        place = axes.get_xaxis_transform()
        axes.plot(bad, [0.92] * len(bad), "|", color=ALARM, markersize=8, transform=place)
        axes.text(
            -0.007, 0.92, "failed", color=ALARM, fontsize=8, ha="right", va="center", transform=axes.transAxes
        )


def _percentiles(axes: Axes, result: LoadResult, colour: str) -> None:
    top = axes.get_ylim()[1]
    for step, (percent, dashes) in enumerate(PERCENTILES):
        value = result.percentile(percent)
        axes.axvline(value, color=colour, linestyle=dashes, linewidth=1.2)
        box = {"boxstyle": "square,pad=0.1", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.8}
        right = axes.transAxes.inverted().transform(axes.transData.transform((value, 0)))[0] > 0.85
        axes.annotate(
            f"p{percent}  {_number(value)} ms",
            (value, top * (0.97 - 0.14 * step)),  # one below another: p95 and p99 are often near
            xytext=(-4 if right else 4, 0),
            textcoords="offset points",
            fontsize=7,
            color=INK,
            ha="right" if right else "left",
            va="top",
            bbox=box,
        )


def _bins(low: float, high: float, *, logarithmic: bool) -> list[float]:
    if logarithmic:
        first, last = math.log10(low) - 0.06, math.log10(high) + 0.06
        return [10 ** (first + (last - first) * step / BINS) for step in range(BINS + 1)]
    margin = (high - low or high) * 0.02
    return [low - margin + (high - low + 2 * margin) * step / BINS for step in range(BINS + 1)]


def _milliseconds(axes: Axes) -> None:
    from matplotlib.ticker import NullFormatter

    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ms")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _cycle(count: int) -> list[str]:
    return [SERIES[index % len(SERIES)] for index in range(count)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _bars_text(values: Mapping[str, float], labels: Sequence[str]) -> str:
    most = max((abs(value) for value in values.values()), default=0.0) or 1.0
    name_width, label_width = max(map(len, values), default=0), max(map(len, labels), default=0)
    return "\n".join(
        f"{name:<{name_width}}  {label:>{label_width}}  {'#' * round(abs(value) / most * TEXT_BAR)}"
        for (name, value), label in zip(values.items(), labels, strict=True)
    )


def _seconds_text(label: str, result: LoadResult) -> str:
    """Requests and failures in each second."""
    seconds: dict[int, list[bool]] = {}
    for sample in result.timeline:
        seconds.setdefault(int(sample.start_seconds), []).append(sample.ok)
    lines = [
        f"  second {second}: {len(oks):,} requests, {len(oks) - sum(oks):,} failed"
        for second, oks in seconds.items()
    ]
    return "\n".join([f"{label or 'requests'}: {result!r}", *lines])
