"""Rules of "Messages" for receiving.

"Offsets committed after the effect; per-key order kept; a poison message goes to <topic>.dlq with its
headers, original position and error after bounded retries; the loop is never blocked."
"""

import asyncio
import contextlib
import time
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.kit.messaging.conftest import Received, running
from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.messaging import Consumer, Message, MessagingError, Producer, dead_letter_topic, header


@pytest.fixture
def group() -> str:
    return f"group-{uuid.uuid4().hex[:8]}"


async def committed(bootstrap: str, group: str) -> int:
    """How many messages the group has committed, over all partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return sum(offset.offset for offset in offsets.values())


async def until_committed(bootstrap: str, group: str, count: int) -> None:
    async with asyncio.timeout(10):
        while await committed(bootstrap, group) != count:  # noqa: ASYNC110 - only Kafka knows
            await asyncio.sleep(0.05)


async def dead_letters(bootstrap: str, topic: str, count: int) -> list[Message]:
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await reader.start()
    try:
        partition = TopicPartition(dead_letter_topic(topic), 0)
        reader.assign([partition])
        await reader.seek_to_beginning(partition)
        return [Message.of(await asyncio.wait_for(reader.getone(), 10)) for _ in range(count)]
    finally:
        await reader.stop()


async def test_messages_arrive_with_all_that_was_sent(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    position = await producer.send(topic, "u1", b"hello", headers=[("origin", b"test")])

    received = Received()
    async with running(Consumer(kafka_bootstrap, [topic], group, received)):
        (message,) = await received.count(1)

    assert (message.topic, message.partition, message.offset) == (
        position.topic,
        position.partition,
        position.offset,
    )
    assert (message.key, message.value) == ("u1", b"hello")
    assert header(message, "origin") == "test"
    assert header(message, "absent") is None
    assert message.timestamp.utcoffset() is not None


async def test_the_order_of_each_key_is_kept_while_keys_run_beside_each_other(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    keys = [f"u{n}" for n in range(6)]
    await asyncio.gather(
        *(producer.send(topic, key, f"{key}:{n}".encode()) for n in range(20) for key in keys)
    )

    async def uneven(message: Message) -> None:
        await asyncio.sleep(0.002 if message.key == "u1" else 0)

    received = Received(uneven)
    async with running(Consumer(kafka_bootstrap, [topic], group, received)):
        await received.count(120)

    for key in keys:
        assert [m.value for m in received.messages if m.key == key] == [
            f"{key}:{n}".encode() for n in range(20)
        ]


async def test_an_offset_is_committed_only_after_the_effect(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    await producer.send(topic, "u1", b"first")
    under_way, may_finish = asyncio.Event(), asyncio.Event()

    async def slow(message: Message) -> None:
        under_way.set()
        await may_finish.wait()

    received = Received(slow)
    async with running(Consumer(kafka_bootstrap, [topic], group, received)):
        await asyncio.wait_for(under_way.wait(), 10)
        await asyncio.sleep(0.5)  # more than two polls, each of which might have committed
        assert await committed(kafka_bootstrap, group) == 0
        may_finish.set()
        await until_committed(kafka_bootstrap, group, 1)


async def test_a_message_whose_effect_was_cut_off_comes_again_and_a_finished_one_does_not(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    for value in (b"done", b"cut off"):
        await producer.send(topic, "u1", value)
    started = asyncio.Event()

    async def hangs_on_the_second(message: Message) -> None:
        if message.value == b"cut off":
            started.set()
            await asyncio.Event().wait()

    first = Received(hangs_on_the_second)
    async with running(Consumer(kafka_bootstrap, [topic], group, first)):
        await asyncio.wait_for(started.wait(), 10)
    assert first.values == [b"done"]

    second = Received()
    async with running(Consumer(kafka_bootstrap, [topic], group, second)):
        await second.count(1)
        await until_committed(kafka_bootstrap, group, 2)
    assert second.values == [b"cut off"]


async def test_stopping_lets_the_message_under_way_finish_and_commits_it(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    await producer.send(topic, "u1", b"under way")
    started = asyncio.Event()

    async def takes_a_moment(message: Message) -> None:
        started.set()
        await asyncio.sleep(0.3)

    received = Received(takes_a_moment)
    async with running(Consumer(kafka_bootstrap, [topic], group, received)):
        await asyncio.wait_for(started.wait(), 10)

    assert received.values == [b"under way"]
    assert await committed(kafka_bootstrap, group) == 1


async def test_a_poison_message_is_parked_with_headers_position_and_error_and_those_behind_it_go_on(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    poison = await producer.send(topic, "u1", b"poison", headers=[("origin", b"test")])
    await producer.send(topic, "u1", b"behind it")
    attempts = []

    def refuse(message: Message) -> None:
        if message.value == b"poison":
            attempts.append(message.offset)
            raise Conflict("stock is negative")

    received = Received(refuse)
    async with running(Consumer(kafka_bootstrap, [topic], group, received, attempts=3)):
        await received.count(1)
        await until_committed(kafka_bootstrap, group, 2)

    assert received.values == [b"behind it"]
    assert attempts == [poison.offset] * 3
    (parked,) = await dead_letters(kafka_bootstrap, topic, 1)
    assert (parked.key, parked.value) == ("u1", b"poison")
    assert (
        dict(parked.headers).items()
        >= {
            "origin": b"test",
            "dlq.topic": topic.encode(),
            "dlq.partition": str(poison.partition).encode(),
            "dlq.offset": str(poison.offset).encode(),
            "dlq.group": group.encode(),
            "dlq.attempts": b"3",
            "dlq.error.type": b"Conflict",
            "dlq.error.message": b"stock is negative",
        }.items()
    )


async def test_a_message_that_fails_once_is_handled_by_the_next_attempt(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    await producer.send(topic, "u1", b"flaky")
    failures = iter([ConnectionError("database away")])

    def fail_once(message: Message) -> None:
        for failure in failures:
            raise failure

    received = Received(fail_once)
    async with running(Consumer(kafka_bootstrap, [topic], group, received)):
        await received.count(1)
    assert received.values == [b"flaky"]


async def test_a_handler_that_hangs_fails_its_attempts_and_blocks_nobody(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    hanging = await producer.send(topic, "u1", b"hangs")
    others = [f"u{n}" for n in range(2, 30)]
    sent = await asyncio.gather(*(producer.send(topic, key, b"fine") for key in others))
    elsewhere = [position for position in sent if position.partition != hanging.partition]

    async def hang(message: Message) -> None:
        if message.value == b"hangs":
            await asyncio.Event().wait()

    received = Received(hang)
    consumer = Consumer(kafka_bootstrap, [topic], group, received, attempts=2, handler_timeout_seconds=3.0)
    async with running(consumer):
        await received.count(len(elsewhere))
        assert {m.partition for m in received.messages} == {position.partition for position in elsewhere}
        await received.count(len(others))
    (parked,) = await dead_letters(kafka_bootstrap, topic, 1)
    assert header(parked, "dlq.error.type") == "TimeoutError"


async def test_a_slow_handler_bounds_what_is_held_in_memory_and_loses_nothing(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    count = 4000
    await asyncio.gather(
        *(producer.send(topic, "u1", str(n).encode(), timeout_seconds=20) for n in range(count))
    )
    may_go = asyncio.Event()

    async def wait(message: Message) -> None:
        await may_go.wait()

    received = Received(wait)
    consumer = Consumer(kafka_bootstrap, [topic], group, received)
    async with running(consumer):
        held: list[int] = []
        async with asyncio.timeout(25):
            while len(held) < 3 or held[-1] < 1000 or held[-1] != held[-3]:
                held.append(sum(map(len, consumer._lanes.values())))
                await asyncio.sleep(0.3)
        assert held[-1] < 2000
        may_go.set()
        await received.count(count)
    assert received.values == [str(n).encode() for n in range(count)]


async def test_members_of_a_group_share_the_partitions_and_take_over_from_one_that_leaves(
    kafka_bootstrap: str, producer: Producer, topic: str, group: str
) -> None:
    one, two = Received(), Received()
    async with running(Consumer(kafka_bootstrap, [topic], group, one)):
        async with running(Consumer(kafka_bootstrap, [topic], group, two)):
            sent = await asyncio.gather(*(producer.send(topic, f"u{n}", b"both") for n in range(60)))
            async with asyncio.timeout(15):
                while len(one.messages) + len(two.messages) < len(sent):  # noqa: ASYNC110 - two handlers
                    await asyncio.sleep(0.05)
            assert one.messages
            assert two.messages
        handled = len(two.messages)
        await asyncio.gather(*(producer.send(topic, f"u{n}", b"one") for n in range(60)))
        await one.count(120 - handled)
    assert len(two.messages) == handled
    seen = [(m.partition, m.offset) for m in one.messages + two.messages]
    assert len(seen) == len(set(seen)) == 120


async def test_a_consumer_against_a_dead_broker_is_an_error_at_once() -> None:
    consumer = Consumer("127.0.0.1:1", ["any"], "any", Received())

    started = time.monotonic()
    with pytest.raises(MessagingError):
        await consumer.start()
    assert time.monotonic() - started < 5  # it may take 10
    await consumer.stop()


async def test_run_ends_when_the_consumer_is_stopped(kafka_bootstrap: str, topic: str, group: str) -> None:
    consumer = Consumer(kafka_bootstrap, [topic], group, Received())
    with pytest.raises(MessagingError, match="isn't started"):
        await consumer.run()
    await consumer.start()
    worker = asyncio.create_task(consumer.run())
    await asyncio.sleep(0)
    await consumer.stop()
    await asyncio.wait_for(worker, 5)
    with contextlib.suppress(MessagingError):
        await consumer.stop()


async def test_start_against_a_broker_that_never_answers_ends_within_its_bound(black_hole: str) -> None:
    consumer = Consumer(black_hole, ["any"], "any", Received(), start_timeout_seconds=0.5)

    started = time.monotonic()
    with pytest.raises(MessagingError):
        await consumer.start()
    assert time.monotonic() - started < 5  # it is 10 by default
    await consumer.stop()
