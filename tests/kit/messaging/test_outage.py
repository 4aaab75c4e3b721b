"""Rule of "Messages": bounded timeouts everywhere, also when the broker goes away in the middle of things."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from pydantic import BaseModel
from sqlalchemy import MetaData

from tests.kit.messaging.conftest import Received, running
from workbook_lib.kit.failpoints import passed
from workbook_lib.kit.messaging import (
    Consumer,
    MessagingError,
    Outbox,
    OutboxRelay,
    Outgoing,
    Producer,
    ensure_topics,
    event_id_of,
)
from workbook_lib.kit.storage import Database
from workbook_lib.lab import Lab
from workbook_lib.lab.evidence import eventually

TOPIC = "outage"
BUSY_SECONDS = 3.0  # for which a busy machine may forget this process on top of a bound


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    """The bootstrap address and process id of a Kafka of the test's own, with a topic."""
    async with Lab("outage", root=tmp_path) as lab:
        await lab.start("kafka")
        bootstrap = lab["kafka"].environment["KAFKA_BOOTSTRAP_SERVERS"]
        await ensure_topics(bootstrap, {TOPIC: 1}, 30)
        yield bootstrap, lab["kafka"].pid


async def signalled(pid: int, number: signal.Signals) -> None:
    """Send a signal that ends or freezes the process, and wait until it has."""
    os.kill(pid, number)
    ended = (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    async with asyncio.timeout(15):
        with contextlib.suppress(psutil.NoSuchProcess):  # once its parent has heard of its end
            while psutil.Process(pid).status() not in ended:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def left_over() -> set[str]:
    """The tasks of aiokafka that still run a moment after a stop."""
    for _ in range(25):  # in turns of the loop, in which they can end, not in a time that may be lost
        await asyncio.sleep(0.02)
    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}
    return {name for name in names if not name.startswith(("test_", "Lab"))}


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP], ids=["crashed", "frozen"])
async def test_send_check_and_stop_end_within_their_bounds_without_a_broker(
    broker: tuple[str, int], way: signal.Signals
) -> None:
    bootstrap, pid = broker
    producer = Producer(bootstrap, client_id="test", stop_timeout_seconds=1.0)
    await producer.start()
    await producer.send(TOPIC, "u1", b"before")
    await signalled(pid, way)

    started = time.monotonic()
    with pytest.raises(MessagingError, match="not acknowledged in 1 s"):
        await producer.send(TOPIC, "u1", b"after", timeout_seconds=1)
    assert time.monotonic() - started < 1.5 + BUSY_SECONDS

    started = time.monotonic()
    outcomes = await producer.send_many(
        [Outgoing(TOPIC, "u1", b"many"), Outgoing("never-heard-of", "u1", b"many")], timeout_seconds=1
    )
    assert time.monotonic() - started < 1.5 + BUSY_SECONDS
    assert [type(outcome) for outcome in outcomes] == [MessagingError] * 2  # not refused: nobody was there

    started = time.monotonic()
    with pytest.raises(MessagingError):
        await producer.check()
    assert time.monotonic() - started < 3.5 + BUSY_SECONDS

    started = time.monotonic()
    with pytest.raises(MessagingError, match="not all messages were acknowledged"):
        await producer.stop()
    assert time.monotonic() - started < 2.5 + BUSY_SECONDS
    assert await left_over() == set()


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP], ids=["crashed", "frozen"])
async def test_a_consumer_stops_within_its_bound_without_a_broker(
    broker: tuple[str, int], way: signal.Signals
) -> None:
    bootstrap, pid = broker
    consumer = Consumer(bootstrap, [TOPIC], "outage", Received(), stop_timeout_seconds=1.0)
    await consumer.start()
    worker = asyncio.create_task(consumer.run())
    await signalled(pid, way)
    await asyncio.sleep(0.5)
    assert not worker.done()

    started = time.monotonic()
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker
    with contextlib.suppress(MessagingError):
        await consumer.stop()
    assert time.monotonic() - started < 4
    assert await left_over() == set()


class Number(BaseModel):
    n: int


async def test_a_relay_keeps_what_a_frozen_broker_does_not_take_and_ends_within_its_bound(
    broker: tuple[str, int], tmp_path: Path
) -> None:
    bootstrap, pid = broker
    metadata = MetaData()
    outbox = Outbox(metadata)
    database = Database(f"sqlite:///{tmp_path}/own.db", metadata=metadata)
    await database.start()

    async def store(n: int) -> None:
        async with database.session() as session:
            await outbox.add(session, TOPIC, "u1", Number(n=n))

    async def left() -> int:
        async with database.session(read_only=True) as session:
            return await outbox.waiting(session)

    async def none_left() -> bool:
        return await left() == 0

    def relay() -> OutboxRelay:
        return OutboxRelay(database, outbox, Producer(bootstrap, client_id="relay"), publish_seconds=1)

    received = Received()
    async with running(Consumer(bootstrap, [TOPIC], "outage", received)):
        worker = asyncio.create_task(relay().run())
        await store(0)
        await eventually(none_left)
        await signalled(pid, signal.SIGSTOP)
        tried = passed()["outbox.before_publish"]
        for n in range(1, 4):
            await store(n)
        await eventually(lambda: passed()["outbox.before_publish"] > tried)
        started = time.monotonic()
        worker.cancel()
        await asyncio.wait([worker])
        assert time.monotonic() - started < 5
        assert worker.cancelled()
        assert await left() == 3

        os.kill(pid, signal.SIGCONT)
        worker = asyncio.create_task(relay().run())
        await eventually(none_left, 30)
        await eventually(lambda: len({event_id_of(message) for message in received.messages}) == 4)
        worker.cancel()
        await asyncio.wait([worker])
    await database.stop()
    first = {event_id_of(message): message.value for message in received.messages}
    assert list(first.values()) == [b'{"n":%d}' % n for n in range(4)]


def by_offset(received: Received) -> dict[int, bytes]:
    """What lies in the topic: a consumer whose session ended with the freeze gets some of it again."""
    return {message.offset: message.value for message in received.messages}


async def test_what_was_sent_during_a_freeze_arrives_once_and_in_order_after_it(
    broker: tuple[str, int],
) -> None:
    bootstrap, pid = broker
    received = Received()
    producer = Producer(bootstrap, client_id="test")
    await producer.start()
    async with running(Consumer(bootstrap, [TOPIC], "outage", received)):
        await producer.send(TOPIC, "u1", b"0")
        await received.count(1)
        await signalled(pid, signal.SIGSTOP)
        sending = [
            asyncio.create_task(producer.send(TOPIC, "u1", str(n).encode(), timeout_seconds=20))
            for n in range(1, 6)
        ]
        await asyncio.sleep(4)  # longer than a request may take, so that batches are sent again
        os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*sending)
        await eventually(lambda: len(by_offset(received)) == 6)
        await producer.send(TOPIC, "u1", b"6")
        await eventually(lambda: len(by_offset(received)) == 7)
    await producer.stop()
    assert list(by_offset(received).values()) == [str(n).encode() for n in range(7)]
