"""The exercise of 3.1: a second attempt that is gRPC's own."""

from __future__ import annotations

from typing import Any, Final

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["second_attempt"]

_LOG_SECONDS: Final = 0.5  # a line is written right after the answer


@exercise("3.1", "One call, two attempts")
async def second_attempt(lab: Lab, request_id: str) -> Finding:
    """Reads from the service's access log which attempts came in under the request id, and how each ended."""

    def logged() -> list[dict[str, Any]]:
        lines = evidence.log_records(lab["users"])
        return [line for line in lines if line["event"] == "rpc" and line.get("request_id") == request_id]

    def two() -> list[dict[str, Any]]:
        lines = logged()
        return lines if len(lines) > 1 else []

    try:
        lines = await evidence.eventually(two, _LOG_SECONDS, interval_seconds=0.05)
    except evidence.EvidenceTimeout:
        lines = logged()
    attempts = [(line["status"], line.get("attempt", 1)) for line in lines]
    seen = ", ".join(f"attempt {number}: {status}" for status, number in attempts)
    if not attempts:
        return no("No call with this request id has reached the service. Metadata travel with each call.")
    if attempts == [("UNAVAILABLE", 1), ("OK", 2)]:
        return yes(seen)
    if "UNAVAILABLE" not in dict(attempts):
        return no("The service hasn't failed. Arm the failpoint for each try anew.", evidence=seen)
    if len(attempts) == 1:
        return no(
            "The service failed once, and nobody asked again. It could be reached all the time: who has to "
            "know that this call may be repeated?",
            evidence=seen,
        )
    return no(
        "The service saw two calls that know nothing of each other, each with a deadline of its own. Who "
        "would have counted them as one?",
        evidence=seen,
    )
