"""The audit log's own database."""

from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, JsonValue
from sqlalchemy import JSON, DateTime, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.contracts.events import UserEvent
from workbook_lib.kit.errors import InvalidRequest
from workbook_lib.kit.storage import Database

__all__ = ["AuditStore", "Base", "Entry"]


class Base(DeclarativeBase):
    """The audit log's tables."""


class EntryRow(Base):
    """An `Entry`."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    user_id: Mapped[str] = mapped_column(index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    data: Mapped[dict[str, JsonValue]] = mapped_column(JSON)
    trace_id: Mapped[str]
    topic_partition: Mapped[int | None]
    topic_offset: Mapped[int | None]


class Entry(BaseModel):
    """A recorded event: what it said, its trace, and its place in the topic unless it came directly."""

    event_id: str
    type: str
    user_id: str
    at: AwareDatetime
    data: dict[str, JsonValue]
    trace_id: str
    partition: int | None
    offset: int | None


class AuditStore:
    """Entries; they are only ever added."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, event: UserEvent, *, trace_id: str, partition: int | None = None, offset: int | None = None
    ) -> bool:
        """Add an entry; False, and nothing added, when this event is recorded already.

        Raises InvalidRequest for a time that UTC doesn't have.
        """
        row = event.model_dump() | {
            "at": _utc(event.at),
            "trace_id": trace_id,
            "topic_partition": partition,
            "topic_offset": offset,
        }
        try:
            async with self._database.session() as session:
                await session.execute(insert(EntryRow).values(row))
        except IntegrityError:
            return False
        return True

    async def entries(self, user_id: str | None, limit: int) -> list[Entry]:
        """The newest `limit` entries, of one user or of all, newest first."""
        query = select(EntryRow).order_by(EntryRow.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(EntryRow.user_id == user_id)
        async with self._database.session() as session:
            return [_entry(row) for row in await session.scalars(query)]


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:  # the first or the last day of the calendar, elsewhere
        raise InvalidRequest(f"{at.isoformat()} is out of range") from error


def _entry(row: EntryRow) -> Entry:
    return Entry(
        event_id=row.event_id,
        type=row.type,
        user_id=row.user_id,
        at=row.at.replace(tzinfo=UTC),  # SQLite keeps no time zone; all of ours are UTC.
        data=row.data,
        trace_id=row.trace_id,
        partition=row.topic_partition,
        offset=row.topic_offset,
    )
