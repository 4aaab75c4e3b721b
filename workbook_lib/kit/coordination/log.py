"""The stored state of transactions across services: one row each, leased to one process at a time."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import JsonValue
from sqlalchemy import (
    JSON,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    and_,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from workbook_lib.kit.clock import Clock
from workbook_lib.kit.errors import Conflict, NotFound, ServiceError, from_body
from workbook_lib.kit.storage import Database

__all__ = ["Event", "Held", "Lease", "LeaseLost", "Record", "StepRecord", "TransactionLog"]


class LeaseLost(Exception):
    """Another process has taken the transaction over; this one must not touch it any more."""


class Lease(NamedTuple):
    """Who asks for a transaction: `owner` is an instance's name, `token` one life of its process."""

    owner: str
    token: str
    seconds: float


class Event(NamedTuple):
    """A line of a transaction's history: what a step has come to."""

    step: str
    event: str
    detail: str = ""


class StepRecord(NamedTuple):
    """An `Event` as it is stored; `at` is in seconds since 1970."""

    step: str
    event: str
    detail: str
    at: float


@dataclass
class Record:
    """One transaction as it is stored."""

    id: str
    state: str
    position: int
    attempts: int
    data: dict[str, JsonValue]
    error: ServiceError | None
    trace: dict[str, str] = field(default_factory=dict)


class TransactionLog:
    """Two tables in a service's `metadata`: where each transaction stands, and what its steps came to.

    Every write after the first is made under a lease. It only counts while the lease's token is still in the
    row: a process that was stopped and wakes after another has taken over changes nothing (fencing).
    """

    def __init__(self, metadata: MetaData, *, table: str, steps_table: str) -> None:
        self._rows = Table(
            table,
            metadata,
            Column("name", String, primary_key=True),
            Column("id", String, primary_key=True),
            Column("state", String, nullable=False),
            Column("position", Integer, nullable=False),
            Column("attempts", Integer, nullable=False),
            Column("data", JSON, nullable=False),
            Column("error", JSON(none_as_null=True)),
            Column("trace", JSON, nullable=False),
            Column("owner", String, nullable=False),
            Column("token", String, nullable=False),
            Column("lease_until", Float, nullable=False),
            Column("begun_at", Float, nullable=False),
            Column("changed_at", Float, nullable=False),
            Index(f"{table}_by_state", "name", "state"),
        )
        self._steps = Table(
            steps_table,
            metadata,
            Column("number", Integer, primary_key=True),
            Column("name", String, nullable=False),
            Column("id", String, nullable=False, index=True),
            Column("step", String, nullable=False),
            Column("event", String, nullable=False),
            Column("detail", String, nullable=False),
            Column("at", Float, nullable=False),
        )

    async def add(
        self, session: AsyncSession, name: str, record: Record, lease: Lease, clock: Clock, event: Event
    ) -> None:
        """Store a new one, leased to who stores it. Raises IntegrityError when the id is taken."""
        now = clock.now().timestamp()
        await session.execute(
            insert(self._rows).values(
                name=name,
                **_columns(record),
                trace=record.trace,
                owner=lease.owner,
                token=lease.token,
                lease_until=now + lease.seconds,
                begun_at=now,
                changed_at=now,
            )
        )
        await self._note(session, name, record.id, [event], now)

    async def get(self, session: AsyncSession, name: str, id_: str) -> Record:
        """One transaction as it stands. Raises NotFound."""
        row = (await session.execute(select(self._rows).where(*self._is(name, id_)))).mappings().first()
        if row is None:
            raise NotFound(f"no {name} {id_!r}")
        return _record(row)

    async def history(self, session: AsyncSession, name: str, id_: str) -> list[StepRecord]:
        """What its steps came to, in order."""
        steps = self._steps
        query = select(steps.c.step, steps.c.event, steps.c.detail, steps.c.at)
        query = query.where(steps.c.name == name, steps.c.id == id_).order_by(steps.c.number)
        return [StepRecord(*row) for row in await session.execute(query)]

    async def due(
        self, session: AsyncSession, name: str, unfinished: Iterable[str], lease: Lease, clock: Clock
    ) -> list[str]:
        """The ids of unfinished ones that `lease` may take or holds, longest unchanged first."""
        rows = self._rows
        query = select(rows.c.id).where(
            rows.c.name == name,
            rows.c.state.in_(list(unfinished)),
            self._may_take(lease, clock.now().timestamp()),
        )
        return list(await session.scalars(query.order_by(rows.c.changed_at)))

    async def claim(
        self, database: Database, name: str, id_: str, unfinished: Iterable[str], lease: Lease, clock: Clock
    ) -> "Held | None":
        """Take the lease on an unfinished one; None when it has ended or when another process holds it."""
        rows, now = self._rows, clock.now().timestamp()
        async with database.session() as session:
            free = self._may_take(lease, now)
            query = select(rows).where(*self._is(name, id_), rows.c.state.in_(list(unfinished)), free)
            row = (await session.execute(query.with_for_update())).mappings().first()
            if row is None:
                return None
            if row["token"] != lease.token or row["lease_until"] < now + lease.seconds / 2:
                await session.execute(
                    update(rows)
                    .where(*self._is(name, id_))
                    .values(owner=lease.owner, token=lease.token, lease_until=now + lease.seconds)
                )
        return Held(self, database, name, lease, clock, _record(row))

    async def release(self, session: AsyncSession, name: str, token: str) -> None:
        """Give back every lease of `token`, so that others needn't wait until it runs out."""
        rows = self._rows
        await session.execute(
            update(rows).where(rows.c.name == name, rows.c.token == token).values(lease_until=0.0)
        )

    async def reopen(
        self, session: AsyncSession, name: str, id_: str, parked: str, state: str, clock: Clock
    ) -> None:
        """Let a parked one go on in `state`. Raises NotFound, and Conflict when it isn't parked."""
        rows, now = self._rows, clock.now().timestamp()
        reopened = await session.execute(
            update(rows)
            .where(*self._is(name, id_), rows.c.state == parked)
            .values(state=state, attempts=0, lease_until=0.0, changed_at=now)
            .returning(rows.c.id)
        )
        if reopened.first() is None:
            record = await self.get(session, name, id_)
            raise Conflict(f"{name} {id_} isn't parked but {record.state}")
        await self._note(session, name, id_, [Event("", "unparked")], now)

    async def _write(
        self, session: AsyncSession, name: str, record: Record, lease: Lease, events: list[Event], now: float
    ) -> None:
        rows = self._rows
        written = await session.execute(
            update(rows)
            .where(*self._is(name, record.id), rows.c.token == lease.token)
            .values(**_columns(record), lease_until=now + lease.seconds, changed_at=now)
            .returning(rows.c.id)
        )
        if written.first() is None:
            raise LeaseLost(record.id)
        await self._note(session, name, record.id, events, now)

    async def _note(
        self, session: AsyncSession, name: str, id_: str, events: list[Event], now: float
    ) -> None:
        if events:
            lines = [{"name": name, "id": id_, "at": now, **event._asdict()} for event in events]
            await session.execute(insert(self._steps), lines)

    def _is(self, name: str, id_: str) -> tuple[Any, Any]:
        return self._rows.c.name == name, self._rows.c.id == id_

    def _may_take(self, lease: Lease, now: float) -> Any:  # noqa: ANN401 - an expression of SQLAlchemy's
        rows = self._rows
        earlier_life = and_(rows.c.owner != "", rows.c.owner == lease.owner)
        return or_(rows.c.lease_until <= now, rows.c.token == lease.token, earlier_life)


@dataclass
class Held:
    """A transaction under this process's lease, and the only way to change it."""

    log: TransactionLog
    database: Database
    name: str
    lease: Lease
    clock: Clock
    record: Record

    async def store(
        self,
        *events: Event,
        also: Callable[[AsyncSession], Awaitable[None]] | None = None,
        result: Mapping[str, JsonValue] | None = None,
        **changes: Any,  # noqa: ANN401 - fields of `Record`
    ) -> None:
        """Write what has changed, prolong the lease and note `events`, with `also` in the same transaction.

        Raises `LeaseLost`; then nothing is written.
        """
        for name, value in {"attempts": 0, **changes}.items():
            setattr(self.record, name, value)
        self.record.data |= result or {}
        async with self.database.session() as session:
            now = self.clock.now().timestamp()
            await self.log._write(session, self.name, self.record, self.lease, list(events), now)
            if also is not None:
                await also(session)


def _columns(record: Record) -> dict[str, object]:
    error = record.error
    told = error and {"code": error.code, "message": error.message, "details": error.details}
    return {
        "id": record.id,
        "state": record.state,
        "position": record.position,
        "attempts": record.attempts,
        "data": record.data,
        "error": told,
    }


def _record(row: RowMapping) -> Record:
    told = row["error"]
    error = from_body(told["code"] // 100, told) if told else None
    return Record(
        row["id"],
        row["state"],
        row["position"],
        row["attempts"],
        dict(row["data"]),
        error,
        dict(row["trace"]),
    )
