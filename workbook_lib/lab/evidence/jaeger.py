"""Read traces back from Jaeger's query API.

Uses `/api/v3`, the API that Jaeger documents as stable; its answers are OTLP in JSON
(https://www.jaegertracing.io/docs/2.13/architecture/apis/).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2

from workbook_lib.lab.evidence.graph import Edge, service_edges
from workbook_lib.lab.evidence.polling import EvidenceError, EvidenceTimeout
from workbook_lib.lab.evidence.spans import AttributeValue, Span, SpanEvent, SpanKind, SpanLink, Trace

__all__ = ["Jaeger"]

POLL_SECONDS: Final = 0.1
REQUEST_TIMEOUT_SECONDS: Final = 5.0
# The order of opentelemetry.proto.trace.v1.Span.SpanKind.
KINDS: Final[tuple[SpanKind, ...]] = ("internal", "internal", "server", "client", "producer", "consumer")
STATUS_ERROR: Final = 2
JAEGERS_OWN: Final = "@jaeger@"  # attributes that Jaeger adds, such as warnings about clocks


class Jaeger:
    """A client of the query API at `url`, for example http://127.0.0.1:16686."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    async def trace(
        self, trace_id: str, *, until: Callable[[Trace], bool], timeout_seconds: float = 30.0
    ) -> Trace:
        """Read a trace as soon as `until` holds: each service sends its spans on its own, batch by batch.

        Raises EvidenceTimeout with the tree of what has arrived, EvidenceError when Jaeger doesn't answer.
        """
        deadline = time.monotonic() + timeout_seconds
        trace: Trace | None = None
        async with self._client() as client:
            while True:
                answer = await self._get(client, f"/api/v3/traces/{trace_id}")
                trace = next(iter(_traces(answer)), trace)
                if trace is not None and until(trace):
                    return trace
                if time.monotonic() >= deadline:
                    break
                await asyncio.sleep(POLL_SECONDS)
        found = f"what arrived is\n{trace.tree()}" if trace else "nothing of it arrived"
        raise EvidenceTimeout(f"trace {trace_id} was not complete after {timeout_seconds:g} s; {found}")

    async def services(self) -> list[str]:
        """Names of all services that have sent spans, sorted."""
        async with self._client() as client:
            answer = await self._get(client, "/api/v3/services")
        return sorted(answer.get("services", []))

    async def traces(self, service: str, *, lookback_seconds: float = 3600, limit: int = 100) -> list[Trace]:
        """The most recent traces in which the service took part, at most `limit`."""
        async with self._client() as client:
            return await self._search(client, service, lookback_seconds, limit)

    async def service_graph(
        self, service: str | None = None, *, lookback_seconds: float = 3600, limit: int = 100
    ) -> list[Edge]:
        """Who called whom lately: in all traces (at most `limit` a service), or in those of one service."""
        names = [service] if service else await self.services()
        traces: dict[str, Trace] = {}
        async with self._client() as client:
            for name in names:
                found = await self._search(client, name, lookback_seconds, limit)
                traces.update((trace.id, trace) for trace in found)
        return service_edges(traces.values())

    async def _search(
        self, client: httpx2.AsyncClient, service: str, lookback_seconds: float, limit: int
    ) -> list[Trace]:
        now = datetime.now(UTC)
        query = {
            "query.service_name": service,
            "query.start_time_min": (now - timedelta(seconds=lookback_seconds)).isoformat(),
            "query.start_time_max": (now + timedelta(seconds=1)).isoformat(),
            "query.num_traces": str(limit),
        }
        return _traces(await self._get(client, "/api/v3/traces", query))

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, timeout=REQUEST_TIMEOUT_SECONDS)

    async def _get(
        self, client: httpx2.AsyncClient, path: str, query: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = await client.get(path, params=query)
        except httpx2.TransportError as error:
            raise EvidenceError(f"Jaeger's query API at {self.url} does not answer: {error!r}") from error
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return {}
        if answer.is_error:
            raise EvidenceError(f"Jaeger answered {answer.status_code} to {path}: {answer.text[:300]}")
        parsed: dict[str, Any] = answer.json()
        return parsed


def _traces(answer: dict[str, Any]) -> list[Trace]:
    by_trace: dict[str, list[Span]] = {}
    for resource_spans in answer.get("result", {}).get("resourceSpans", []):
        resource = _attributes(resource_spans.get("resource", {}).get("attributes", []))
        for span in _spans(resource_spans.get("scopeSpans", []), resource):
            by_trace.setdefault(span.trace_id, []).append(span)
    return [Trace.of(spans) for spans in by_trace.values()]


def _spans(scopes: Iterable[dict[str, Any]], resource: dict[str, AttributeValue]) -> Iterator[Span]:
    for scope in scopes:
        for raw in scope.get("spans", []):
            yield Span(
                trace_id=raw["traceId"],
                id=raw["spanId"],
                parent_id=raw.get("parentSpanId") or None,
                service=str(resource.get("service.name", "unknown")),
                instance=str(resource.get("service.instance.id", "")),
                name=raw.get("name", ""),
                kind=KINDS[int(raw.get("kind", 0))],
                start_ns=int(raw["startTimeUnixNano"]),
                end_ns=int(raw["endTimeUnixNano"]),
                failed=raw.get("status", {}).get("code") == STATUS_ERROR,
                status_message=raw.get("status", {}).get("message", ""),
                attributes=_attributes(raw.get("attributes", [])),
                events=tuple(_event(event) for event in raw.get("events", [])),
                links=tuple(SpanLink(link["traceId"], link["spanId"]) for link in raw.get("links", [])),
            )


def _event(raw: dict[str, Any]) -> SpanEvent:
    time = datetime.fromtimestamp(int(raw["timeUnixNano"]) / 1e9, UTC)
    return SpanEvent(raw.get("name", ""), time, _attributes(raw.get("attributes", [])))


def _attributes(pairs: Iterable[dict[str, Any]]) -> dict[str, AttributeValue]:
    return {
        pair["key"]: _value(pair.get("value", {}))
        for pair in pairs
        if not pair["key"].startswith(JAEGERS_OWN)
    }


def _value(raw: dict[str, Any]) -> AttributeValue:
    """Decode an OTLP AnyValue: one entry, whose key names the type; 64-bit integers travel as strings."""
    if not raw:
        return None
    kind, value = next(iter(raw.items()))
    match kind:
        case "intValue":
            return int(value)
        case "arrayValue":
            return [_value(item) for item in value.get("values", [])]
        case "kvlistValue":
            return dict(_attributes(value.get("values", [])))
        case _:
            decoded: AttributeValue = value
            return decoded
