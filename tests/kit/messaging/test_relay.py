"""Rule of "Messages" for the relay: it publishes in order per key, at least once, and loses nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import BaseModel
from sqlalchemy import MetaData

from tests.kit.messaging.conftest import Received, running
from workbook_lib.kit.failpoints import arm, disarm, passed
from workbook_lib.kit.messaging import (
    Consumer,
    MessagingError,
    Outbox,
    OutboxRelay,
    Outgoing,
    Position,
    Producer,
    event_id_of,
)
from workbook_lib.kit.storage import Database
from workbook_lib.lab.evidence import eventually


class Number(BaseModel):
    n: int


class Large(BaseModel):
    text: str


METADATA = MetaData()
OUTBOX = Outbox(METADATA)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/own.db", metadata=METADATA)
    await database.start()
    yield database
    await database.stop()


@contextlib.asynccontextmanager
async def relaying(*relays: OutboxRelay) -> AsyncIterator[None]:
    workers = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield
        assert not any(worker.done() for worker in workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def store(database: Database, topic: str, key: str | None, *numbers: int) -> None:
    async with database.session() as session:
        for n in numbers:
            await OUTBOX.add(session, topic, key, Number(n=n))


def empty(database: Database, left: int = 0) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        async with database.session(read_only=True) as session:
            return await OUTBOX.waiting(session) == left

    return check


def numbers(received: Received, key: str) -> list[int]:
    """Of one key, each event once, in the order in which they first came: what an inbox lets through."""
    first = {event_id_of(message): message for message in received.messages if message.key == key}
    return [Number.model_validate_json(message.value).n for message in first.values()]


class Stalled:
    """A relay's producer that stands still before it sends, as in a process that was stopped just there."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.bootstrap = producer.bootstrap
        self.reached, self.may_go = asyncio.Event(), asyncio.Event()

    async def start(self) -> None:
        await self._producer.start()

    async def drop(self) -> None:
        await self._producer.drop()

    async def send_many(
        self, messages: Sequence[Outgoing], *, timeout_seconds: float
    ) -> list[Position | MessagingError]:
        self.reached.set()
        await self.may_go.wait()
        return await self._producer.send_many(messages, timeout_seconds=timeout_seconds)


async def test_what_is_stored_arrives_in_order_with_its_id_and_leaves_the_outbox(
    kafka_bootstrap: str, database: Database, topic: str
) -> None:
    received = Received()
    relay = OutboxRelay(database, OUTBOX, Producer(kafka_bootstrap, client_id="relay"), batch=7)
    await store(database, topic, "before", *range(20))
    async with running(Consumer(kafka_bootstrap, [topic], "relay", received)), relaying(relay):
        await asyncio.gather(*(store(database, topic, key, *range(20)) for key in ("u1", "u2")))
        await received.count(60)
        await eventually(empty(database))
    assert [numbers(received, key) for key in ("before", "u1", "u2")] == [list(range(20))] * 3
    assert len({event_id_of(message) for message in received.messages}) == 60


async def test_the_relay_sleeps_until_a_commit_wakes_it(
    kafka_bootstrap: str, database: Database, topic: str
) -> None:
    relay = OutboxRelay(database, OUTBOX, Producer(kafka_bootstrap, client_id="relay"), poll_seconds=3600)
    async with relaying(relay):
        for n in range(3):
            await store(database, topic, "u1", n)
            await eventually(empty(database))


async def test_what_another_process_stored_is_found_by_polling(
    kafka_bootstrap: str, database: Database, topic: str
) -> None:
    relay = OutboxRelay(database, OUTBOX, Producer(kafka_bootstrap, client_id="relay"), poll_seconds=0.05)
    elsewhere = Outbox(MetaData())  # its commits wake nobody here
    async with relaying(relay):
        async with database.session() as session:
            await elsewhere.add(session, topic, "u1", Number(n=0))
        await eventually(empty(database))


async def test_without_kafka_rows_stay_and_the_relay_tries_again_with_pauses(
    database: Database, topic: str
) -> None:
    relay = OutboxRelay(database, OUTBOX, Producer("127.0.0.1:1", client_id="relay"))
    before = passed().get("outbox.before_publish", 0)
    async with relaying(relay):
        await store(database, topic, "u1", *range(3))
        await asyncio.sleep(1)
    assert await empty(database, left=3)()
    assert passed().get("outbox.before_publish", 0) == before


async def test_a_failure_between_acknowledgement_and_deletion_neither_repeats_nor_loses(
    kafka_bootstrap: str, database: Database, topic: str
) -> None:
    received = Received()
    relay = OutboxRelay(database, OUTBOX, Producer(kafka_bootstrap, client_id="relay"), batch=5)
    await store(database, topic, "u1", *range(10))
    arm("outbox.published", "error", count=2)
    try:
        async with running(Consumer(kafka_bootstrap, [topic], "relay", received)), relaying(relay):
            await received.count(10)
            await eventually(empty(database))
            await store(database, topic, "u1", 10)
            await received.count(11)
    finally:
        disarm("outbox.published")
    assert [Number.model_validate_json(message.value).n for message in received.messages] == list(range(11))


async def test_an_event_that_is_refused_is_parked_and_holds_back_only_its_key(
    kafka_bootstrap: str, database: Database, topic: str
) -> None:
    """The broker refuses a whole batch for one message in it; the others must go on nevertheless."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    small = f"{topic}-small"
    await admin.create_topics([NewTopic(small, 1, 1, topic_configs={"max.message.bytes": "2000"})])
    await admin.close()
    received = Received()
    relay = OutboxRelay(database, OUTBOX, Producer(kafka_bootstrap, client_id="relay"))
    async with database.session() as session:
        await OUTBOX.add(session, small, "u1", Number(n=0))
        await OUTBOX.add(session, small, "u2", Number(n=0))
        poison = await OUTBOX.add(session, small, "u1", Large(text="x" * 3000))
        await OUTBOX.add(session, small, "u1", Number(n=1))
        await OUTBOX.add(session, small, "u2", Number(n=1))
        await OUTBOX.add(session, topic, "u1", Number(n=7))
        nowhere = await OUTBOX.add(session, "no such topic", "u1", Number(n=0))
    async with running(Consumer(kafka_bootstrap, [small, topic], "relay", received)), relaying(relay):
        await received.count(4)
        await eventually(empty(database, left=3), 60)
        async with database.session(read_only=True) as session:
            parked = await OUTBOX.parked(session)
        assert [event.event_id for event in parked] == [poison, nowhere]
        assert "MessageSizeTooLarge" in parked[0].error
        assert "name of a topic" in parked[1].error
        await store(database, small, "u2", 2)  # the producer goes on behind what was refused
        await received.count(5)
        async with database.session() as session:
            await OUTBOX.discard(session, poison)
            await OUTBOX.discard(session, nowhere)
        await received.count(6)
        await eventually(empty(database))
    at_small = [message for message in received.messages if message.topic == small]
    assert [m.value for m in at_small if m.key == "u1"] == [b'{"n":0}', b'{"n":1}']
    assert [m.value for m in at_small if m.key == "u2"] == [b'{"n":0}', b'{"n":1}', b'{"n":2}']


async def test_a_relay_that_stood_still_and_goes_on_changes_no_order_and_loses_nothing(
    kafka_bootstrap: str, database: Database, topic: str
) -> None:
    """It read, was stopped for longer than its lease, another went on, and then it sends what it had read."""
    received = Received()
    stalled = Stalled(Producer(kafka_bootstrap, client_id="stalled"))
    slow = OutboxRelay(database, OUTBOX, stalled, batch=10, lease_seconds=0.3, poll_seconds=0.05)  # type: ignore[arg-type]
    other = OutboxRelay(
        database, OUTBOX, Producer(kafka_bootstrap, client_id="other"), batch=10, poll_seconds=0.05
    )
    async with running(Consumer(kafka_bootstrap, [topic], "relay", received)), relaying(slow):
        await store(database, topic, "u1", *range(15))
        await asyncio.wait_for(stalled.reached.wait(), 30)
        async with relaying(other):
            await received.count(15)
            await store(database, topic, "u1", *range(15, 20))
            await received.count(20)
            stalled.may_go.set()
            await received.count(30)
            await store(database, topic, "u1", *range(20, 25))
            await received.count(35)
            await eventually(empty(database))
    assert numbers(received, "u1") == list(range(25))


async def test_of_two_relays_one_works_and_the_other_takes_over(
    kafka_bootstrap: str, database: Database, topic: str
) -> None:
    received = Received()
    one, two = (
        OutboxRelay(database, OUTBOX, Producer(kafka_bootstrap, client_id=name), batch=5, poll_seconds=0.05)
        for name in ("one", "two")
    )
    async with running(Consumer(kafka_bootstrap, [topic], "relay", received)), relaying(two):
        async with relaying(one):
            for start in range(0, 100, 10):
                await store(database, topic, "u1", *range(start, start + 10))
            await received.count(100)
        await store(database, topic, "u1", *range(100, 110))
        await received.count(110)
        await eventually(empty(database))
    assert [Number.model_validate_json(message.value).n for message in received.messages] == list(range(110))
