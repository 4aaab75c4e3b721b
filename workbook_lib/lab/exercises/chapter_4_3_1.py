"""The exercise of 4.3.1: a message by hand, and its reader's span in the right place."""

from __future__ import annotations

from typing import Any

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["carried"]

_AUDIT_LOG = "audit-log"
_ENTRY = "SELECT trace_id FROM entries WHERE event_id = ?"


@exercise("4.3.1", "Across Kafka, by hand")
async def carried(lab: Lab, event_id: str, trace_id: str) -> Finding:
    """Looks for the event in the topic and in the audit log's database, then for its span in the trace."""
    if not await _sent(lab, event_id):
        return no("No such event is in the topic. Who sends it?")

    database = (lab["audit_log"].folder or lab.folder) / "audit_log.db"

    async def recorded() -> list[dict[str, Any]]:
        return await evidence.rows(database, _ENTRY, [event_id])

    (entry,) = await evidence.eventually(recorded, interval_seconds=0.05)
    if entry["trace_id"] != trace_id:
        return no(
            "The audit log has begun a trace of its own. What has a message, beside its key and its value?",
            evidence=f"your trace is {trace_id}, its row says {entry['trace_id']}",
        )
    trace = await evidence.Jaeger(lab.environment["JAEGER_QUERY_URL"]).trace(trace_id, until=_complete)
    (span,) = [each for each in trace.spans if each.service == _AUDIT_LOG and each.kind == "consumer"]
    parents = [each for each in trace.spans if each.id == span.parent_id]
    if not parents:
        return no(
            "The trace is the right one, but its tree is broken: the audit log's span hangs on nothing. "
            "Whose id is the third part of the header?",
            evidence=f"its parent {span.parent_id} isn't in the trace",
        )
    return yes(f"{_AUDIT_LOG}'s span hangs on {parents[0].service}'s span {parents[0].name!r}")


async def _sent(lab: Lab, event_id: str) -> bool:
    records = await evidence.topic_records(lab["kafka"].url, "user-events")
    return any(record.json()["event_id"] == event_id for record in records)


def _complete(trace: evidence.Trace) -> bool:
    """The sender's outermost span is exported last of its own, the audit log's by another process."""
    is_begun = any(not span.parent_id and span.service != _AUDIT_LOG for span in trace.spans)
    return is_begun and any(span.service == _AUDIT_LOG and span.kind == "consumer" for span in trace.spans)
