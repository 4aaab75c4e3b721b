"""Receiving: as a member of a consumer group, offsets committed after the effect."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from functools import partial

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from opentelemetry import context as otel_context
from opentelemetry.context import Context

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.messaging.delivery import Delivery
from workbook_lib.kit.messaging.ending import close_each
from workbook_lib.kit.messaging.lane import Lane
from workbook_lib.kit.messaging.model import Handler, Message, MessagingError
from workbook_lib.kit.messaging.producer import Producer
from workbook_lib.kit.messaging.topics import dead_letter_topic, ensure_topics

__all__ = ["Consumer"]

_log = get_logger(__name__)

_POLL_MS = 200
_POLL_RECORDS = 500
# A lane is fed no more while this many messages wait in it: memory stays bounded behind a slow handler.
_LANE_FULL = 1000
_WORK_SECONDS = 0.05
_DRAIN_SECONDS = 2.0
_COMMIT_SECONDS = 2.0


class Consumer:
    """Gives each message of `topics` to `handler`, at least once, in the order of each key.

    A resource for its connection, and a worker: `service.add_worker(name, consumer.run)`. The offset of a
    message is committed only after its handler returned or it was parked in `<topic>.dlq`, where it goes when
    `attempts` of at most `handler_timeout_seconds` each have failed. A group that is new begins with the
    oldest message. `client_id` tells the members of a group apart; by default all are called as the group.

    With `instance`, a name that no other member has, it is a static member (KIP-345): started again after a
    crash it has its partitions back at once, where the group would wait for the session of the dead one to
    run out. In return nobody else gets them earlier when it stops in order.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        group: str,
        handler: Handler,
        *,
        client_id: str | None = None,
        instance: str | None = None,
        attempts: int = 3,
        handler_timeout_seconds: float = 10.0,
        start_timeout_seconds: float = 10.0,
        stop_timeout_seconds: float = 3.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._bootstrap = bootstrap
        self._topics = tuple(topics)
        self._group = group
        self._client_id = client_id or group
        self._instance = instance
        self._start_timeout_seconds = start_timeout_seconds
        self._stop_timeout_seconds = stop_timeout_seconds
        self._dead_letters = Producer(
            bootstrap, client_id=f"{group}-dlq", start_timeout_seconds=start_timeout_seconds
        )
        self._make_delivery = partial(
            Delivery,
            handler,
            self._dead_letters,
            group,
            attempts=attempts,
            handler_timeout_seconds=handler_timeout_seconds,
            clock=clock,
        )
        self._lanes: dict[TopicPartition, Lane] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._committing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and join the group; raises `MessagingError` when that doesn't happen in time."""
        if self._consumer is not None:
            return
        try:
            async with asyncio.timeout(self._start_timeout_seconds):
                parked = {dead_letter_topic(topic): 1 for topic in self._topics}
                await ensure_topics(self._bootstrap, parked, self._start_timeout_seconds)
                await self._dead_letters.start()
                self._consumer = self._make_consumer()
                await self._consumer.start()
        except BaseException as error:
            with contextlib.suppress(MessagingError):
                await self.stop()
            if isinstance(error, KafkaError | TimeoutError | OSError):
                what = str(error) or f"not joined in time; do {', '.join(self._topics)} exist?"
                raise MessagingError(f"Kafka at {self._bootstrap}: {what}") from error
            raise

    async def stop(self) -> None:
        """Leave the group, whose partitions then move at once; raises `MessagingError` when it takes long."""
        consumer, self._consumer = self._consumer, None
        left, _ = await asyncio.gather(
            self._leave(consumer), self._dead_letters.stop(), return_exceptions=True
        )
        if isinstance(left, asyncio.CancelledError):
            # aiokafka's, whose connection was lost on the way out; nobody has cancelled us.
            raise MessagingError(f"Kafka at {self._bootstrap}: the group wasn't left in order") from left
        if isinstance(left, BaseException):
            raise left

    async def run(self) -> None:
        """Consume until cancelled or stopped; the message under way is finished and committed first."""
        consumer = self._consumer
        if consumer is None:
            raise MessagingError("the consumer isn't started")
        token = otel_context.attach(Context())  # whoever started us isn't whom the messages come from
        delivery = self._make_delivery()
        try:
            while True:
                records = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
                for partition, batch in records.items():
                    lane = self._lanes.setdefault(partition, Lane(delivery.deliver))
                    lane.put([Message.of(record) for record in batch])
                await self._let_work()
                self._regulate(consumer)
                self._commit_beside(consumer)
        except ConsumerStoppedError:
            return
        except KafkaError as error:
            raise MessagingError(f"Kafka at {self._bootstrap}: {error}") from error
        finally:
            otel_context.detach(token)
            await self._release(consumer, list(self._lanes))

    async def _leave(self, consumer: AIOKafkaConsumer | None) -> None:
        if consumer is None:
            return
        try:
            async with asyncio.timeout(self._stop_timeout_seconds):
                await consumer.stop()
        except TimeoutError as error:
            raise MessagingError(f"Kafka at {self._bootstrap}: the group wasn't left in time") from error
        finally:
            fetcher = [consumer._fetcher.close] if consumer._fetcher is not None else []
            await close_each(consumer._client.close, *fetcher)

    def _make_consumer(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            group_id=self._group,
            group_instance_id=self._instance,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6000,  # a crashed member's partitions move after this; Kafka allows no less
            heartbeat_interval_ms=1000,
            rebalance_timeout_ms=10_000,
            request_timeout_ms=15_000,
            retry_backoff_ms=200,
        )
        consumer.subscribe(self._topics, listener=_Rebalance(self, consumer))
        return consumer

    def _regulate(self, consumer: AIOKafkaConsumer) -> None:
        paused = consumer.paused()
        for partition, lane in self._lanes.items():
            lane.check()
            if len(lane) >= _LANE_FULL and partition not in paused:
                consumer.pause(partition)
            elif len(lane) < _LANE_FULL // 2 and partition in paused:
                consumer.resume(partition)

    async def _let_work(self) -> None:
        """Give quick handlers the time to empty their lanes: a full one has to be paused and fetched anew."""
        working = [lane.working for lane in self._lanes.values() if lane.working is not None]
        if working:
            await asyncio.wait(working, timeout=_WORK_SECONDS)

    def _commit_beside(self, consumer: AIOKafkaConsumer) -> None:
        """Commit what is done, while what comes next is handled; one commit at a time."""
        if (self._committing is None or self._committing.done()) and self._uncommitted(self._lanes):
            self._committing = asyncio.create_task(self._commit(consumer, self._lanes))

    def _uncommitted(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {
            partition: lane.next_offset
            for partition in partitions
            if (lane := self._lanes[partition]).next_offset is not None and lane.next_offset != lane.committed
        }

    async def _commit(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        done = self._uncommitted(partitions)
        if not done:
            return
        lanes = {partition: self._lanes[partition] for partition in done}
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await consumer.commit(done)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            # Tried again with the next poll. Should the partition have moved, its messages are delivered once
            # more.
            _log.warning("offsets not committed", cause=repr(error))
            return
        for partition, offset in done.items():
            lanes[partition].committed = offset

    async def _release(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        """Stop working on `partitions` and commit what is done, before they move to another member."""
        held = [partition for partition in partitions if partition in self._lanes]
        await asyncio.gather(*(self._lanes[partition].close(_DRAIN_SECONDS) for partition in held))
        if self._committing is not None:
            await asyncio.wait([self._committing])  # which is bounded; an older commit must not come last
        await self._commit(consumer, held)
        for partition in held:
            del self._lanes[partition]


class _Rebalance(ConsumerRebalanceListener):
    def __init__(self, owner: Consumer, consumer: AIOKafkaConsumer) -> None:
        self._owner = owner
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._owner._release(self._consumer, revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        _log.info(
            "partitions assigned", partitions=sorted(f"{part.topic}/{part.partition}" for part in assigned)
        )
