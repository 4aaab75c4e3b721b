"""A state diagram as it was walked: the states that occurred, what led from one to the next, how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.evidence import Edge, Transition
from workbook_lib.lab.show.arrows import TIMES, Box, draw_arrows
from workbook_lib.lab.show.layout import arrange
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import ALARM, INK, MUTED, SERIES, new_figure
from workbook_lib.lab.show.shapes import HEIGHT_INCHES, WIDTH_INCHES, draw_node, node_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["states"]

COLUMN_INCHES: Final = 2.15
ROW_INCHES: Final = 0.95
MARGIN_INCHES: Final = 0.3
LINE_CHARACTERS: Final = 16

Pair = tuple[str, str]
Point = tuple[float, float]


def states(transitions: Iterable[Transition], *, title: str = "") -> Picture:
    """Draw transitions from left to right; what undoes something, or leads there, is red."""
    moves = list(transitions)
    forth = [move for move in moves if move.before != move.after]
    texts = _texts(forth)
    layout = arrange(texts)
    wide = (layout.layers - 1) * COLUMN_INCHES + WIDTH_INCHES + 2 * MARGIN_INCHES
    high = (layout.high - layout.low) * ROW_INCHES + HEIGHT_INCHES + 2 * MARGIN_INCHES + (0.3 if title else 0)
    figure = new_figure(high, max(wide, 4.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    axes.set_xlim(0, max(wide, 4.5))
    axes.set_ylim(0, high)
    origin = (MARGIN_INCHES + WIDTH_INCHES / 2, MARGIN_INCHES + HEIGHT_INCHES / 2 - layout.low * ROW_INCHES)
    at = {name: _inches(place, origin) for name, place in layout.nodes.items()}
    routes = {pair: [_inches(place, origin) for place in between] for pair, between in layout.routes.items()}
    boxes = {name: Box.round(place, node_size("service")) for name, place in at.items()}
    back = {(move.before, move.after) for move in forth if move.backward}
    edges = [Edge(*pair, "grpc", failures=int(pair in back)) for pair in texts]
    draw_arrows(axes, edges, routes, boxes, label=lambda edge: texts[edge.caller, edge.callee])
    for name, place in at.items():
        draw_node(axes, place, name, "service", _colour(name))
        _again(axes, place, [move for move in moves if move.before == move.after == name])
    if title:
        axes.text(MARGIN_INCHES, high - 0.2, title, fontsize=11, weight="bold", color=INK, va="center")
    lines = (f"{move.before} -> {move.after}  {move.event} {TIMES}{move.count}" for move in moves)
    return Picture(figure, "\n".join(lines) or "no transitions")


def _texts(moves: Iterable[Transition]) -> dict[Pair, list[str]]:
    """The lines over each arrow: each event that led this way, with two words over two of them."""
    lines: dict[Pair, list[str]] = {}
    for move in moves:
        text = f"{move.event} {TIMES}{move.count:,}".lstrip()
        words = [text] if len(text) < LINE_CHARACTERS else text.split(" ", 1)
        lines.setdefault((move.before, move.after), []).extend(words)
    return lines


def _colour(name: str) -> str:
    if name in ("PARKED", "COMPENSATED") or name.startswith("undo "):
        return ALARM
    return SERIES[2] if name == "COMPLETED" else MUTED if name == "begun" else SERIES[0]


def _again(axes: Axes, at: Point, moves: list[Transition]) -> None:
    """Below a state, what was tried there again."""
    for line, move in enumerate(moves):
        axes.text(
            at[0],
            at[1] - HEIGHT_INCHES / 2 - 0.09 - 0.11 * line,
            f"{move.event}, tried again {TIMES}{move.count:,}",
            fontsize=6.5,
            color=MUTED,
            ha="center",
            va="center",
        )


def _inches(place: tuple[float, float], origin: Point) -> Point:
    return origin[0] + place[0] * COLUMN_INCHES, origin[1] + place[1] * ROW_INCHES
