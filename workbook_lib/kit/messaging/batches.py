"""Many messages at once: batches of a partition go one after another, so no failure changes an order."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import BrokerResponseError, KafkaError, UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder

from workbook_lib.kit.messaging.model import MessageRefused, MessagingError, Position
from workbook_lib.kit.messaging.partitions import partition_of

__all__ = ["MAX_REQUEST_BYTES", "Batches", "Prepared", "failure", "is_spoiled", "refusal"]

MAX_REQUEST_BYTES: Final = 1024 * 1024
_OVERHEAD_BYTES = 512  # more than a record and its batch take besides their contents
_TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")


class Prepared(NamedTuple):
    """A message as it goes into a record."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


Outcome = Position | MessagingError


@lru_cache(maxsize=1024)
def _can_be_a_topic(name: str) -> bool:
    return _TOPIC.fullmatch(name) is not None


def refusal(
    topic: str, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]
) -> MessageRefused | None:
    """Why Kafka wouldn't take the message, as far as that can be known without asking it."""
    if not _can_be_a_topic(topic):
        return MessageRefused(f"{topic!r} can't be the name of a topic")
    size = len(key or b"") + len(value) + _OVERHEAD_BYTES
    if headers:
        size += sum([len(name) + len(content) + 10 for name, content in headers])
    if size > MAX_REQUEST_BYTES:
        return MessageRefused(f"{topic}: {size} bytes are more than the {MAX_REQUEST_BYTES} allowed")
    return None


def failure(topic: str, error: Exception) -> MessagingError:
    """What an error of aiokafka means to a sender."""
    refused = isinstance(error, BrokerResponseError) and not error.retriable
    kind = MessageRefused if refused and not _about_producer(error) else MessagingError
    return kind(f"{topic}: not sent: {error}")


def is_spoiled(error: BaseException) -> bool:
    """Whether the producer can't be used any more.

    Each batch of an idempotent producer has a sequence number. One that the broker refuses leaves a gap, and
    aiokafka (0.14) goes on behind it, so every later batch of that partition fails as out of order.
    """
    return isinstance(error, BrokerResponseError) and not error.retriable


def _about_producer(error: BaseException) -> bool:
    return type(error).__name__ in {"OutOfOrderSequenceNumber", "UnknownProducerId", "InvalidProducerEpoch"}


class Batches:
    """Messages on their way by one producer; `outcomes` fills as the broker answers."""

    def __init__(self, producer: AIOKafkaProducer, messages: Sequence[Prepared]) -> None:
        self._producer = producer
        self._messages = messages
        self.outcomes: list[Outcome | None] = [None] * len(messages)
        self.spoiled = False

    async def send(self) -> None:
        """Send them all; cancelling leaves those without an outcome whose outcome is unknown."""
        by_topic: dict[str, list[int]] = {}
        refused: set[tuple[str, bytes]] = set()
        for number, message in enumerate(self._messages):
            if message.key is not None and (message.topic, message.key) in refused:
                self.outcomes[number] = MessagingError(f"{message.topic}: not sent behind a refused message")
            elif error := refusal(*message):
                self.outcomes[number] = error
                if message.key is not None:
                    refused.add((message.topic, message.key))
            else:
                by_topic.setdefault(message.topic, []).append(number)
        await asyncio.gather(*(self._send_topic(topic, numbers) for topic, numbers in by_topic.items()))

    async def _send_topic(self, topic: str, numbers: list[int]) -> None:
        try:
            partitions = sorted(await self._producer.partitions_for(topic))
        except KafkaError as error:
            self._fail(numbers, await self._unknown(topic, error))
            return
        by_partition: dict[int, list[int]] = {}
        anywhere = partition_of(None, partitions, partitions)  # one batch for those without a key
        for number in numbers:
            key = self._messages[number].key
            place = anywhere if key is None else partition_of(key, partitions, partitions)
            by_partition.setdefault(place, []).append(number)
        await asyncio.gather(
            *(self._send_partition(topic, place, those) for place, those in by_partition.items())
        )

    async def _unknown(self, topic: str, error: KafkaError) -> MessagingError:
        """aiokafka says the same when there is no such topic and when no broker answers."""
        if isinstance(error, UnknownTopicOrPartitionError):
            try:
                if topic not in (await self._producer.client.fetch_all_metadata()).topics():
                    return MessageRefused(f"there is no topic {topic}")
            except KafkaError as cause:
                return failure(topic, cause)
        return failure(topic, error)

    async def _send_partition(self, topic: str, partition: int, numbers: list[int]) -> None:
        done = 0
        for builder, count in self._filled(numbers):
            those = numbers[done : done + count]
            try:
                sent = await self._producer.send_batch(builder, topic, partition=partition)
                first = (await sent).offset
            except KafkaError as error:
                self.spoiled = self.spoiled or is_spoiled(error)
                self._fail(those, failure(topic, error))
                self._fail(
                    numbers[done + count :], MessagingError(f"{topic}: not sent behind a failed batch")
                )
                return
            for place, number in enumerate(those):
                self.outcomes[number] = Position(topic, partition, first + place)
            done += count

    def _filled(self, numbers: list[int]) -> Iterator[tuple[BatchBuilder, int]]:
        """Batches as full as can be, each with its number of messages."""
        waiting = iter(numbers)
        number = next(waiting, None)
        while number is not None:
            builder, count = self._producer.create_batch(), 0
            while number is not None:
                _, key, value, headers = self._messages[number]
                if builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
                    break
                count += 1
                number = next(waiting, None)
            builder.close()
            yield builder, count

    def _fail(self, numbers: Sequence[int], error: MessagingError) -> None:
        for number in numbers:
            self.outcomes[number] = error
