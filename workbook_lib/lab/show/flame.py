"""A profile as a flame graph (after Brendan Gregg): width is time, a row is a call, callers above callees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workbook_lib.lab.evidence import hot_spots
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import INK, MUTED, PAPER, WIDTH_INCHES, colours_of, new_figure, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["flame_graph"]

ROW_INCHES: Final = 0.19
HEAD_INCHES: Final = 0.42
FOOT_INCHES: Final = 0.34
MARGIN_INCHES: Final = 0.1
CHARACTER_INCHES: Final = 0.062  # of a label's font, on average
NARROWEST: Final = 0.002  # of the whole; what is narrower can't be seen
STEM: Final = 0.98  # a call that takes this much of its caller tells nothing that the caller doesn't
LEGEND: Final = 7
OTHERS: Final = "#9aa5b1"
TEXT_LINES: Final = 10


@dataclass(frozen=True)
class _Box:
    """One call: where it begins, how wide it is and how much of that its own, of 0 to 1; how deep it is."""

    left: float
    width: float
    alone: float
    row: int
    label: str
    package: str


def flame_graph(profile: Mapping[str, Any], *, title: str = "Where the time went") -> Picture:
    """Draw what GET /debug/profile answered. Colours are packages; the legend tells the time in each itself.

    The stem that all calls share (the interpreter's start, the event loop) is left out. Raises ValueError for
    a profile without a sample.
    """
    root = profile["root"]
    if not root or not root["seconds"]:
        raise ValueError("the profile has no samples: there is nothing to draw")
    boxes = list(_boxes(_without_stem(root)))
    rows = max(box.row for box in boxes) + 1
    height = HEAD_INCHES + rows * ROW_INCHES + FOOT_INCHES
    figure = new_figure(height)
    across = (WIDTH_INCHES - 2 * MARGIN_INCHES) / WIDTH_INCHES
    place = (MARGIN_INCHES / WIDTH_INCHES, FOOT_INCHES / height, across, rows * ROW_INCHES / height)
    axes = figure.add_axes(place)
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(rows, 0)
    alone: dict[str, float] = {}
    for box in boxes:
        alone[box.package] = alone.get(box.package, 0.0) + box.alone
    widest = sorted(alone, key=alone.__getitem__, reverse=True)[:LEGEND]
    colours = colours_of(widest)
    for box in boxes:
        _draw(axes, box, colours.get(box.package, OTHERS))
    facts = f"{profile['samples']:,} samples in {profile['seconds']:.1f} s"
    top = 1 - 0.2 / height
    figure.text(MARGIN_INCHES / WIDTH_INCHES, top, title, fontsize=11, weight="bold", color=INK, va="center")
    figure.text(0.985, top, facts, fontsize=7.5, color=MUTED, va="center", ha="right")
    _legend(figure, {name: alone[name] for name in widest}, colours)
    return Picture(figure, f"{facts}\n{_text(profile)}")


def _without_stem(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    while frame["children"]:
        widest = max(frame["children"], key=_seconds)
        if widest["seconds"] < STEM * frame["seconds"]:
            break
        frame = widest
    return frame


def _boxes(frame: Mapping[str, Any], left: float = 0.0, row: int = 0, whole: float = 0.0) -> Iterator[_Box]:
    whole = whole or frame["seconds"]
    width = frame["seconds"] / whole
    if width < NARROWEST:
        return
    alone = (frame["seconds"] - sum(map(_seconds, frame["children"]))) / whole
    yield _Box(left, width, alone, row, frame["function"], _package(frame["file"]))
    # By name, as flame graphs are: the same profile looks the same each time.
    for child in sorted(frame["children"], key=lambda child: str(child["function"])):
        yield from _boxes(child, left, row + 1, whole)
        left += child["seconds"] / whole


def _draw(axes: Axes, box: _Box, colour: str) -> None:
    from matplotlib.patches import Rectangle

    fill = tint(colour, 0.5)
    axes.add_patch(
        Rectangle((box.left, box.row), box.width, 1, facecolor=fill, edgecolor=PAPER, linewidth=0.6)
    )
    room = int((box.width * WIDTH_INCHES - 0.06) / CHARACTER_INCHES)
    if room >= 3:
        label = box.label if len(box.label) <= room else f"{box.label[: room - 1]}…"
        axes.text(box.left + 0.004, box.row + 0.54, label, fontsize=6.5, color=INK, va="center")


def _legend(figure: Figure, alone: Mapping[str, float], colours: Mapping[str, str]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=tint(colours[name], 0.5), label=f"{name} {share:.0%}") for name, share in alone.items()
    ]
    figure.legend(
        handles=handles, loc="lower left", ncols=LEGEND, fontsize=7, frameon=False, bbox_to_anchor=(0, 0)
    )


def _package(file: str) -> str:
    """`fastapi` of fastapi/routing.py, `workbook_lib.kit` of a module of the kit, the file of a script."""
    parts = file.removesuffix(".py").split("/")
    if parts[0] == "workbook_lib" and len(parts) > 1:
        return ".".join(parts[:2])
    return parts[0] or "(none)"


def _seconds(frame: Mapping[str, Any]) -> float:
    return float(frame["seconds"])


def _text(profile: Mapping[str, Any]) -> str:
    spots = hot_spots(profile, TEXT_LINES)
    return "\n".join(f"{spot.self_share:6.1%}  {spot.function}  {spot.place}" for spot in spots)
