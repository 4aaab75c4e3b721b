"""Making sure that topics exist with their partitions, before a first message creates them with one."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.messaging.model import MessagingError

__all__ = ["Topics", "dead_letter_topic", "ensure_topics"]

_LOOK_SECONDS = 0.02
_THERE = (NoError, TopicAlreadyExistsError)


class Topics:
    """Topics as a resource of a service: they exist once it has started."""

    def __init__(
        self, bootstrap: str, partitions: Mapping[str, int], *, start_timeout_seconds: float = 5.0
    ) -> None:
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._start_timeout_seconds = start_timeout_seconds

    async def start(self) -> None:
        """Create the topics that don't exist."""
        await ensure_topics(self._bootstrap, self._partitions, self._start_timeout_seconds)

    async def stop(self) -> None:
        """Nothing to do: topics stay."""


def dead_letter_topic(topic: str) -> str:
    """Where the messages of `topic` go that can't be handled."""
    return f"{topic}.dlq"


async def ensure_topics(bootstrap: str, partitions: Mapping[str, int], timeout_seconds: float = 5.0) -> None:
    """Create each topic with its number of partitions unless it exists; an existing one stays as it is.

    Raises `MessagingError` when Kafka doesn't do it in time.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=round(timeout_seconds * 800))
    try:
        async with asyncio.timeout(timeout_seconds):
            await admin.start()
            topics = [NewTopic(name, count, replication_factor=1) for name, count in partitions.items()]
            answer: Any = await admin.create_topics(topics)
            there = [name for name, code, *_ in answer.topic_errors if for_code(code) in _THERE]
            await _until_known(admin, there)
    except (KafkaError, TimeoutError, OSError) as error:
        raise MessagingError(
            f"Kafka at {bootstrap}: topics not created: {str(error) or 'no answer in time'}"
        ) from error
    finally:
        await admin.close()
    for name, code, *_ in answer.topic_errors:
        if for_code(code) not in _THERE:
            raise MessagingError(f"Kafka at {bootstrap}: topic {name} not created: {for_code(code).__name__}")


async def _until_known(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Wait for the broker's metadata, which show a new topic a moment after the controller has made it.

    A group that begins in between has no partition of it, and looks again only after minutes.
    """
    while names and any(topic["error_code"] for topic in await admin.describe_topics(names)):
        await SYSTEM_CLOCK.sleep(_LOOK_SECONDS)
