"""Sending: acknowledged by all replicas, without duplicates by retries, always within a bound."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import BaseModel

from workbook_lib.kit import telemetry
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.messaging.batches import (
    MAX_REQUEST_BYTES,
    Batches,
    Prepared,
    failure,
    is_spoiled,
    refusal,
)
from workbook_lib.kit.messaging.deadlines import Deadlines
from workbook_lib.kit.messaging.ending import close_each
from workbook_lib.kit.messaging.model import MessagingError, Outgoing, Position
from workbook_lib.kit.messaging.partitions import partition_of, place_of
from workbook_lib.kit.messaging.spans import Sending, passing_headers

__all__ = ["Producer"]

_log = get_logger(__name__)

_REQUEST_MS = 3000
_BATCH_BYTES = 128 * 1024
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
        self.bootstrap = bootstrap
        self._client_id = client_id
        self._start_timeout_seconds = start_timeout_seconds
        self._stop_timeout_seconds = stop_timeout_seconds
        self._producer: AIOKafkaProducer | None = None
        self._deadlines: Deadlines

    async def start(self) -> None:
        """Connect; raises `MessagingError` when no broker answers in time."""
        if self._producer is not None:
            return
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            max_batch_size=_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            partitioner=partition_of,
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
        self._producer, self._deadlines = producer, Deadlines()

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
            raise MessagingError(f"Kafka at {self.bootstrap}: not all messages were acknowledged") from error
        finally:
            await _abandon(producer)  # a producer that stopped well has nothing left to end

    async def drop(self) -> None:
        """Disconnect at once; whether what isn't acknowledged is in the log stays unknown."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _abandon(producer)

    async def check(self) -> None:
        """Raise `MessagingError` unless a broker answers."""
        try:
            async with asyncio.timeout(_REQUEST_MS / 1000):
                await self._started().client.fetch_all_metadata()
        except (KafkaError, TimeoutError) as error:
            raise MessagingError(self._failure(error)) from error

    def send(
        self,
        topic: str,
        key: str | None,
        value: BaseModel | bytes,
        *,
        headers: Iterable[tuple[str, bytes]] = (),
        timeout_seconds: float = 5.0,
    ) -> Coroutine[Any, Any, Position]:
        """Publish one message and wait for its acknowledgement. Messages of one key keep their order.

        It travels with the current trace context and baggage, unless `headers` bring a traceparent
        themselves. Raises `MessageRefused` when it can't be sent as it is. After a `MessagingError` for
        lateness the outcome is unknown: the message may still arrive.
        """
        body = value if isinstance(value, bytes) else value.model_dump_json().encode()
        raw = None if key is None else key.encode("utf-8", "surrogateescape")
        if telemetry.is_recording():
            sending = Sending(topic, key, headers, self._client_id)
            return self._send_traced(sending, topic, raw, body, timeout_seconds)
        return self._send(topic, raw, body, passing_headers(headers), timeout_seconds)

    async def _send_traced(
        self, sending: Sending, topic: str, key: bytes | None, body: bytes, timeout_seconds: float
    ) -> Position:
        try:
            position = await self._send(topic, key, body, sending.headers, timeout_seconds)
        except BaseException as error:
            known = error if isinstance(error, MessagingError) else MessagingError(f"{topic}: cut off")
            sending.failed(known)
            raise
        sending.sent(position)
        return position

    async def _send(
        self,
        topic: str,
        key: bytes | None,
        body: bytes,
        headers: list[tuple[str, bytes]],
        timeout_seconds: float,
    ) -> Position:
        producer = self._started()
        # aiokafka makes lists of the topic's partitions before it asks its partitioner.
        known = producer.client.cluster.partitions_for_topic(topic)
        partition = place_of(key, len(known)) if known and key is not None else None
        if refused := refusal(topic, key, body, headers):
            raise refused
        try:
            with self._deadlines.within(timeout_seconds):
                acknowledged = await producer.send(topic, body, key, partition, None, headers)
                sent = await acknowledged
        except TimeoutError as error:
            raise MessagingError(f"{topic}: not acknowledged in {timeout_seconds:g} s") from error
        except KafkaError as error:
            if is_spoiled(error):
                await self._renew(producer)
            raise failure(topic, error) from error
        return Position(sent.topic, sent.partition, sent.offset)

    async def send_many(
        self, messages: Sequence[Outgoing], *, timeout_seconds: float = 5.0
    ) -> list[Position | MessagingError]:
        """Publish messages in batches: for each its position, or why it isn't known to be in the log.

        Messages of one key keep their order, and none is sent behind one of its key that failed. A message's
        span continues the context in its headers. A `MessageRefused` may stand for others that shared the
        batch of the one that can't be sent; alone, they can.
        """
        if not telemetry.is_recording():
            return await self._send_all(
                [
                    Prepared(topic, _raw(key), value, passing_headers(headers))
                    for topic, key, value, headers in messages
                ],
                timeout_seconds,
            )
        sendings = [Sending(*each[:2], each.headers, self._client_id, stored=True) for each in messages]
        outcomes = await self._send_all(
            [
                Prepared(each.topic, _raw(each.key), each.value, sending.headers)
                for each, sending in zip(messages, sendings, strict=True)
            ],
            timeout_seconds,
        )
        for sending, outcome in zip(sendings, outcomes, strict=True):
            if isinstance(outcome, Position):
                sending.sent(outcome)
            else:
                sending.failed(outcome)
        return outcomes

    async def _send_all(
        self, messages: Sequence[Prepared], timeout_seconds: float
    ) -> list[Position | MessagingError]:
        producer = self._started()
        batches = Batches(producer, messages)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await batches.send()
        if batches.spoiled:
            await self._renew(producer)
        late = MessagingError(f"not acknowledged in {timeout_seconds:g} s")
        return [late if outcome is None else outcome for outcome in batches.outcomes]

    async def _renew(self, spoiled: AIOKafkaProducer) -> None:
        """Go on with a new identity at the broker, whose sequence of batches has no gap."""
        if self._producer is not spoiled:
            return
        self._producer = None
        try:
            with contextlib.suppress(MessagingError):
                await self.start()
        finally:
            await _abandon(spoiled)

    def _failure(self, error: Exception) -> str:
        return f"Kafka at {self.bootstrap}: {str(error) or 'no answer in time'}"

    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise MessagingError("the producer isn't started")
        return self._producer


def _raw(key: str | None) -> bytes | None:
    return None if key is None else key.encode(errors="surrogateescape")


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End a producer without waiting: an idempotent batch never expires, so waiting may have no end."""
    producer._closed = True
    await close_each(producer.client.close, producer._sender.close)
