"""How much a topic holds, and how far its readers have come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from workbook_lib.lab.evidence.polling import EvidenceError, within

__all__ = ["PartitionLag", "group_lag", "topic_offsets"]

TIMEOUT_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far a consumer group is behind on one partition; both offsets count messages from 0."""

    topic: str
    partition: int
    committed: int
    end: int

    @property
    def lag(self) -> int:
        """Messages written that the group hasn't committed as handled."""
        return self.end - self.committed


async def topic_offsets(
    bootstrap: str, topic: str, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> dict[int, int]:
    """The end offset of each partition: how many messages were ever written to it.

    Raises EvidenceError when there is no such topic, or when Kafka doesn't answer in time.
    """

    async def ask() -> dict[int, int]:
        async with observing(bootstrap) as (admin, consumer):
            ends = await consumer.end_offsets(await partitions(admin, [topic]))
            return {place.partition: end for place, end in sorted(ends.items())}

    return await within(ask(), f"Kafka at {bootstrap}", timeout_seconds)


async def group_lag(
    bootstrap: str, group: str, topic: str | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> list[PartitionLag]:
    """How far the group is behind on each partition of `topic`, or of all topics that it has committed on.

    A partition without a commit counts from 0. Raises EvidenceError as `topic_offsets` does.
    """

    async def ask() -> list[PartitionLag]:
        async with observing(bootstrap) as (admin, consumer):
            committed = await commits(admin, group)
            topics = {topic} if topic else {place.topic for place in committed}
            if not topics:
                return []
            ends = await consumer.end_offsets(await partitions(admin, topics))
            return [
                PartitionLag(p.topic, p.partition, committed[p].offset if p in committed else 0, end)
                for p, end in sorted(ends.items())
            ]

    return await within(ask(), f"Kafka at {bootstrap}", timeout_seconds)


@asynccontextmanager
async def observing(bootstrap: str) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
    """Clients that look without joining a group or fetching a message."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        yield admin, consumer
    except KafkaError as error:
        raise EvidenceError(f"Kafka at {bootstrap}: {error}") from error
    finally:
        await consumer.stop()
        await admin.close()


async def commits(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
    """The group's commits. A new Kafka has no coordinator at first; the caller bounds the wait."""
    while True:
        try:
            return await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:
            await asyncio.sleep(RETRY_SECONDS)


async def partitions(admin: AIOKafkaAdminClient, topics: Iterable[str]) -> list[TopicPartition]:
    """All partitions of the topics, in order. Raises EvidenceError for a topic that isn't there."""
    places = []
    for topic in await admin.describe_topics(sorted(topics)):
        if topic["error_code"]:
            raise EvidenceError(f"Kafka has no topic {topic['topic']!r}")
        places += [
            TopicPartition(topic["topic"], partition["partition"]) for partition in topic["partitions"]
        ]
    return sorted(places)
