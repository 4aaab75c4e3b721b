"""From the outbox to Kafka."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import uuid4

from aiokafka.errors import KafkaError
from opentelemetry import context as otel_context
from sqlalchemy.exc import SQLAlchemyError

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import ServiceError
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.messaging.model import MessageRefused, MessagingError, Outgoing, Position
from workbook_lib.kit.messaging.outbox import Outbox, StoredEvent
from workbook_lib.kit.messaging.producer import Producer
from workbook_lib.kit.messaging.spans import unsampled
from workbook_lib.kit.messaging.topics import ensure_topics
from workbook_lib.kit.storage import Database

__all__ = ["OutboxRelay"]

_log = get_logger(__name__)

_END_SECONDS = 2.0
# Between batches that aren't full: each costs two transactions, which in SQLite the service's own wait for.
_GATHER_SECONDS = 0.02


class OutboxRelay:
    """Publishes the events of an outbox, at least once, in the order of each key: `add_worker(run)`.

    A row is deleted only after Kafka has acknowledged it. While Kafka is away rows stay, and the relay tries
    again with growing pauses. An event that Kafka refuses for good is parked in its row, which the log and
    `Outbox.parked` show; later events of its key wait for it, all others go on.

    Of several instances on one database one works at a time, by a lease that ends `lease_seconds` after its
    holder was last seen. Order doesn't rest on the lease: each relay publishes what is still stored from the
    oldest on, so whoever publishes an event has published all before it of that key, or found them
    acknowledged. One that stood still and goes on can only repeat, and the consumers' inboxes drop that.

    `producer` is the relay's own: it starts and stops it, so a service takes work while Kafka is away.
    `topics` are created before the first event. `owner` is the instance's name: started again under it after
    a crash, it has its lease back at once.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        producer: Producer,
        *,
        topics: Mapping[str, int] | None = None,
        owner: str | None = None,
        batch: int = 500,
        poll_seconds: float = 0.5,
        lease_seconds: float = 10.0,
        publish_seconds: float = 5.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._producer = producer
        self._topics = dict(topics or {})
        self._batch = batch
        self._poll_seconds = poll_seconds
        self._lease_seconds = lease_seconds
        self._publish_seconds = publish_seconds
        self._clock = clock
        self._owner = owner or uuid4().hex
        self._lease_ends = 0.0  # on the monotonic clock
        self._connected = False
        self._acknowledged: list[int] = []
        """What Kafka has and the outbox, too: deleted with the next look at the outbox."""

    async def run(self) -> None:
        """Publish until cancelled. Wakes with each commit of this process, and polls for those of others."""
        pauses = Backoff(0.2, 5.0)
        token = otel_context.attach(unsampled())  # its polling isn't worth a trace
        try:
            with self._outbox.listening() as committed:
                while True:
                    woken = committed.is_set()
                    committed.clear()
                    try:
                        if woken or await self._anything():
                            await self._drain()
                        pauses.reset()
                    except (ServiceError, SQLAlchemyError, KafkaError, OSError) as error:
                        _log.warning("events not published yet", cause=str(error))
                        await self._disconnect()
                        await self._clock.sleep(pauses.next())
                    else:
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(committed.wait(), self._poll_seconds)
        finally:
            await self._end()
            otel_context.detach(token)

    async def _anything(self) -> bool:
        async with self._database.session(read_only=True) as session:
            return bool(await self._outbox.oldest(session, 1))

    async def _drain(self) -> None:
        """Publish until nothing is left or another relay is at it."""
        while rows := await self._next():
            await self._connect()
            failpoint("outbox.before_publish")
            if self._clock.monotonic() >= self._lease_ends:
                continue  # it stood still meanwhile, so it looks again
            await self._publish_also_when_cancelled(rows)
            failpoint("outbox.published")
            if len(rows) < self._batch:
                await self._clock.sleep(_GATHER_SECONDS)

    async def _publish_also_when_cancelled(self, rows: Sequence[StoredEvent]) -> None:
        publishing = asyncio.create_task(self._publish(rows))
        try:
            await asyncio.shield(publishing)
        except asyncio.CancelledError:
            # What is acknowledged can be deleted before the end, and isn't sent twice.
            with contextlib.suppress(ServiceError, SQLAlchemyError, KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(publishing, _END_SECONDS)
            raise

    async def _next(self) -> list[StoredEvent]:
        """Delete what is done, and get what to do: one transaction a batch."""
        length = timedelta(seconds=self._lease_seconds)
        async with self._database.session() as session:
            await self._outbox.remove(session, self._acknowledged)
            ends = self._clock.monotonic() + self._lease_seconds
            lease, now = self._outbox.lease, self._clock.now()
            if not await lease.take(session, self._owner, now, length):
                rows = []
            elif not (rows := await self._outbox.oldest(session, self._batch)):
                await lease.give_back(session, self._owner, now)
        self._acknowledged, self._lease_ends = [], ends
        return rows

    async def _publish(self, rows: Sequence[StoredEvent]) -> None:
        outcomes = list(zip(rows, await self._send(rows), strict=True))
        self._acknowledged += [row.id for row, outcome in outcomes if isinstance(outcome, Position)]
        if refused := [row for row, outcome in outcomes if isinstance(outcome, MessageRefused)]:
            await self._sort_out(refused)
            return
        for _, outcome in outcomes:
            if isinstance(outcome, MessagingError):
                raise outcome

    async def _sort_out(self, refused: Sequence[StoredEvent]) -> None:
        """Find the culprits among messages that were refused together, by sending each alone."""
        behind: set[tuple[str, str]] = set()
        for row in refused:
            if row.key is not None and (row.topic, row.key) in behind:
                continue
            (outcome,) = await self._send([row])
            async with self._database.session() as session:
                if isinstance(outcome, Position):
                    self._acknowledged.append(row.id)
                elif isinstance(outcome, MessageRefused):
                    await self._outbox.park(session, row.id, outcome.message)
                    _log.error("event parked", event_id=row.event_id, topic=row.topic, cause=outcome.message)
                    if row.key is not None:
                        behind.add((row.topic, row.key))
                else:
                    raise outcome

    async def _send(self, rows: Sequence[StoredEvent]) -> list[Position | MessagingError]:
        messages = [Outgoing(row.topic, row.key, row.value, row.headers) for row in rows]
        return await self._producer.send_many(messages, timeout_seconds=self._publish_seconds)

    async def _connect(self) -> None:
        if self._connected:
            return
        if self._topics:
            await ensure_topics(self._producer.bootstrap, self._topics)
        await self._producer.start()
        self._connected = True

    async def _disconnect(self) -> None:
        """Drop the connection, and with it what was sent and not answered: it is sent anew from its rows."""
        self._connected = False
        await self._producer.drop()

    async def _end(self) -> None:
        await self._disconnect()
        with contextlib.suppress(ServiceError, SQLAlchemyError, OSError):
            async with self._database.session() as session:
                await self._outbox.remove(session, self._acknowledged)
                await self._outbox.lease.give_back(session, self._owner, self._clock.now())
