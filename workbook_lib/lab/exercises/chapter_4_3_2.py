"""The exercise of 4.3.2: requests that are kept because their caller wants it so."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final

import httpx2

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["kept"]

_SERVICE: Final = "user-service"
_REQUESTS: Final = 3


@exercise("4.3.2", "The caller decides")
async def kept(lab: Lab, headers: Callable[[], Mapping[str, str]]) -> Finding:
    """Sends requests with such headers to users' instance 2; looks for them in its log and in Jaeger."""
    paths, began = [f"/users/{uuid.uuid4().hex}" for _ in range(_REQUESTS)], time.monotonic()
    async with httpx2.AsyncClient(base_url=lab["users", 2].url, timeout=10, trust_env=False) as client:
        sent = [dict(headers()) for _ in paths]
        for path, own in zip(paths, sent, strict=True):
            await client.get(path, headers=own)
        spans = await _spans_since(began, lab, client)
    logged = await evidence.eventually(lambda: _logged(lab, paths), interval_seconds=0.05)
    stored = {span.trace_id for span in spans if span.attributes.get("url.path") in paths}
    count = sum(span.attributes.get("url.path") in paths for span in spans)
    seen = f"{count} of {_REQUESTS} requests are in Jaeger, in {len(stored)} traces"
    heard = [any(id_ in value for value in own.values()) for id_, own in zip(logged, sent, strict=True)]
    if not any(heard):
        return no(
            "Each of these requests began a trace of its own in the service, and what begins there is for "
            "its own sampler to decide. Which header says that a trace has begun before?",
            evidence=seen,
        )
    if count < _REQUESTS:
        hint = "The service took up your trace, and did as it was told. What does the last field tell it?"
        return no(hint, evidence=seen)
    if len(stored) < _REQUESTS:
        hint = "All are kept, in one heap: nobody can tell these requests apart. What is an id for?"
        return no(hint, evidence=seen)
    return yes(seen)


async def _spans_since(began: float, lab: Lab, client: httpx2.AsyncClient) -> list[evidence.Span]:
    """Users' server spans in Jaeger, once all that instance 2 has kept are there: they leave in order."""
    last = uuid.uuid4().hex
    await client.get("/users/user123", headers={"traceparent": f"00-{last}-{last[:16]}-01"})
    jaeger = evidence.Jaeger(lab.environment["JAEGER_QUERY_URL"])
    await jaeger.trace(last, until=lambda trace: any(span.kind == "server" for span in trace.spans))
    traces = await jaeger.traces(_SERVICE, lookback_seconds=time.monotonic() - began + 1)
    return [span for trace in traces for span in trace.spans if span.kind == "server"]


def _logged(lab: Lab, paths: list[str]) -> list[str]:
    """The trace ids by which the service has logged these requests; none until all are there."""
    lines = {line.get("path"): line["trace_id"] for line in evidence.log_records(lab["users", 2])}
    return [lines[path] for path in paths] if set(paths) <= set(lines) else []
