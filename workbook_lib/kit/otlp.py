"""Spans to a collector by OTLP over HTTP in its JSON encoding (OTLP 1.x, "JSON Protobuf Encoding").

The SDK's batch processor keeps whole spans and encodes them in its thread, which then fights the service for
the interpreter. Here a span is encoded when it ends and only bytes are kept, for less than half of the cost
under load. What was measured: docs/decisions/0001-pure-asgi-edge.md.
"""

import base64
import http.client
import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, StatusCode, format_span_id, format_trace_id
from opentelemetry.util.types import AttributeValue
from pydantic_core import to_json

__all__ = ["OtlpBatchProcessor"]

_BATCH_SPANS = 512
_QUEUE_SPANS = 16_384
_INTERVAL_SECONDS = 0.3
# The collector may have closed a kept-alive connection meanwhile: the second attempt opens a new one.
_ATTEMPTS = 2

_log = logging.getLogger(__name__)

_Encoded = tuple[InstrumentationScope | None, bytes]


class OtlpBatchProcessor(SpanProcessor):
    """Collects the spans that end and posts them to `endpoint`/v1/traces a few times a second.

    Traced code is never held up or failed: a span that finds the queue full is dropped, and so is a batch
    that the collector doesn't take in `timeout_seconds` an attempt; the first of a row of those is logged.
    """

    def __init__(self, endpoint: str, resource: Resource, *, timeout_seconds: float = 2.0) -> None:
        self._collector = _Collector(endpoint, timeout_seconds)
        self._resource = to_json({"attributes": _attributes(resource.attributes)})
        self._queue: deque[_Encoded] = deque()
        self._posting = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span's beginning is of no interest here."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, if it is sampled."""
        context = span.context
        if context is None or not context.trace_flags.sampled or len(self._queue) >= _QUEUE_SPANS:
            return
        try:
            encoded = _span(span, context)
        except (TypeError, ValueError):
            _log.exception("span %r can't be encoded", span.name)
            return
        self._queue.append((span.instrumentation_scope, encoded))
        if len(self._queue) == _BATCH_SPANS:
            self._wake.set()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the collector's timeout bounds it
        """Post what was collected so far, from the calling thread."""
        return self._post_all()

    def shutdown(self) -> None:
        """`close` within the SDK's usual bound."""
        self.close(30.0)

    def close(self, timeout_seconds: float) -> bool:
        """Post what was collected and end the thread; False when that takes longer. May be repeated."""
        self._closed = True
        self._wake.set()
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(_INTERVAL_SECONDS)
            self._wake.clear()
            self._post_all()
        self._post_all()
        self._collector.close()

    def _post_all(self) -> bool:
        delivered = True
        with self._posting:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH_SPANS))]
                delivered = self._collector.post(self._request(batch)) and delivered
        return delivered

    def _request(self, batch: Iterable[_Encoded]) -> bytes:
        """An ExportTraceServiceRequest: the process's resource, and its spans by instrumentation scope."""
        by_scope: dict[InstrumentationScope | None, list[bytes]] = {}
        for scope, encoded in batch:
            by_scope.setdefault(scope, []).append(encoded)
        scopes = b",".join(
            b'{"scope":%b,"spans":[%b]}' % (_scope(scope), b",".join(spans))
            for scope, spans in by_scope.items()
        )
        return b'{"resourceSpans":[{"resource":%b,"scopeSpans":[%b]}]}' % (self._resource, scopes)


class _Collector:
    """One kept-alive connection to a collector."""

    def __init__(self, endpoint: str, timeout_seconds: float) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"not an OTLP/HTTP base URL: {endpoint!r}; write http://host:4318")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_seconds)
        self._path = f"{parts.path.rstrip('/')}/v1/traces"
        self._endpoint = endpoint
        self._failing = False

    def post(self, body: bytes) -> bool:
        """Deliver one request; False when the collector can't be reached or refuses it."""
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
                return True
            cause = f"HTTP {answer.status}"
        if not self._failing:
            _log.warning("spans are lost: the collector at %s: %s", self._endpoint, cause)
        self._failing = True
        return False

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


def _scope(scope: InstrumentationScope | None) -> bytes:
    return to_json({"name": scope.name, "version": scope.version or ""} if scope else {})


# The fields that every span has are put together as bytes, for half of what a serializer takes.
_SPAN = (
    b'{"traceId":"%032x","spanId":"%016x","flags":%d,"name":%b,"kind":%d,'
    b'"startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":[%b]%b}'
)


def _span(span: ReadableSpan, context: SpanContext) -> bytes:
    return _SPAN % (
        context.trace_id,
        context.span_id,
        context.trace_flags,
        _text(span.name),
        span.kind.value + 1,  # the API counts from INTERNAL = 0, the wire from UNSPECIFIED = 0
        span.start_time or 0,
        span.end_time or 0,
        b",".join([_attribute(key, value) for key, value in (span.attributes or {}).items()]),
        _rest(span, context),
    )


def _rest(span: ReadableSpan, context: SpanContext) -> bytes:
    """The fields that not every span has, each after a comma."""
    rest: dict[str, Any] = {}
    if span.parent is not None:
        rest["parentSpanId"] = format_span_id(span.parent.span_id)
    if span.status.status_code is not StatusCode.UNSET:
        rest["status"] = {"code": span.status.status_code.value, "message": span.status.description or ""}
    if context.trace_state:
        rest["traceState"] = context.trace_state.to_header()
    if span.events:
        rest["events"] = [
            {
                "name": event.name,
                "timeUnixNano": str(event.timestamp),
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    if span.links:
        rest["links"] = [
            {
                "traceId": format_trace_id(link.context.trace_id),
                "spanId": format_span_id(link.context.span_id),
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ]
    return b"," + _json(rest)[1:-1] if rest else b""


# Most names and attributes recur with every request: method, route, status. Typed, because 1 == True == 1.0.
@lru_cache(maxsize=1024)
def _text(text: str) -> bytes:
    return to_json(text)


def _attribute(key: str, value: AttributeValue) -> bytes:
    try:
        return _known_attribute(key, value)
    except TypeError:  # a mapping, which no cache can hold
        return _json({"key": key, "value": _value(value)})


@lru_cache(maxsize=4096, typed=True)
def _known_attribute(key: str, value: AttributeValue) -> bytes:
    return _json({"key": key, "value": _value(value)})


def _attributes(attributes: Mapping[str, AttributeValue] | None) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _json(fields: dict[str, Any]) -> bytes:
    return to_json(fields, inf_nan_mode="strings")


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
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _attributes(value)}}
    if isinstance(value, Sequence):
        return {"arrayValue": {"values": [_value(inner) for inner in value]}}
    return {"stringValue": str(value)}
