"""The ways that `benchmarks.messaging` compares: each starts, and yields what one turn does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import Producer as ConfluentProducer
from pydantic import BaseModel
from sqlalchemy import MetaData

from workbook_lib.kit.messaging import (
    Consumer,
    Message,
    Outbox,
    OutboxRelay,
    Outgoing,
    Position,
    Producer,
    ensure_topics,
)
from workbook_lib.kit.storage import Database

__all__ = ["KINDS", "Bodies", "Stopwatch", "Turn", "bodies"]

PARTITIONS = 3
KEYS = 50
AT_ONCE = 500
BATCH_BYTES = 128 * 1024
WAIT_SECONDS = 60.0

Bodies = list[tuple[str, bytes]]


class Stopwatch:
    """Time and processor time of this process, from `start`, whose first call counts, to `stop`."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0
        self._started: tuple[float, float] | None = None

    def start(self) -> None:
        """Now the work begins; a consumer has joined its group by then."""
        if self._started is None:
            self._started = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """Now all is done."""
        if self._started is None:
            raise RuntimeError("stopped before it was started")
        self.seconds = time.perf_counter() - self._started[0]
        self.cpu_seconds = time.process_time() - self._started[1]


Turn = Callable[[Stopwatch], Awaitable[None]]


class Event(BaseModel):
    """What the relay carries."""

    number: int
    note: str


def bodies(count: int) -> Bodies:
    """Keyed messages of about 200 bytes."""
    note = "x" * 140
    return [
        (f"key-{n % KEYS}", json.dumps({"event_id": f"{n:032x}", "number": n, "note": note}).encode())
        for n in range(count)
    ]


async def _topic(bootstrap: str) -> str:
    name = f"benchmark-{uuid4().hex[:8]}"
    await ensure_topics(bootstrap, {name: PARTITIONS}, timeout_seconds=15)
    return name


@asynccontextmanager
async def _bare_producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def _kit_producer(bootstrap: str) -> AsyncIterator[Producer]:
    producer = Producer(bootstrap, client_id="benchmark")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def bare_one_by_one(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """`send_and_wait` of aiokafka, AT_ONCE callers at a time, as requests to a service are."""
    topic = await _topic(bootstrap)
    async with _bare_producer(bootstrap) as producer:

        async def turn(watch: Stopwatch) -> None:
            watch.start()
            for start in range(0, len(messages), AT_ONCE):
                await asyncio.gather(
                    *(
                        producer.send_and_wait(topic, value, key=key.encode())
                        for key, value in messages[start : start + AT_ONCE]
                    )
                )
            watch.stop()

        yield turn


@asynccontextmanager
async def kit_one_by_one(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """`Producer.send`, likewise."""
    topic = await _topic(bootstrap)
    async with _kit_producer(bootstrap) as producer:

        async def turn(watch: Stopwatch) -> None:
            watch.start()
            for start in range(0, len(messages), AT_ONCE):
                await asyncio.gather(
                    *(producer.send(topic, key, value) for key, value in messages[start : start + AT_ONCE])
                )
            watch.stop()

        yield turn


@asynccontextmanager
async def bare_many(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """`send` of aiokafka for AT_ONCE messages, then all their futures."""
    topic = await _topic(bootstrap)
    async with _bare_producer(bootstrap) as producer:

        async def turn(watch: Stopwatch) -> None:
            watch.start()
            for start in range(0, len(messages), AT_ONCE):
                sent = [
                    await producer.send(topic, value, key=key.encode())
                    for key, value in messages[start : start + AT_ONCE]
                ]
                await asyncio.gather(*sent)
            watch.stop()

        yield turn


@asynccontextmanager
async def kit_many(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """`Producer.send_many` of AT_ONCE messages."""
    topic = await _topic(bootstrap)
    outgoing = [Outgoing(topic, key, value) for key, value in messages]
    async with _kit_producer(bootstrap) as producer:

        async def turn(watch: Stopwatch) -> None:
            watch.start()
            for start in range(0, len(outgoing), AT_ONCE):
                outcomes = await producer.send_many(outgoing[start : start + AT_ONCE])
                if not all(isinstance(outcome, Position) for outcome in outcomes):
                    raise RuntimeError(f"not all were sent: {outcomes[:3]}")
            watch.stop()

        yield turn


@asynccontextmanager
async def confluent_many(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """`produce` of confluent-kafka, then `flush`: librdkafka batches in threads of its own."""
    topic = await _topic(bootstrap)
    producer = ConfluentProducer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1})
    failed: list[Any] = []

    def answered(error: object, _message: object) -> None:
        if error is not None:
            failed.append(error)

    def all_sent() -> None:
        for start in range(0, len(messages), AT_ONCE):
            for key, value in messages[start : start + AT_ONCE]:
                producer.produce(topic, value, key=key, on_delivery=answered)
            if producer.flush(WAIT_SECONDS) or failed:
                raise RuntimeError(f"not all were sent: {failed[:3]}")

    async def turn(watch: Stopwatch) -> None:
        watch.start()
        await asyncio.to_thread(all_sent)
        watch.stop()

    yield turn


async def _filled(bootstrap: str, messages: Bodies) -> str:
    topic = await _topic(bootstrap)
    async with _kit_producer(bootstrap) as producer:
        for start in range(0, len(messages), AT_ONCE):
            await producer.send_many(
                [Outgoing(topic, key, value) for key, value in messages[start : start + AT_ONCE]]
            )
    return topic


def _handle(value: bytes) -> int:
    """What every receiver does with a message, the least that anybody would."""
    return len(json.loads(value))


@asynccontextmanager
async def bare_receiving(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """`getmany` of aiokafka, a handler awaited for each record, a commit a poll."""
    topic = await _filled(bootstrap, messages)

    async def handle(record: Any) -> None:  # noqa: ANN401 - a ConsumerRecord, which is generic
        _handle(record.value)

    async def turn(watch: Stopwatch) -> None:
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=uuid4().hex,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            received = 0
            while received < len(messages):
                for records in (await consumer.getmany(timeout_ms=200, max_records=500)).values():
                    watch.start()
                    for record in records:
                        await handle(record)
                    received += len(records)
                await consumer.commit()
            watch.stop()
        finally:
            await consumer.stop()

    yield turn


@asynccontextmanager
async def kit_receiving(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """The kit's Consumer: retries, dead letters, a span and a bound for each message, lanes, commits."""
    topic = await _filled(bootstrap, messages)

    async def turn(watch: Stopwatch) -> None:
        received = 0
        all_there = asyncio.Event()

        async def handle(message: Message) -> None:
            nonlocal received
            watch.start()
            _handle(message.value)
            received += 1
            if received == len(messages):
                watch.stop()
                all_there.set()

        consumer = Consumer(bootstrap, [topic], uuid4().hex, handle)
        await consumer.start()
        worker = asyncio.create_task(consumer.run())
        try:
            await all_there.wait()
        finally:
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker
            await consumer.stop()

    yield turn


@asynccontextmanager
async def confluent_receiving(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """`consume` of confluent-kafka, a commit a batch."""
    topic = await _filled(bootstrap, messages)

    def all_received(watch: Stopwatch) -> None:
        consumer = ConfluentConsumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": uuid4().hex,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([topic])
        try:
            received = 0
            while received < len(messages):
                batch = consumer.consume(500, timeout=0.2)
                if batch:
                    watch.start()
                for message in batch:
                    if message.error():
                        raise RuntimeError(str(message.error()))
                    _handle(message.value() or b"")
                received += len(batch)
                if batch:
                    consumer.commit(asynchronous=False)
            watch.stop()
        finally:
            consumer.close()

    async def turn(watch: Stopwatch) -> None:
        await asyncio.to_thread(all_received, watch)

    yield turn


@asynccontextmanager
async def _outbox(bootstrap: str) -> AsyncIterator[tuple[Database, Outbox, OutboxRelay]]:
    """An outbox in an SQLite file, and its relay, which doesn't run yet."""
    metadata = MetaData()
    outbox = Outbox(metadata)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/own.db", metadata=metadata)
        await database.start()
        try:
            yield database, outbox, OutboxRelay(database, outbox, Producer(bootstrap, client_id="relay"))
        finally:
            await database.stop()


async def _until_empty(database: Database, outbox: Outbox) -> None:
    while True:
        async with database.session(read_only=True) as session:
            if not await outbox.waiting(session):
                return
        await asyncio.sleep(0.005)


async def _cancel(worker: asyncio.Task[None]) -> None:
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker


@asynccontextmanager
async def relaying(bootstrap: str, messages: Bodies) -> AsyncIterator[Turn]:
    """The relay empties an outbox that has filled up, as after an outage."""
    topic = await _topic(bootstrap)
    async with _outbox(bootstrap) as (database, outbox, relay):

        async def turn(watch: Stopwatch) -> None:
            async with database.session() as session:
                for key, value in messages:
                    await outbox.add(session, topic, key, Event.model_validate_json(value))
            watch.start()
            worker = asyncio.create_task(relay.run())
            await _until_empty(database, outbox)
            watch.stop()
            await _cancel(worker)

        yield turn


KINDS: dict[str, dict[str, Callable[[str, Bodies], AbstractAsyncContextManager[Turn]]]] = {
    "send, each awaited": {"aiokafka": bare_one_by_one, "kit": kit_one_by_one},
    "send many": {"aiokafka": bare_many, "kit": kit_many, "confluent-kafka": confluent_many},
    "receive": {"aiokafka": bare_receiving, "kit": kit_receiving, "confluent-kafka": confluent_receiving},
    "outbox to Kafka": {"kit": relaying},
}
"""The first way of each kind is what the others are compared with."""
