"""One message to its handler: its span, its retries, and the dead letter topic when nothing helps."""

from collections.abc import Coroutine
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from workbook_lib.kit import telemetry
from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import Clock
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.messaging.deadlines import Deadlines
from workbook_lib.kit.messaging.model import Handler, Headers, Message, MessagingError
from workbook_lib.kit.messaging.producer import Producer
from workbook_lib.kit.messaging.spans import span_attributes
from workbook_lib.kit.messaging.topics import dead_letter_topic

__all__ = ["Delivery"]

_log = get_logger(__name__)

_ERROR_CHARACTERS = 1000


class Delivery:
    """Hands messages to `handler`, each tried `attempts` times of at most `handler_timeout_seconds`.

    One that fails every time is parked in the topic's dead letter topic with its key, its headers, where it
    lay and what went wrong, so that those behind it get their turn.
    """

    def __init__(
        self,
        handler: Handler,
        dead_letters: Producer,
        group: str,
        *,
        attempts: int,
        handler_timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self._handler = handler
        self._dead_letters = dead_letters
        self._group = group
        self._attempts = attempts
        self._handler_timeout_seconds = handler_timeout_seconds
        self._clock = clock
        self._deadlines = Deadlines()

    def deliver(self, message: Message) -> Coroutine[Any, Any, None]:
        """Return when the message has had its effect or is parked; only cancelling ends this earlier."""
        if message.headers or telemetry.is_recording():
            return self._deliver_in_context(message)
        return self._deliver(message, None)

    async def _deliver_in_context(self, message: Message) -> None:
        """The CONSUMER span continues the producer's trace.

        aiokafka leaves no span current around a message that it hands over (opentelemetry-python-contrib
        #3465), so its context is taken from the headers here. It is attached as a whole because a span alone
        would bring the trace but not the baggage. While spans go nowhere the handler has the producer's
        context itself.
        """
        context = telemetry.context_from_kafka(message.headers)
        span = self._span(message, context) if telemetry.is_recording() else None
        if span is not None:
            context = trace.set_span_in_context(span, context)
        token = otel_context.attach(context)
        try:
            await self._deliver(message, span)
        finally:
            otel_context.detach(token)
            if span is not None:
                span.end()

    def _span(self, message: Message, context: Context) -> Span:
        attributes = span_attributes("process", message.topic, message.key) | {
            "messaging.destination.partition.id": str(message.partition),
            "messaging.kafka.offset": message.offset,
            "messaging.consumer.group.name": self._group,
        }
        return telemetry.start_message_span(
            f"process {message.topic}", context, SpanKind.CONSUMER, attributes
        )

    async def _deliver(self, message: Message, span: Span | None) -> None:
        pauses: Backoff | None = None
        for attempt in range(1, self._attempts + 1):
            try:
                with self._deadlines.within(self._handler_timeout_seconds):
                    await self._handler(message)
                failpoint("consumer.handled")
                return
            except Exception as error:  # noqa: BLE001 - whatever a handler raises must not end the consumer
                last = error
                if span is not None:
                    span.record_exception(error, {"attempt": attempt})
                where = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
                _log.warning("message failed", attempt=attempt, of=self._attempts, cause=repr(error), **where)
            if attempt < self._attempts:
                pauses = pauses or Backoff(0.1, 2.0)
                await self._clock.sleep(pauses.next())
        if span is not None:
            span.set_status(Status(StatusCode.ERROR, f"parked: {last!r}"))
        await self._park(message, last)

    async def _park(self, message: Message, error: Exception) -> None:
        pauses = Backoff(0.2, 5.0)
        topic = dead_letter_topic(message.topic)
        headers = (*message.headers, *self._reasons(message, error))
        while True:  # passing over a message that isn't parked would lose it
            try:
                parked = await self._dead_letters.send(topic, message.key, message.value, headers=headers)
            except MessagingError as failure:
                _log.warning("message not parked yet", topic=topic, cause=failure.message)
                await self._clock.sleep(pauses.next())
            else:
                _log.error("message parked", topic=topic, partition=parked.partition, offset=parked.offset)
                return

    def _reasons(self, message: Message, error: Exception) -> Headers:
        reasons = {
            "dlq.topic": message.topic,
            "dlq.partition": str(message.partition),
            "dlq.offset": str(message.offset),
            "dlq.timestamp": message.timestamp.isoformat(),
            "dlq.group": self._group,
            "dlq.attempts": str(self._attempts),
            "dlq.error.type": type(error).__name__,
            "dlq.error.message": str(error)[:_ERROR_CHARACTERS],
        }
        return tuple((name, value.encode()) for name, value in reasons.items())
