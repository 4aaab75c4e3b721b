"""Rules of "Messages" for sending: acks=all, idempotence, bounded send, start and stop, flush at stop."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import BaseModel

from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.messaging import (
    MessageRefused,
    MessagingError,
    Outgoing,
    Position,
    Producer,
    Topics,
    ensure_topics,
)
from workbook_lib.lab.evidence import topic_records


async def test_a_sent_message_is_in_the_log_where_the_position_says(
    kafka_bootstrap: str, producer: Producer, topic: str
) -> None:
    class Event(BaseModel):
        name: str

    position = await producer.send(topic, "u1", Event(name="Ann"), headers=[("origin", b"test")])

    reader = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
    await reader.start()
    try:
        reader.assign([TopicPartition(position.topic, position.partition)])
        reader.seek(TopicPartition(position.topic, position.partition), position.offset)
        record = await asyncio.wait_for(reader.getone(), 10)
    finally:
        await reader.stop()
    assert (record.key, record.value) == (b"u1", b'{"name":"Ann"}')
    assert ("origin", b"test") in record.headers


async def test_messages_of_one_key_lie_in_one_partition_in_the_order_sent(
    producer: Producer, topic: str
) -> None:
    positions = await asyncio.gather(*(producer.send(topic, "u1", str(n).encode()) for n in range(20)))

    assert {position.partition for position in positions} == {positions[0].partition}
    assert [position.offset for position in positions] == list(range(20))


async def test_start_against_a_dead_broker_is_an_error_at_once() -> None:
    producer = Producer("127.0.0.1:1", client_id="test")

    started = time.monotonic()
    with pytest.raises(MessagingError, match=r"127\.0\.0\.1:1"):
        await producer.start()
    assert time.monotonic() - started < 4  # it may take 5
    assert issubclass(MessagingError, Unavailable)


async def test_start_against_a_broker_that_never_answers_ends_within_its_bound(black_hole: str) -> None:
    producer = Producer(black_hole, client_id="test", start_timeout_seconds=0.5)

    started = time.monotonic()
    with pytest.raises(MessagingError, match="no answer in time"):  # by its own bound, not aiokafka's
        await producer.start()
    assert time.monotonic() - started < 4


async def test_a_topic_that_cannot_be_created_ends_within_its_bound(black_hole: str) -> None:
    started = time.monotonic()
    with pytest.raises(MessagingError):
        await ensure_topics(black_hole, {"any": 1}, timeout_seconds=0.5)
    assert time.monotonic() - started < 4  # it is 5 by default


async def test_ensuring_topics_twice_changes_nothing(kafka_bootstrap: str, topic: str) -> None:
    await ensure_topics(kafka_bootstrap, {topic: 1})

    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    try:
        sent = await asyncio.gather(*(producer.send(topic, str(n), b"") for n in range(30)))
    finally:
        await producer.stop()
    assert {position.partition for position in sent} == {0, 1, 2}


async def test_a_topic_that_kafka_refuses_is_an_error_that_says_why(kafka_bootstrap: str) -> None:
    with pytest.raises(MessagingError, match="InvalidTopic"):
        await ensure_topics(kafka_bootstrap, {"no spaces allowed": 1})


async def test_a_producer_that_is_not_started_says_so(kafka_bootstrap: str) -> None:
    producer = Producer(kafka_bootstrap, client_id="test")
    with pytest.raises(MessagingError, match="isn't started"):
        await producer.send("any", None, b"")
    await producer.stop()


async def test_check_passes_while_a_broker_answers(producer: Producer) -> None:
    await producer.check()


async def test_start_and_stop_can_be_repeated(kafka_bootstrap: str, topic: str) -> None:
    producer = Producer(kafka_bootstrap, client_id="test")
    for offset in range(2):
        await producer.start()
        await producer.start()
        assert (await producer.send(topic, "k", b"")).offset == offset
        await producer.stop()
        await producer.stop()


async def test_topics_are_a_resource_that_leaves_them_behind(
    kafka_bootstrap: str, producer: Producer
) -> None:
    topics = Topics(kafka_bootstrap, {"as-a-resource": 4})
    await topics.start()
    await topics.stop()
    assert (await producer.send("as-a-resource", "k", b"")).topic == "as-a-resource"


async def test_many_messages_are_where_their_positions_say_each_key_in_its_order(
    kafka_bootstrap: str, producer: Producer, topic: str
) -> None:
    messages = [Outgoing(topic, f"u{n % 7}", b"%d" % n, (("n", b"%d" % n),)) for n in range(2000)]
    messages += [Outgoing(topic, None, b"x" * 200_000)]  # more than a batch holds
    outcomes = await producer.send_many(messages, timeout_seconds=20)

    records = {(r.partition, r.offset): r for r in await topic_records(kafka_bootstrap, topic)}
    assert len(records) == len(set(outcomes)) == len(messages)
    by_key: dict[str, list[tuple[int, int]]] = {}
    for message, outcome in zip(messages, outcomes, strict=True):
        assert isinstance(outcome, Position)
        record = records[outcome.partition, outcome.offset]
        assert (record.key, record.value) == (message.key, message.value)
        if message.key is not None:
            assert record.headers["n"] == message.value.decode()
            by_key.setdefault(message.key, []).append((outcome.partition, outcome.offset))
    assert all(places == sorted(places) for places in by_key.values())


async def test_what_can_never_be_sent_is_refused_at_once_and_holds_back_its_key_alone(
    producer: Producer, topic: str
) -> None:
    large = b"x" * 1024 * 1024
    for refused in (producer.send(topic, "u1", large), producer.send("no such name", "u1", b"")):
        with pytest.raises(MessageRefused):
            await refused
    assert not MessageRefused.retryable
    outcomes = await producer.send_many(
        [Outgoing(topic, "u1", large), Outgoing(topic, "u1", b"behind"), Outgoing(topic, "u2", b"fine")]
    )
    assert [type(outcome) for outcome in outcomes] == [MessageRefused, MessagingError, Position]


async def test_a_producer_goes_on_behind_a_message_that_the_broker_refused(
    kafka_bootstrap: str, producer: Producer, topic: str
) -> None:
    """aiokafka's own fails every later batch of that partition as out of order."""
    small = f"{topic}-small"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(small, 1, 1, topic_configs={"max.message.bytes": "2000"})])
    await admin.close()
    assert (await producer.send(small, "u1", b"before")).offset == 0
    for n in (1, 2):
        with pytest.raises(MessageRefused, match="MessageSizeTooLarge"):
            await producer.send(small, "u1", b"x" * 3000)
        assert (await producer.send(small, "u1", b"behind")).offset == n


async def test_a_topic_that_does_not_exist_is_refused_as_such(producer: Producer) -> None:
    (outcome,) = await producer.send_many([Outgoing("never-created", "u1", b"")], timeout_seconds=15)
    assert isinstance(outcome, MessageRefused)
    assert "no topic never-created" in outcome.message
