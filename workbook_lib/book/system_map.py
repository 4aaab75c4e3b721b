"""The whole system on one picture, as the traces of a run saw it: nothing is drawn that wasn't called."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbook_lib.lab.evidence import Edge
from workbook_lib.lab.show.servicemap import EDGES_MIME_TYPE, service_map

__all__ = ["SystemMap", "system_map"]


@dataclass(frozen=True)
class SystemMap:
    """The calls between the project's services and their stores, and the notebooks whose traces hold them."""

    edges: tuple[Edge, ...]
    notebooks: tuple[str, ...]

    @property
    def services(self) -> list[str]:
        """The services on the map, by name."""
        ends = ((each.caller, each.caller_kind) for each in self.edges)
        others = ((each.callee, each.callee_kind) for each in self.edges)
        return sorted({name for name, kind in (*ends, *others) if kind == "service"})

    def png(self) -> bytes:
        """The picture; arrows carry the protocol, not how often a chapter happened to call."""
        return service_map(self.edges, counts=False).png()

    @property
    def text(self) -> str:
        """The same in words, for who can't see the picture."""
        return "; ".join(f"{edge.caller} calls {edge.callee} over {edge.protocol}" for edge in self.edges)


def system_map(executed: Iterable[Path], services: Collection[str]) -> SystemMap | None:
    """Gather what the service maps in executed notebooks were drawn from; None when there is no call.

    Only calls among `services` and their stores count: a chapter may also have drawn a system of its own.
    """
    edges: dict[tuple[str, str, str], Edge] = {}
    notebooks = []
    for path in executed:
        found = [edge for edge in _edges(json.loads(path.read_bytes())) if _between(edge, services)]
        edges |= {(edge.caller, edge.callee, edge.protocol): edge for edge in found}
        notebooks += [path.stem] if found else []
    return SystemMap(tuple(edges[key] for key in sorted(edges)), tuple(notebooks)) if edges else None


def _edges(notebook: dict[str, Any]) -> Iterator[Edge]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            for fields in output.get("data", {}).get(EDGES_MIME_TYPE, ()):
                yield replace(Edge(**fields), calls=1, failures=0)


def _between(edge: Edge, services: Collection[str]) -> bool:
    ends = ((edge.caller, edge.caller_kind), (edge.callee, edge.callee_kind))
    return all(name in services if kind == "service" else kind != "external" for name, kind in ends)
