"""The span of a message, after OpenTelemetry's conventions for messaging and Kafka."""

from collections.abc import Iterable

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from workbook_lib.kit import telemetry
from workbook_lib.kit.messaging.model import MessagingError, Position
from workbook_lib.kit.trace_context import PROPAGATION_HEADERS

__all__ = ["Sending", "passing_headers", "span_attributes", "unsampled"]


def span_attributes(operation: str, topic: str, key: str | None) -> dict[str, AttributeValue]:
    """The attributes that sending and processing have in common; of a key only what is text is shown."""
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }
    if key is not None:
        attributes["messaging.kafka.message.key"] = key.encode(errors="replace").decode()
    return attributes


def passing_headers(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The headers of a message when spans go nowhere: what it brings, else the current context."""
    all_headers = list(headers)
    if get_current() and not _carries_trace(all_headers):
        all_headers += telemetry.kafka_headers()
    return all_headers


class Sending:
    """The PRODUCER span of one message, and the headers with which the message travels.

    The span is the current one's child, and what `headers` bring of a trace travels as it is. A `stored`
    message was recorded under the context in its headers: that is the span's parent, and the span's travels.
    """

    def __init__(
        self,
        topic: str,
        key: str | None,
        headers: Iterable[tuple[str, bytes]],
        client_id: str,
        *,
        stored: bool = False,
    ) -> None:
        self.headers = list(headers)
        carried = _carries_trace(self.headers)
        parent = telemetry.context_from_kafka(self.headers) if stored and carried else get_current()
        attributes = span_attributes("send", topic, key) | {"messaging.client.id": client_id}
        self._span = telemetry.start_message_span(f"send {topic}", parent, SpanKind.PRODUCER, attributes)
        if carried and not stored:
            return
        self.headers = [
            (name, value) for name, value in self.headers if name.lower() not in PROPAGATION_HEADERS
        ]
        self.headers += telemetry.kafka_headers(trace.set_span_in_context(self._span, parent))

    def sent(self, position: Position) -> None:
        """End it: the message is in the log."""
        self._span.set_attribute("messaging.destination.partition.id", str(position.partition))
        self._span.set_attribute("messaging.kafka.offset", position.offset)
        self._span.end()

    def failed(self, error: MessagingError) -> None:
        """End it: the message isn't known to be in the log."""
        self._span.record_exception(error)
        self._span.set_status(Status(StatusCode.ERROR, error.message))
        self._span.end()


def _carries_trace(headers: Iterable[tuple[str, bytes]]) -> bool:
    return any(name.lower() == "traceparent" for name, _ in headers)


def unsampled() -> Context:
    """A context under which no span is recorded: for what is done all the time and in nobody's name."""
    ids = RandomIdGenerator()
    nothing = SpanContext(
        ids.generate_trace_id(), ids.generate_span_id(), False, TraceFlags(TraceFlags.DEFAULT)
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(nothing), Context())
