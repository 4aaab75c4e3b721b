"""A key lies where every other client of Kafka looks for it."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka import Producer as ConfluentProducer

from workbook_lib.kit.messaging import Outgoing, Position, Producer
from workbook_lib.kit.messaging.partitions import partition_of


@pytest.mark.parametrize("count", [1, 3, 6, 12])
def test_the_partition_is_that_of_aiokafka(count: int) -> None:
    partitions = list(range(count))
    keys = [f"user{number}".encode() for number in range(500)] + [b"", b"\xff\x00", b"k" * 1000]
    theirs = DefaultPartitioner()
    assert [partition_of(key, partitions, partitions) for key in keys] == [
        theirs(key, partitions, partitions) for key in keys
    ]


def test_without_a_key_any_available_partition_is_taken() -> None:
    assert {partition_of(None, [0, 1, 2], [1, 2]) for _ in range(200)} == {1, 2}
    assert {partition_of(None, [0, 1, 2], []) for _ in range(200)} == {0, 1, 2}


async def test_the_partition_is_that_of_the_java_client_s_hash_in_another_client(
    kafka_bootstrap: str, producer: Producer, topic: str
) -> None:
    """librdkafka has an implementation of its own of Java's partitioner."""
    keys = [f"user{number}" for number in range(40)]
    theirs: dict[str, int] = {}
    other = ConfluentProducer({"bootstrap.servers": kafka_bootstrap, "partitioner": "murmur2_random"})
    for key in keys:
        other.produce(
            topic,
            b"",
            key=key,
            on_delivery=lambda _, sent: theirs.update({sent.key().decode(): sent.partition()}),
        )
    assert other.flush(10) == 0
    one = await producer.send(topic, keys[0], b"")
    many = await producer.send_many([Outgoing(topic, key, b"") for key in keys])
    assert one.partition == theirs[keys[0]]
    assert [sent.partition for sent in many if isinstance(sent, Position)] == [theirs[key] for key in keys]
