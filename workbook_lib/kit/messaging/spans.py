"""The span of a message, after OpenTelemetry's conventions for messaging and Kafka."""

from collections.abc import Iterable

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from workbook_lib.kit import telemetry
from workbook_lib.kit.messaging.model import MessagingError, Position

__all__ = ["Sending", "span_attributes", "unsampled"]

_TRACE = ("traceparent", "tracestate", "baggage")


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


class Sending:
    """The PRODUCER span of one message, and the headers with which the message travels.

    `headers` is what the message brings. With `parent` the span is that context's child, else the current
    one's. While spans go nowhere there is none, and the parent's context travels on.
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
        self._span: Span | None = None
        carried = any(name == "traceparent" for name, _ in self.headers)
        if not telemetry.is_recording():
            if not carried:
                self.headers += telemetry.kafka_headers()
            return
        parent = telemetry.context_from_kafka(self.headers) if stored and carried else get_current()
        attributes = span_attributes("send", topic, key) | {"messaging.client.id": client_id}
        self._span = telemetry.start_message_span(f"send {topic}", parent, SpanKind.PRODUCER, attributes)
        if stored and carried:
            self.headers = [(name, value) for name, value in self.headers if name not in _TRACE]
        if stored or not carried:
            self.headers += telemetry.kafka_headers(trace.set_span_in_context(self._span, parent))

    def sent(self, position: Position) -> None:
        """End it: the message is in the log."""
        if self._span is not None:
            self._span.set_attribute("messaging.destination.partition.id", str(position.partition))
            self._span.set_attribute("messaging.kafka.offset", position.offset)
            self._span.end()

    def failed(self, error: MessagingError) -> None:
        """End it: the message isn't known to be in the log."""
        if self._span is not None:
            self._span.record_exception(error)
            self._span.set_status(Status(StatusCode.ERROR, error.message))
            self._span.end()


def unsampled() -> Context:
    """A context under which no span is recorded: for what is done all the time and in nobody's name."""
    ids = RandomIdGenerator()
    nothing = SpanContext(
        ids.generate_trace_id(), ids.generate_span_id(), False, TraceFlags(TraceFlags.DEFAULT)
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(nothing), Context())
