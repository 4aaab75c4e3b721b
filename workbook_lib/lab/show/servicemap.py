"""The map of a running system: who calls whom, over what and how often, from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from workbook_lib.lab.evidence import Edge, NodeKind, Trace, service_edges
from workbook_lib.lab.show.arrows import DASHES, LINE, NAMES, Box, describe, draw_arrows
from workbook_lib.lab.show.layout import arrange
from workbook_lib.lab.show.output import Picture
from workbook_lib.lab.show.palette import INK, MUTED, colours_of, new_figure
from workbook_lib.lab.show.shapes import HEIGHT_INCHES, WIDTH_INCHES, draw_node, node_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EDGES_MIME_TYPE", "ServiceMap", "service_map"]

EDGES_MIME_TYPE: Final = "application/vnd.workbook.edges+json"
"""In a cell's output, beside the picture: the calls it was drawn from."""

COLUMN_INCHES: Final = 1.85
ROW_INCHES: Final = 0.92
MARGIN_INCHES: Final = 0.2

Point = tuple[float, float]


@dataclass(frozen=True, repr=False)
class ServiceMap(Picture):
    """A picture of calls that also tells them to whoever reads the executed notebook."""

    edges: Sequence[Edge]

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {EDGES_MIME_TYPE: [asdict(edge) for edge in self.edges]}


def service_map(
    what: Trace | Iterable[Trace] | Iterable[Edge], *, title: str = "", counts: bool = True
) -> ServiceMap:
    """Draw the calls found in traces, or computed edges; dashed arrows are messages, not waited for.

    Without `counts` an arrow says only how it is called.
    """
    edges = _edges(what)
    layout = arrange((edge.caller, edge.callee) for edge in edges)
    kinds: dict[str, NodeKind] = {}
    for edge in edges:
        kinds |= {edge.caller: edge.caller_kind, edge.callee: edge.callee_kind}
    colours = colours_of(name for name, kind in kinds.items() if kind == "service")
    wide = (layout.layers - 1) * COLUMN_INCHES + WIDTH_INCHES + 2 * MARGIN_INCHES
    head, foot = 0.4 if title else 0.1, 0.3
    high = (layout.high - layout.low) * ROW_INCHES + HEIGHT_INCHES + 2 * MARGIN_INCHES + head + foot
    figure = new_figure(high, max(wide, 4.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    slack = (max(wide, 4.5) - wide) / 2
    axes.set_xlim(-slack, wide + slack)
    axes.set_ylim(0, high)
    origin = (
        MARGIN_INCHES + WIDTH_INCHES / 2,
        MARGIN_INCHES + foot + HEIGHT_INCHES / 2 - layout.low * ROW_INCHES,
    )
    at = {name: _inches(place, origin) for name, place in layout.nodes.items()}
    routes = {pair: [_inches(place, origin) for place in between] for pair, between in layout.routes.items()}
    boxes = {name: Box.round(at[name], node_size(kind)) for name, kind in kinds.items()}
    label = _described if counts else _protocol
    draw_arrows(axes, edges, routes, boxes, label=label)
    for name, place in at.items():
        draw_node(axes, place, name, kinds[name], colours.get(name, MUTED))
    if title:
        axes.text(
            MARGIN_INCHES - slack, high - 0.24, title, fontsize=11, weight="bold", color=INK, va="center"
        )
    _legend(axes, edges, MARGIN_INCHES - slack)
    text = "\n".join(f"{edge.caller} -> {edge.callee}  {describe(edge)}" for edge in edges)
    return ServiceMap(figure, text or "no calls", edges)


def _described(edge: Edge) -> list[str]:
    return describe(edge).split(", ")


def _protocol(edge: Edge) -> list[str]:
    return [NAMES[edge.protocol]]


def _edges(what: Trace | Iterable[Trace] | Iterable[Edge]) -> list[Edge]:
    if isinstance(what, Trace):
        return service_edges(what)
    items = list(what)
    edges = [item for item in items if isinstance(item, Edge)]
    return edges + service_edges(item for item in items if isinstance(item, Trace))


def _inches(place: tuple[float, float], origin: Point) -> Point:
    return origin[0] + place[0] * COLUMN_INCHES, origin[1] + place[1] * ROW_INCHES


def _legend(axes: Axes, edges: Sequence[Edge], left: float) -> None:
    """Explain the dashes, where there are any."""
    if any(edge.protocol == "kafka" for edge in edges):
        for x, dashes, text in (
            (left, "-", "call: waits for the answer"),
            (left + 2.0, DASHES, "message: goes on"),
        ):
            axes.plot([x, x + 0.35], [0.2, 0.2], color=LINE, linewidth=1.2, linestyle=dashes)
            axes.text(x + 0.42, 0.2, text, fontsize=7, color=MUTED, va="center_baseline")
