"""How requests pile up where they wait: latency, what is under way and memory, on one clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, RULE, colours_of, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbook_lib.lab.traffic import LoadResult, Scenario

__all__ = ["pile_up"]

ROW_INCHES: Final = 1.55
HEAD_INCHES: Final = 0.45
FOOT_INCHES: Final = 0.65
LEFT: Final = 0.075
GAP: Final = 0.055
FAILED_AT: Final = 0.93  # of the axes' height
MEGABYTE: Final = 1e6


def pile_up(scenarios: Mapping[str, Scenario], *, title: str = "") -> Picture:
    """Draw scenarios beside each other, with the same scales.

    Below each name one panel a load (a dot a request, a red tick a failed one), then the requests under way
    in each watched service, and the memory by which it has grown. Raises ValueError without a scenario.
    """
    if not scenarios:
        raise ValueError("no scenario: there is nothing to draw")
    loads = list(dict.fromkeys(name for each in scenarios.values() for name in each.loads))
    services = list(dict.fromkeys(name for each in scenarios.values() for name in each.processes))
    rows = len(loads) + 2
    height = HEAD_INCHES + rows * ROW_INCHES + FOOT_INCHES
    figure = new_figure(height)
    wide = (0.985 - LEFT - GAP * (len(scenarios) - 1)) / len(scenarios)
    colours = colours_of(services)
    shared: list[Axes | None] = [None] * rows
    for column, (name, scenario) in enumerate(scenarios.items()):
        left = LEFT + column * (wide + GAP)
        panels: list[Axes] = []
        for row in range(rows):
            bottom = (FOOT_INCHES + (rows - 1 - row) * ROW_INCHES) / height
            place = (left, bottom, wide, (ROW_INCHES - 0.45) / height)
            axes = figure.add_axes(
                place, sharex=panels[0] if panels else shared[0], sharey=shared[row] or None
            )
            shared[row] = shared[row] or axes
            panels.append(axes)
        top = (height - HEAD_INCHES - 0.03) / height
        figure.text(left, top, name, fontsize=10, weight="bold", color=INK, va="center")
        _column(panels, scenario, loads, colours)
    for top_axes, name in zip(panels, loads, strict=False):
        top_axes.set_ylim(0, _slowest_ms(scenarios, name) * 1.25)  # of all; the top is for the failed ones
    handles = [panels[-1].plot([], [], color=colours[name], label=name)[0] for name in services]
    figure.legend(handles=handles, loc="lower left", ncols=len(services) or 1, fontsize=8, frameon=False)
    figure.text(0.1 / 9, 1 - 0.2 / height, title, fontsize=11, weight="bold", color=INK, va="center")
    text = "\n".join(f"{name}:\n{_indented(repr(each))}" for name, each in scenarios.items())
    return Picture(figure, text)


def _column(
    panels: Sequence[Axes], scenario: Scenario, loads: Sequence[str], colours: Mapping[str, str]
) -> None:
    for axes, name in zip(panels, loads, strict=False):
        plain_axes(axes, grid="y")
        if name in scenario.loads:
            _requests(axes, scenario.loads[name])
            result = scenario.loads[name]
            _head(axes, name, f"{result.requests:,} requests, {result.failures:,} failed")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:g} s")
    under_way, memory = panels[len(loads) :]
    for axes in (under_way, memory):
        plain_axes(axes, grid="y")
    for name, samples in scenario.processes.items():
        times = [scenario.seconds(sample.at) for sample in samples]
        counts = [(at, s.under_way) for at, s in zip(times, samples, strict=True) if s.under_way is not None]
        under_way.plot(*zip(*counts, strict=True), color=colours[name], linewidth=1.6)
        grown = [(sample.resident_bytes - samples[0].resident_bytes) / MEGABYTE for sample in samples]
        memory.plot(times, grown, color=colours[name], linewidth=1.6)
    most = max((scenario.most_under_way(name) for name in scenario.processes), default=0)
    _head(under_way, "under way", f"at most {most:,}")
    _head(memory, "memory", "since the beginning")
    memory.yaxis.set_major_formatter(lambda value, _: f"{value:+g} MB" if value else "0")
    memory.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    _marks(panels, scenario.marks)


def _slowest_ms(scenarios: Mapping[str, Scenario], load: str) -> float:
    results = [each.loads[load] for each in scenarios.values() if load in each.loads]
    return max((result.latencies_ms[-1] for result in results if result.latencies_ms), default=1.0)


def _requests(axes: Axes, result: LoadResult) -> None:
    good = [sample for sample in result.timeline if sample.ok]
    bad = [sample.start_seconds for sample in result.timeline if not sample.ok]
    starts, latencies = [sample.start_seconds for sample in good], [sample.latency_ms for sample in good]
    axes.scatter(starts, latencies, s=6, color=INK, alpha=0.35, linewidth=0)
    transform = axes.get_xaxis_transform()
    axes.plot(bad, [FAILED_AT] * len(bad), "|", color=ALARM, markersize=7, transform=transform)


def _marks(panels: Sequence[Axes], marks: Mapping[str, float]) -> None:
    for axes in panels:
        for moment in marks.values():
            axes.axvline(moment, color=MUTED, linewidth=1, linestyle="--", zorder=0)
    for name, moment in marks.items():
        place = panels[-1].get_xaxis_transform()
        box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": RULE, "linewidth": 0.5}
        panels[-1].annotate(
            name, (moment, 0.9), xycoords=place, fontsize=6.5, color=MUTED, ha="center", va="center", bbox=box
        )


def _head(axes: Axes, label: str, facts: str) -> None:
    axes.text(0, 1.08, label, fontsize=8.5, weight="bold", color=INK, transform=axes.transAxes)
    axes.text(1, 1.08, facts, fontsize=7.5, color=MUTED, transform=axes.transAxes, ha="right")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
