"""Sending: acknowledged by all replicas, without duplicates by retries, always within a bound."""

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from opentelemetry.trace import SpanKind
from pydantic import BaseModel

from workbook_lib.kit import telemetry
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.messaging.ending import close_each
from workbook_lib.kit.messaging.model import MessagingError, Position
from workbook_lib.kit.messaging.spans import span_attributes

__all__ = ["Producer"]

_log = get_logger(__name__)

_REQUEST_MS = 3000
_RETRY_MS = 200


class Producer:
    """Publishes messages with acks=all and idempotence: an acknowledged message is in the log, once."""

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        start_timeout_seconds: float = 5.0,
        stop_timeout_seconds: float = 3.0,
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._start_timeout_seconds = start_timeout_seconds
        self._stop_timeout_seconds = stop_timeout_seconds
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect; raises `MessagingError` when no broker answers in time."""
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=_REQUEST_MS,
            retry_backoff_ms=_RETRY_MS,
        )
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                await producer.start()
        except BaseException as error:
            await _abandon(producer)
            if isinstance(error, KafkaError | TimeoutError | OSError):
                raise MessagingError(self._failure(error)) from error
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Flush and disconnect; raises `MessagingError` when what was sent isn't acknowledged in time."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(self._stop_timeout_seconds):
                await producer.flush()
                await producer.stop()
        except TimeoutError as error:
            raise MessagingError(f"Kafka at {self._bootstrap}: not all messages were acknowledged") from error
        finally:
            await _abandon(producer)  # a producer that stopped well has nothing left to end

    async def check(self) -> None:
        """Raise `MessagingError` unless a broker answers."""
        try:
            async with asyncio.timeout(_REQUEST_MS / 1000):
                await self._started().client.fetch_all_metadata()
        except (KafkaError, TimeoutError) as error:
            raise MessagingError(self._failure(error)) from error

    async def send(
        self,
        topic: str,
        key: str | None,
        value: BaseModel | bytes,
        *,
        headers: Iterable[tuple[str, bytes]] = (),
        timeout_seconds: float = 5.0,
    ) -> Position:
        """Publish one message and wait for its acknowledgement. Messages of one key keep their order.

        It travels with the current trace context and baggage, unless `headers` bring a traceparent
        themselves. After a `MessagingError` for lateness the outcome is unknown: the message may still
        arrive.
        """
        producer = self._started()
        body = value.model_dump_json().encode() if isinstance(value, BaseModel) else value
        attributes = span_attributes("send", topic, key) | {"messaging.client.id": self._client_id}
        with telemetry.tracer().start_as_current_span(
            f"send {topic}", kind=SpanKind.PRODUCER, attributes=attributes
        ) as span:
            all_headers = list(headers)
            if not any(name == "traceparent" for name, _ in all_headers):
                all_headers += telemetry.kafka_headers()
            raw_key = None if key is None else key.encode(errors="surrogateescape")
            try:
                async with asyncio.timeout(timeout_seconds):
                    sent = await producer.send_and_wait(topic, body, key=raw_key, headers=all_headers)
            except TimeoutError as error:
                raise MessagingError(f"{topic}: not acknowledged in {timeout_seconds:g} s") from error
            except KafkaError as error:
                raise MessagingError(f"{topic}: not sent: {error}") from error
            span.set_attribute("messaging.destination.partition.id", str(sent.partition))
            span.set_attribute("messaging.kafka.offset", sent.offset)
        return Position(sent.topic, sent.partition, sent.offset)

    def _failure(self, error: Exception) -> str:
        return f"Kafka at {self._bootstrap}: {str(error) or 'no answer in time'}"

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise MessagingError("the producer isn't started")
        return self._producer


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End a producer without waiting: an idempotent batch never expires, so waiting may have no end."""
    producer._closed = True
    await close_each(producer.client.close, producer._sender.close)
