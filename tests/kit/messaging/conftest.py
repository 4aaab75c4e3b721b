"""A producer, fresh topics, a consumer that is run like a service's worker, databases of both kinds."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from workbook_lib.kit.messaging import Consumer, Message, Producer, ensure_topics
from workbook_lib.kit.storage import Database


@pytest.fixture
async def producer(kafka_bootstrap: str) -> AsyncIterator[Producer]:
    producer = Producer(kafka_bootstrap, client_id="test", start_timeout_seconds=30, stop_timeout_seconds=30)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    name = f"topic-{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka_bootstrap, {name: 3}, 30)
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
        async with asyncio.timeout(60):
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


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/own.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@contextlib.asynccontextmanager
async def own_database(url: str, metadata: MetaData) -> AsyncIterator[Database]:
    """The database at `url` with the tables of `metadata`, which are gone afterwards."""
    database = Database(url, metadata=metadata)
    await database.start()
    try:
        yield database
    finally:
        async with database.session() as session:
            await session.run_sync(lambda own: metadata.drop_all(own.connection()))
        await database.stop()
