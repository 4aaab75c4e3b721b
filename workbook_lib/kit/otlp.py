"""Spans to a collector by OTLP over HTTP in its JSON encoding (OTLP 1.x, "JSON Protobuf Encoding").

OpenTelemetry's own exporter builds protobuf messages field by field in Python, at twice the cost, and is slow
to import; see docs/decisions/0001-pure-asgi-edge.md.
"""

import base64
import http.client
import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import format_span_id, format_trace_id
from opentelemetry.util.types import AttributeValue
from pydantic_core import to_json

__all__ = ["OtlpJsonExporter", "encode"]

_log = logging.getLogger(__name__)
# A keep-alive connection may have been closed by the collector meanwhile: the second attempt opens a new one.
_ATTEMPTS = 2


class OtlpJsonExporter(SpanExporter):
    """Posts batches to `endpoint`/v1/traces on one connection, from the batch processor's thread.

    A batch that can't be delivered in `timeout_seconds` an attempt is dropped; the first of a row is logged.
    """

    def __init__(self, endpoint: str, *, timeout_seconds: float = 2.0) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an OTLP/HTTP base URL: {endpoint!r}; write http://host:4318")
        connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connection(parts.hostname, parts.port, timeout=timeout_seconds)
        self._path = f"{parts.path.rstrip('/')}/v1/traces"
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch."""
        body = to_json(encode(spans))
        cause = ""
        for _ in range(_ATTEMPTS):
            try:
                self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
                answer = self._connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                cause = str(error) or type(error).__name__
                continue
            if answer.status < 300:
                self._failing = False
                return SpanExportResult.SUCCESS
            cause = f"HTTP {answer.status}"
        if not self._failing:
            _log.warning("spans are lost: the collector at %s: %s", self._connection.host, cause)
        self._failing = True
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Close the connection."""
        self._connection.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing is kept here."""
        return True


def encode(spans: Iterable[ReadableSpan]) -> dict[str, Any]:
    """An ExportTraceServiceRequest: spans by resource, then by instrumentation scope."""
    by_scope: dict[tuple[int, int], list[ReadableSpan]] = {}
    for span in spans:
        by_scope.setdefault((id(span.resource), id(span.instrumentation_scope)), []).append(span)
    resources = []
    for _, scopes in groupby(
        sorted(by_scope.items(), key=lambda item: item[0][0]), key=lambda item: item[0][0]
    ):
        groups = [group for _, group in scopes]
        resources.append(
            {
                "resource": {"attributes": _attributes(groups[0][0].resource.attributes)},
                "scopeSpans": [_scope_spans(group) for group in groups],
            }
        )
    return {"resourceSpans": resources}


def _scope_spans(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    scope = spans[0].instrumentation_scope
    encoded: dict[str, Any] = {"spans": [_span(span) for span in spans]}
    if scope is not None:
        encoded["scope"] = {"name": scope.name, "version": scope.version or ""}
        encoded["schemaUrl"] = scope.schema_url or ""
    return encoded


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.context
    encoded: dict[str, Any] = {
        "traceId": format_trace_id(context.trace_id),
        "spanId": format_span_id(context.span_id),
        "flags": context.trace_flags,
        "name": span.name,
        "kind": span.kind.value + 1,  # the API counts from INTERNAL = 0, the wire from UNSPECIFIED = 0
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes),
        "status": {"code": span.status.status_code.value},
    }
    if span.parent is not None:
        encoded["parentSpanId"] = format_span_id(span.parent.span_id)
    if context.trace_state:
        encoded["traceState"] = context.trace_state.to_header()
    if span.status.description:
        encoded["status"]["message"] = span.status.description
    if span.events:
        encoded["events"] = [
            {
                "name": event.name,
                "timeUnixNano": str(event.timestamp),
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    if span.links:
        encoded["links"] = [
            {
                "traceId": format_trace_id(link.context.trace_id),
                "spanId": format_span_id(link.context.span_id),
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ]
    return encoded


def _attributes(attributes: Mapping[str, AttributeValue] | None) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _value(value: Any) -> dict[str, Any]:  # noqa: ANN401 - AttributeValue, and what the SDK lets through
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, Sequence):
        return {"arrayValue": {"values": [_value(inner) for inner in value]}}
    return {"stringValue": str(value)}
