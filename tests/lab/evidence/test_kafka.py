"""Offsets and lag are those of a real Kafka."""

import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from workbook_lib.lab.evidence import EvidenceError, PartitionLag, group_lag, topic_offsets


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    """A topic of two partitions: three messages in the first, one in the second."""
    name = f"evidence-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap)
    await producer.start()
    for partition in (0, 0, 0, 1):
        await producer.send_and_wait(name, b"x", partition=partition)
    await producer.stop()
    return name


async def commit(bootstrap: str, group: str, topic: str, partition: int, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    await consumer.commit({place: offset})
    await consumer.stop()


async def test_the_end_offset_of_each_partition_is_told(kafka_bootstrap: str, topic: str):
    assert await topic_offsets(kafka_bootstrap, topic) == {0: 3, 1: 1}


async def test_lag_counts_from_the_commit_and_from_zero_without_one(kafka_bootstrap: str, topic: str):
    await commit(kafka_bootstrap, f"{topic}-readers", topic, 0, 2)
    lag = await group_lag(kafka_bootstrap, f"{topic}-readers")
    assert lag == [PartitionLag(topic, 0, committed=2, end=3), PartitionLag(topic, 1, committed=0, end=1)]
    assert [place.lag for place in lag] == [1, 1]


async def test_a_group_that_never_committed_has_no_lag_but_that_of_a_topic(kafka_bootstrap: str, topic: str):
    assert await group_lag(kafka_bootstrap, f"{topic}-nobody") == []
    assert [place.lag for place in await group_lag(kafka_bootstrap, f"{topic}-nobody", topic)] == [3, 1]


async def test_a_topic_that_is_not_there_is_named_and_not_created(kafka_bootstrap: str):
    for _ in range(2):
        with pytest.raises(EvidenceError, match="Kafka has no topic 'absent'"):
            await topic_offsets(kafka_bootstrap, "absent")


async def test_a_kafka_that_is_gone_is_named():
    with pytest.raises(EvidenceError, match=r"Kafka at 127\.0\.0\.1:9"):
        await topic_offsets("127.0.0.1:9", "user-events")
