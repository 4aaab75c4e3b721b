"""The exercise of 2.3.6: let a service that waits serve several at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["at_once"]

_WANTED: Final = 3
_LOG_SECONDS: Final = 0.5  # a line is written right after the answer


@exercise("2.3.6", "Three at once")
async def at_once(lab: Lab, parcel: str) -> Finding:
    """Reads from the shop's log when each delivery began and ended, and how many were under way at a time."""

    def delivered() -> list[dict[str, Any]]:
        path = f"/deliveries/{parcel}"
        lines = [line for line in evidence.log_records(lab["shop"]) if line.get("path") == path]
        return lines if len(lines) >= _WANTED else []

    try:
        lines = await evidence.eventually(delivered, _LOG_SECONDS, interval_seconds=0.05)
    except evidence.EvidenceTimeout:
        return no(
            "The shop hasn't delivered three times. A coroutine that nobody awaits does nothing.",
            evidence=f"fewer than {_WANTED} requests for this parcel in the shop's log",
        )
    together = _most_at_a_time(lines)
    seen = f"{len(lines)} deliveries, at most {together} under way at a time"
    if together >= _WANTED:
        return yes(seen)
    if together == 1:
        return no(
            "They went one after the other, though the shop only waits. Who waited before asking again?",
            evidence=seen,
        )
    return no(
        "You asked for all at once, and the shop saw fewer. How many connections may the client hold?",
        evidence=seen,
    )


def _most_at_a_time(lines: list[dict[str, Any]]) -> int:
    """A line is written at a request's end and has its length, so that it tells the beginning too."""
    spans = []
    for line in lines:
        ended = datetime.fromisoformat(line["time"])
        spans.append((ended - timedelta(milliseconds=line["latency_ms"]), ended))
    return max(sum(began <= at < ended for began, ended in spans) for at, _ in spans)
