"""The exercise of 5.4: renew one process of a group, and nobody else notices."""

from __future__ import annotations

from typing import Final

import psutil

from workbook_lib.lab import evidence
from workbook_lib.lab.edge import EDGE_SERVICES, edge_members
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.handle import Handle

__all__ = ["begin", "one_of_four"]

_WANTED: Final = "inventory"
_before: dict[int, tuple[dict[str, psutil.Process], int]] = {}
"""Who was there when an attempt began, and how many ends the log told of, by the group's process."""


def begin(edge: Handle) -> dict[str, psutil.Process]:
    """An attempt begins: the processes of the group by service, as the check will compare them."""
    _before[edge.pid] = edge_members(edge), len(_ends(edge))
    return edge_members(edge)


@exercise("5.4", "One of four")
async def one_of_four(edge: Handle) -> Finding:
    """Looks at which processes of the group are others than before, and at how the old ones ended."""

    async def is_whole() -> dict[str, psutil.Process] | None:
        members = edge_members(edge)
        return members if len(members) == len(EDGE_SERVICES) else None

    now = await evidence.eventually(is_whole) or {}
    before, ends = _before.get(edge.pid, (now, 0))
    new = [name for name in EDGE_SERVICES if now.get(name) != before.get(name)]
    codes = [record["code"] for record in _ends(edge)[ends:]]
    seen = f"new: {', '.join(new) or 'nobody'}; exit codes {codes}"
    begin(edge)
    if not new:
        return no("Every process of the group is the one that it was.", evidence=seen)
    if new != [_WANTED]:
        return no(
            "Somebody else is new, and whoever was calling has noticed. Which process listens on "
            "inventory's port?",
            evidence=seen,
        )
    if codes != [0]:
        return no(
            "The right one, but it was cut off: an order that it was just working on is lost. "
            "How is a service asked to finish first?",
            evidence=seen,
        )
    return yes(seen)


def _ends(edge: Handle) -> list[dict[str, int]]:
    return [record for record in evidence.log_records(edge) if record["event"] == "service ended"]
