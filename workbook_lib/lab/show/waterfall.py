"""A trace drawn over time: one row a span, below its parent, one colour a service."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from workbook_lib.lab.evidence import Span, SpanKind, Trace
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import (
    ALARM,
    INK,
    MUTED,
    PAPER,
    RULE,
    WIDTH_INCHES,
    colours_of,
    new_figure,
    plain_axes,
    tint,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["waterfall"]

ROW_INCHES: Final = 0.27
HEAD_INCHES: Final = 0.62
FOOT_INCHES: Final = 0.32
LEGEND_INCHES: Final = 0.18
LEGEND_COLUMNS: Final = 6
NAMES_INCHES: Final = 4.0
INDENT_INCHES: Final = 0.13
BADGE_INCHES: Final = 0.47
BADGES: Final = {"http": "HTTP", "grpc": "gRPC", "kafka": "Kafka", "redis": "Redis", "sql": "SQL"}
RECEIVES: Final[tuple[SpanKind, ...]] = ("server", "consumer")


def waterfall(trace: Trace, *, title: str = "") -> Picture:
    """Draw it; solid bars received work (server, consumer), light ones asked for it or were internal."""
    rows = list(trace.walk())
    colours = colours_of(trace.services)
    foot = FOOT_INCHES + LEGEND_INCHES * math.ceil((len(colours) + 1) / LEGEND_COLUMNS)
    height = HEAD_INCHES + len(rows) * ROW_INCHES + foot
    figure = new_figure(height)
    bottom, tall = foot / height, len(rows) * ROW_INCHES / height
    names = figure.add_axes((0.1 / WIDTH_INCHES, bottom, NAMES_INCHES / WIDTH_INCHES, tall))
    left = (NAMES_INCHES + 0.2) / WIDTH_INCHES
    bars = figure.add_axes((left, bottom, 0.985 - left, tall))
    names.set_xlim(0, NAMES_INCHES)
    bars.set_xlim(0, max(trace.duration_ms, 1e-3))
    for axes in (names, bars):
        axes.set_ylim(len(rows) - 0.5, -0.5)
        for row in range(0, len(rows), 2):
            axes.axhspan(row - 0.5, row + 0.5, color="#f5f7f9", zorder=0, linewidth=0)
    _draw_names(names, trace, rows, colours)
    _draw_bars(bars, trace, rows, colours)
    facts = f"{len(rows)} spans, {len(trace.services)} services, {trace.duration_ms:.1f} ms"
    top = 1 - 0.22 / height
    figure.text(
        0.1 / WIDTH_INCHES, top, title or "One request", fontsize=11, weight="bold", color=INK, va="center"
    )
    figure.text(
        0.985, top, f"trace {trace.id}  ·  {facts}", fontsize=7.5, color=MUTED, va="center", ha="right"
    )
    _legend(figure, trace.services, colours)
    return Picture(figure, f"trace {trace.id}: {facts}\n{trace.tree()}")


def _draw_names(axes: Axes, trace: Trace, rows: list[tuple[int, Span]], colours: dict[str, str]) -> None:
    axes.axis("off")
    place = {span.id: row for row, (_, span) in enumerate(rows)}
    for row, (depth, span) in enumerate(rows):
        indent = 0.06 + depth * INDENT_INCHES
        parent = trace.parent(span)
        if parent is not None:
            elbow = indent - INDENT_INCHES
            axes.plot(
                [elbow, elbow, indent - 0.045], [place[parent.id] + 0.28, row, row], color="#b8c2cc", lw=0.7
            )
        axes.plot(indent, row, "o", color=colours[span.service], markersize=4.5)
        left = indent + 0.1
        if parent is None or parent.service != span.service:
            left = _label(axes, left, row, span.service, color=colours[span.service], weight="bold") + 0.07
        name = f"{_short_name(span)}  ✕" if span.failed else _short_name(span)
        _label(axes, left, row, name, color=ALARM if span.failed else INK)
        if span.protocol:
            _badge(axes, NAMES_INCHES - BADGE_INCHES / 2, row, BADGES[span.protocol])


def _short_name(span: Span) -> str:
    """The span's name; a gRPC method without its package."""
    return span.name.rpartition(".")[2] if span.protocol == "grpc" else span.name


def _label(axes: Axes, left: float, row: int, text: str, *, color: str, weight: str = "normal") -> float:
    """Write the text, cut with an ellipsis where the badge begins, and return where it ends (in inches)."""
    label = axes.text(left, row, text, fontsize=8, va="center_baseline", color=color, weight=weight)
    limit = NAMES_INCHES - BADGE_INCHES - 0.05
    while True:
        end = float(label.get_window_extent().transformed(axes.transData.inverted()).x1)
        if end <= limit or len(text) <= 3:
            return end
        text = text[: -max(1, round((end - limit) / 0.08))]
        label.set_text(text + "…")


def _badge(axes: Axes, x: float, y: float, text: str) -> None:
    box = {
        "boxstyle": "round,pad=0.22,rounding_size=0.5",
        "facecolor": PAPER,
        "edgecolor": "#b8c2cc",
        "linewidth": 0.6,
    }
    axes.text(x, y, text, fontsize=6.2, color=MUTED, ha="center", va="center", bbox=box)


def _draw_bars(axes: Axes, trace: Trace, rows: list[tuple[int, Span]], colours: dict[str, str]) -> None:
    plain_axes(axes, grid="x")
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ms")
    total = axes.get_xlim()[1]
    for row, (_, span) in enumerate(rows):
        start, wide = trace.offset_ms(span), max(span.duration_ms, total * 0.004)
        colour = colours[span.service]
        solid = span.kind in RECEIVES
        axes.barh(
            row,
            wide,
            left=start,
            height=0.56,
            color=colour if solid else tint(colour, 0.32),
            edgecolor=ALARM if span.failed else colour,
            linewidth=1.2 if span.failed else 0.6,
            zorder=3,
        )
        _write_duration(axes, row, start, start + wide, span.duration_ms, PAPER if solid else INK)


def _write_duration(axes: Axes, row: int, start: float, end: float, milliseconds: float, ink: str) -> None:
    """Right of the bar; where it would leave the picture, inside a long bar and left of a short one."""
    total = axes.get_xlim()[1]
    gap, room = total * 0.008, total * 0.1
    if end + room < total:
        x, side, colour = end + gap, "left", INK
    elif end - start > room:
        x, side, colour = end - gap, "right", ink
    else:
        x, side, colour = start - gap, "right", INK
    axes.text(
        x, row, _duration(milliseconds), fontsize=7, color=colour, ha=side, va="center_baseline", zorder=4
    )


def _duration(milliseconds: float) -> str:
    if milliseconds < 0.995:
        return f"{milliseconds * 1000:.0f} µs"
    return f"{milliseconds:.1f} ms" if milliseconds < 99.95 else f"{milliseconds:.0f} ms"


def _legend(figure: Figure, services: list[str], colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=colours[service], label=service) for service in services]
    patches.append(
        Patch(facecolor=RULE, edgecolor=MUTED, linewidth=0.6, label="light: client, producer, internal")
    )
    figure.legend(
        handles=patches,
        loc="lower left",
        bbox_to_anchor=(0.0, 0.0),
        ncols=LEGEND_COLUMNS,
        frameon=False,
        fontsize=7.5,
        labelcolor=INK,
        handlelength=1.0,
        handleheight=0.9,
        columnspacing=1.3,
    )
