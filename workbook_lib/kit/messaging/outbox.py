"""The producer's half of delivery without loss: an event is stored in the transaction of what it tells of.

request ──► BEGIN; UPDATE orders …; INSERT INTO outbox …; COMMIT     both or neither
                                          │
OutboxRelay ──► Kafka ──► ack ──► DELETE FROM outbox                  at least once, in order per key
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import (
    JSON,
    BigInteger,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    delete,
    event,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import Column, Index

from workbook_lib.kit import telemetry
from workbook_lib.kit.messaging.lease import Lease
from workbook_lib.kit.messaging.model import EVENT_ID, Headers

__all__ = ["Outbox", "ParkedEvent", "StoredEvent"]


class StoredEvent(NamedTuple):
    """A row of the outbox, as the relay gets it."""

    id: int
    event_id: str
    topic: str
    key: str | None
    value: bytes
    headers: Headers


class ParkedEvent(NamedTuple):
    """An event that Kafka refuses, and why."""

    event_id: str
    topic: str
    key: str | None
    error: str


class Outbox:
    """Table `outbox` in the database of a service: events that Kafka hasn't acknowledged yet.

    The order of a key is that in which its rows got their numbers, which is the order of the changes when
    these exclude each other: always in SQLite, which has one writer; in PostgreSQL when each transaction
    first locks or changes the row that its events are about.
    """

    def __init__(self, metadata: MetaData) -> None:
        number = BigInteger().with_variant(Integer, "sqlite")
        self.table = Table(
            "outbox",
            metadata,
            Column("id", number, primary_key=True, autoincrement=True),
            Column("event_id", String, nullable=False, unique=True),
            Column("topic", String, nullable=False),
            Column("key", String),
            Column("value", LargeBinary, nullable=False),
            Column("headers", JSON, nullable=False),
            Column("parked", Text),
            # Numbers are never used again: a relay that stood still may yet delete what it has published.
            sqlite_autoincrement=True,
        )
        parked = self.table.c.parked.is_not(None)
        Index(
            "outbox_parked",
            self.table.c.topic,
            self.table.c.key,
            sqlite_where=parked,
            postgresql_where=parked,
        )
        self.lease = Lease(metadata, "outbox_lease")
        self._listening: list[asyncio.Event] = []

    async def add(
        self,
        session: AsyncSession,
        topic: str,
        key: str | None,
        value: BaseModel,
        *,
        headers: Iterable[tuple[str, bytes]] = (),
    ) -> str:
        """Store an event in the caller's transaction, with the current trace context and baggage.

        Returns its id, by which consumers know it again: that of the model if it has an `event_id`, else a
        new one. It travels as header `event-id`. The relay of this process wakes with the commit.
        """
        event_id = str(getattr(value, "event_id", None) or uuid4().hex)
        sent = (*headers, (EVENT_ID, event_id.encode()), *telemetry.kafka_headers())
        row = {
            "event_id": event_id,
            "topic": topic,
            "key": key,
            "value": value.model_dump_json().encode(),
            "headers": [[name, content.decode("latin-1")] for name, content in sent],
        }
        await session.execute(insert(self.table).values(row))
        if self not in session.info:
            session.info[self] = True
            event.listen(session.sync_session, "after_commit", self._committed)
        return event_id

    async def waiting(self, session: AsyncSession) -> int:
        """How many events Kafka hasn't acknowledged."""
        return await session.scalar(select(func.count()).select_from(self.table)) or 0

    async def parked(self, session: AsyncSession) -> list[ParkedEvent]:
        """The events that Kafka refused for good, oldest first; those of the same topic and key wait."""
        t = self.table
        columns = t.c.event_id, t.c.topic, t.c.key, t.c.parked
        rows = await session.execute(select(*columns).where(t.c.parked.is_not(None)).order_by(t.c.id))
        return [ParkedEvent(*row) for row in rows]

    async def retry(self, session: AsyncSession, event_id: str) -> None:
        """Let a parked event be published again, because what was wrong is repaired."""
        await session.execute(update(self.table).where(self.table.c.event_id == event_id).values(parked=None))

    async def discard(self, session: AsyncSession, event_id: str) -> None:
        """Drop a parked event, so that those of its key go on without it."""
        t = self.table
        await session.execute(delete(t).where(t.c.event_id == event_id, t.c.parked.is_not(None)))

    async def oldest(self, session: AsyncSession, count: int) -> list[StoredEvent]:
        """The next events to publish: neither parked nor behind a parked one of their topic and key."""
        t, before = self.table, self.table.alias()
        blocked = exists().where(
            before.c.parked.is_not(None),
            before.c.topic == t.c.topic,
            before.c.key == t.c.key,
            before.c.id < t.c.id,
        )
        rows = await session.execute(
            select(t.c.id, t.c.event_id, t.c.topic, t.c.key, t.c.value, t.c.headers)
            .where(t.c.parked.is_(None), ~blocked)
            .order_by(t.c.id)
            .limit(count)
        )
        return [
            StoredEvent(*row[:5], tuple((name, content.encode("latin-1")) for name, content in row[5]))
            for row in rows
        ]

    async def remove(self, session: AsyncSession, ids: Sequence[int]) -> None:
        """Forget events that Kafka has acknowledged."""
        if ids:
            await session.execute(delete(self.table).where(self.table.c.id.in_(ids)))

    async def park(self, session: AsyncSession, number: int, error: str) -> None:
        """Keep an event back that Kafka refuses."""
        await session.execute(update(self.table).where(self.table.c.id == number).values(parked=error))

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set with each commit of this process that stored events."""
        committed = asyncio.Event()
        self._listening.append(committed)
        try:
            yield committed
        finally:
            self._listening.remove(committed)

    def _committed(self, _session: object) -> None:
        for committed in self._listening:
            committed.set()
