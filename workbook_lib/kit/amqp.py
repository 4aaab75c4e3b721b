"""Work queues by RabbitMQ (AMQP 0-9-1): sent with the broker's confirm, acknowledged after the effect.

A message that was tried too often, whether its handler failed or its consumer died with it, is moved to
`<queue>.dlq`. The tries are counted in a header of the message: queues are durable classic ones, which any
AMQP broker has. RabbitMQ's quorum queues count by themselves, but those of a node alone may be left without a
leader when it was killed (rabbitmq-server #10070, met here with 3.10.8).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.connection import make_url
from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind, Status, StatusCode
from pydantic import BaseModel

from workbook_lib.kit import telemetry
from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.logs import get_logger

__all__ = ["AmqpConsumer", "AmqpError", "AmqpHandler", "AmqpPublisher", "dead_letter_queue"]

AmqpHandler = Callable[[AbstractIncomingMessage], Awaitable[None]]

ATTEMPTS: Final = 3
ATTEMPT: Final = "x-attempt"
_RECONNECT_SECONDS: Final = 0.5
_DRAIN_SECONDS: Final = 2.0
_ERROR_CHARACTERS: Final = 1000
_FAILURES = (aio_pika.exceptions.AMQPError, OSError, TimeoutError, RuntimeError)

_log = get_logger(__name__)


class AmqpError(Unavailable):
    """The broker can't be reached, answered too late or refused."""


def dead_letter_queue(queue: str) -> str:
    """Where the messages of `queue` end that nobody could handle."""
    return f"{queue}.dlq"


class _Client:
    """A connection that comes back by itself (aio-pika's), and one channel."""

    def __init__(self, url: str, start_timeout_seconds: float) -> None:
        self._url = url
        self._start_timeout_seconds = start_timeout_seconds
        self._connection: aio_pika.RobustConnection | None = None
        self._channel: AbstractChannel | None = None

    async def start(self) -> None:
        """Connect; raises `AmqpError` when that fails or takes too long."""
        if self._connection is not None:
            return
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                # Not by connect_robust, which goes on trying in the background after it was cancelled.
                self._connection = aio_pika.RobustConnection(
                    make_url(self._url, reconnect_interval=_RECONNECT_SECONDS)
                )
                await self._connection.connect()
                # On: publish returns when the broker has the message, and raises when no queue takes it.
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                await self._prepare(self._channel)
        except BaseException as error:
            await self.stop()
            if isinstance(error, _FAILURES):
                raise AmqpError(f"RabbitMQ: {str(error) or 'no answer in time'}") from error
            raise

    async def stop(self) -> None:
        """Disconnect."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(*_FAILURES):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await connection.close()

    async def check(self) -> None:
        """Raises `AmqpError` while there is no connection."""
        if self._connection is None or not self._connection.connected.is_set():
            raise AmqpError("RabbitMQ: not connected")

    async def _prepare(self, channel: AbstractChannel) -> None:
        """What is asked of a new channel."""

    def _started(self) -> AbstractChannel:
        if self._channel is None:
            raise AmqpError("the RabbitMQ client isn't started")
        return self._channel


class AmqpPublisher(_Client):
    """Sends messages to queues. A resource: start it, or let a service do so."""

    def __init__(self, url: str, *, start_timeout_seconds: float = 10.0) -> None:
        super().__init__(url, start_timeout_seconds)
        self._declared: set[str] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def send(
        self, queue: str, value: BaseModel | bytes, *, message_id: str, timeout_seconds: float = 5.0
    ) -> None:
        """Put a message into `queue`, which is made if need be; return when the broker has it on disk.

        `message_id` lets the receiver know a repetition. After an `AmqpError` for lateness the outcome is
        unknown: the message may still arrive.
        """
        channel = self._started()
        headers: dict[str, str] = {}
        with telemetry.tracer().start_as_current_span(
            f"send {queue}", kind=SpanKind.PRODUCER, attributes=_attributes("send", queue, message_id)
        ):
            telemetry.inject(headers)
            message = aio_pika.Message(
                value.model_dump_json().encode() if isinstance(value, BaseModel) else value,
                headers=dict(headers),
                message_id=message_id,
                content_type="application/json" if isinstance(value, BaseModel) else None,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            try:
                async with asyncio.timeout(timeout_seconds):
                    if queue not in self._declared:
                        await _declare(channel, queue)
                        self._declared.add(queue)
                    await channel.default_exchange.publish(message, routing_key=queue)
            except _FAILURES as error:
                raise AmqpError(
                    f"{queue}: not confirmed: {str(error) or f'in {timeout_seconds:g} s'}"
                ) from error


class AmqpConsumer(_Client):
    """Gives each message of `queue` to `handler`, at least once, `prefetch` of them at a time.

    A resource for its connection, and a worker: `service.add_worker(name, consumer.run)`. A message is
    acknowledged after its handler returned. A handler that fails, or takes longer than
    `handler_timeout_seconds`, gets the message again after a pause, `ATTEMPTS` times in all; then it is in
    the dead letter queue, with what went wrong. A consumer that died with the message is a failed try, too.
    """

    def __init__(
        self,
        url: str,
        queue: str,
        handler: AmqpHandler,
        *,
        prefetch: int = 10,
        handler_timeout_seconds: float = 30.0,
        start_timeout_seconds: float = 10.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(url, start_timeout_seconds)
        self._name = queue
        self._handler = handler
        self._prefetch = prefetch
        self._handler_timeout_seconds = handler_timeout_seconds
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Consume until cancelled; the messages under way are finished first, if that doesn't take long."""
        queue = await self._started().get_queue(self._name)
        tag = await queue.consume(self._received)
        try:
            await asyncio.Event().wait()
        finally:
            # While the connection is away aio-pika waits for it to come back.
            with contextlib.suppress(*_FAILURES):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await queue.cancel(tag)
            await self._drain()

    async def _prepare(self, channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=self._prefetch)
        await _declare(channel, self._name)

    async def _received(self, message: AbstractIncomingMessage) -> None:
        task = asyncio.create_task(self._deliver(message))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _drain(self) -> None:
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=_DRAIN_SECONDS)
        for task in set(self._under_way):  # unacknowledged, so the broker gives their messages to another
            task.cancel()

    async def _deliver(self, message: AbstractIncomingMessage) -> None:
        attempt = int(str(message.headers.get(ATTEMPT, 1)))
        attributes = _attributes("process", self._name, message.message_id) | {"attempt": attempt}
        carrier = {name: value for name, value in message.headers.items() if isinstance(value, str)}
        token = otel_context.attach(telemetry.extract(carrier))
        try:
            with telemetry.tracer().start_as_current_span(
                f"process {self._name}", kind=SpanKind.CONSUMER, attributes=attributes
            ) as span:
                error = await self._try(message)
                if error is not None:
                    span.record_exception(error)
                    span.set_status(Status(StatusCode.ERROR, repr(error)))
                with contextlib.suppress(*_FAILURES):  # connection lost: the broker delivers it again
                    if error is not None:
                        await self._pass_on(message, attempt, error)
                    await message.ack()
        finally:
            otel_context.detach(token)

    async def _try(self, message: AbstractIncomingMessage) -> Exception | None:
        if message.redelivered:  # its last consumer ended with it, which may be the message's doing
            return AmqpError("the consumer was lost while it had the message")
        try:
            async with asyncio.timeout(self._handler_timeout_seconds):
                await self._handler(message)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises must not end the consumer
            return error
        return None

    async def _pass_on(self, message: AbstractIncomingMessage, attempt: int, error: Exception) -> None:
        """Put a copy where it belongs now, confirmed, so that the original can be acknowledged."""
        told = {"queue": self._name, "message_id": message.message_id, "cause": repr(error)}
        if attempt < ATTEMPTS:
            _log.warning("message failed", attempt=attempt, of=ATTEMPTS, **told)
            pauses = Backoff(0.1, 2.0)
            for _ in range(attempt):
                pause = pauses.next()
            await self._clock.sleep(pause)
            queue = self._name
            headers: dict[str, str | int] = {ATTEMPT: attempt + 1}
        else:
            queue = dead_letter_queue(self._name)
            headers = {
                "dlq.queue": self._name,
                "dlq.attempts": attempt,
                "dlq.error.type": type(error).__name__,
                "dlq.error.message": str(error)[:_ERROR_CHARACTERS],
            }
        copy = aio_pika.Message(
            message.body,
            headers={**message.headers, **headers},
            message_id=message.message_id,
            content_type=message.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self._started().default_exchange.publish(copy, routing_key=queue)
        if attempt >= ATTEMPTS:
            _log.error("message parked", dead_letters=queue, **told)


async def _declare(channel: AbstractChannel, queue: str) -> None:
    """Make both queues, with the same arguments everywhere: the broker refuses others for what exists."""
    for name in (queue, dead_letter_queue(queue)):
        await channel.declare_queue(name, durable=True)


def _attributes(operation: str, queue: str, message_id: str | None) -> dict[str, str | int]:
    """By OpenTelemetry's conventions for messaging."""
    attributes: dict[str, str | int] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
    }
    return attributes | ({"messaging.message.id": message_id} if message_id else {})
