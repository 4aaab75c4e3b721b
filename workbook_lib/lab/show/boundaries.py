"""Where a system was killed: a line a service, its boundaries in the order passed, a cross at each crash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, RULE, SERIES, WIDTH_INCHES, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbook_lib.lab.crashes import Boundary, Crash

__all__ = ["boundaries"]

LANE_INCHES: Final = 0.95
HEAD_INCHES: Final = 0.45
NAMES_INCHES: Final = 1.1
NAME_DEGREES: Final = 22


def boundaries(passed: Sequence[Boundary], crashes: Iterable[Crash] = (), *, title: str = "") -> Picture:
    """Draw the boundaries that were passed; over a crash stands how long until everything agreed again.

    Raises ValueError when there is none, or for a crash at one that isn't among them.
    """
    if not passed:
        raise ValueError("no boundary was passed: there is nothing to draw")
    killed = {crash.boundary: crash for crash in crashes}
    if strange := killed.keys() - set(passed):
        raise ValueError(f"crashed at what wasn't passed: {', '.join(map(str, sorted(strange)))}")
    services = list(dict.fromkeys(boundary.service for boundary in passed))
    height = HEAD_INCHES + LANE_INCHES * len(services)
    figure = new_figure(height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set_xlim(0, WIDTH_INCHES)
    axes.set_ylim(0, height)
    axes.text(0.1, height - 0.22, title, fontsize=11, weight="bold", color=INK, va="center")
    lines = []
    for row, service in enumerate(services):
        lane = [boundary for boundary in passed if boundary.service == service]
        _lane(axes, height - HEAD_INCHES - LANE_INCHES * row - 0.35, lane, killed)
        lines.append(f"{service}: " + ", ".join(_word(boundary, killed) for boundary in lane))
    return Picture(figure, "\n".join(lines))


def _lane(axes: Axes, high: float, lane: Sequence[Boundary], killed: dict[Boundary, Crash]) -> None:
    axes.text(0.1, high, lane[0].service, fontsize=9.5, weight="bold", color=INK, va="center")
    axes.plot((NAMES_INCHES, WIDTH_INCHES - 0.2), (high, high), color=RULE, linewidth=2, zorder=1)
    step = (WIDTH_INCHES - NAMES_INCHES - 1.0) / max(len(lane) - 1, 7)
    for place, boundary in enumerate(lane):
        across, crash = NAMES_INCHES + 0.2 + place * step, killed.get(boundary)
        if crash is None:
            axes.scatter(across, high, s=26, color=SERIES[0], zorder=2)
        else:
            axes.scatter(across, high, s=80, marker="X", color=ALARM, zorder=2)
            axes.text(across, high + 0.13, _seconds(crash), fontsize=7.5, color=INK, ha="center")
        axes.text(
            across,
            high - 0.1,
            boundary.failpoint,
            fontsize=7,
            color=INK if crash else MUTED,
            rotation=-NAME_DEGREES,
            rotation_mode="anchor",
            va="top",
        )


def _word(boundary: Boundary, killed: dict[Boundary, Crash]) -> str:
    crash = killed.get(boundary)
    return boundary.failpoint + (f" (killed, agreed after {_seconds(crash)})" if crash else "")


def _seconds(crash: Crash) -> str:
    return f"{crash.away_seconds + crash.rest_seconds:.1f} s"
