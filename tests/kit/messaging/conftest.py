"""A producer, fresh topics and a consumer that is run like a service's worker."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from workbook_lib.kit.messaging import Consumer, Message, Producer, ensure_topics


@pytest.fixture
async def producer(kafka_bootstrap: str) -> AsyncIterator[Producer]:
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    name = f"topic-{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka_bootstrap, {name: 3})
    return name


class Received:
    """A handler that keeps what it gets, and lets a test wait for it."""

    def __init__(self, on_message: Callable[[Message], object] = lambda message: None) -> None:
        self.messages: list[Message] = []
        self._on_message = on_message
        self._more = asyncio.Event()

    async def __call__(self, message: Message) -> None:
        outcome = self._on_message(message)
        if asyncio.iscoroutine(outcome):
            await outcome
        self.messages.append(message)
        self._more.set()

    @property
    def values(self) -> list[bytes]:
        return [message.value for message in self.messages]

    async def count(self, count: int) -> list[Message]:
        async with asyncio.timeout(15):
            while len(self.messages) < count:
                self._more.clear()
                await self._more.wait()
        return self.messages


@contextlib.asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[Consumer]:
    """Start, run as a worker, and stop in a service's order."""
    await consumer.start()
    worker = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        await consumer.stop()
