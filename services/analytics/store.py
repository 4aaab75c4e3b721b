"""The analytics' own database: counts by window and type, and how far each partition has come."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.analytics.domain import Window, Windows
from services.contracts import names
from services.contracts.events import UserEvent
from workbook_lib.kit.messaging import Inbox
from workbook_lib.kit.storage import Database
from workbook_lib.kit.upserts import count

__all__ = ["AnalyticsStore", "Base"]


class Base(DeclarativeBase):
    """The analytics' tables."""


class CountRow(Base):
    """Events of one type in the window that begins at `start` (seconds since 1970)."""

    __tablename__ = "counts"

    start: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    late: Mapped[int]


class WatermarkRow(Base):
    """The newest event time (seconds since 1970) that came from a source, such as a partition."""

    __tablename__ = "watermarks"

    source: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[float]


inbox = Inbox(Base.metadata)


class AnalyticsStore:
    """Counts events, one transaction each."""

    def __init__(self, database: Database, windows: Windows) -> None:
        self._database = database
        self._windows = windows

    async def count(self, event: UserEvent, source: str, now: datetime) -> bool:
        """Count an event that `source` gave; False, and nothing counted, when it was counted before.

        One that is late is counted as late, and not in its window, whose figure may have been used already.
        Raises InvalidRequest for a time that can't be.
        """
        start = self._windows.start_of(event.at, now)
        async with self._database.session() as session:
            if not await inbox.first_time(session, event.event_id, consumer=names.ANALYTICS):
                return False
            late = self._windows.is_late(start, await _advance(session, source, event.at.timestamp()))
            key = {"start": start, "type": event.type}
            await count(session, CountRow.__table__, key, {"count": int(not late), "late": int(late)})
        return True

    async def latest(self, limit: int) -> list[Window]:
        """The latest `limit` windows that have any event, oldest first."""
        newest = select(CountRow.start).distinct().order_by(CountRow.start.desc()).limit(limit)
        query = select(CountRow).where(CountRow.start.in_(newest)).order_by(CountRow.start, CountRow.type)
        found: dict[int, Window] = {}
        async with self._database.session(read_only=True) as session:
            for row in await session.scalars(query):
                window = found.setdefault(row.start, self._windows.window(row.start))
                for figures, figure in ((window.counts, row.count), (window.late, row.late)):
                    if figure:
                        figures[row.type] = figure
        return list(found.values())


async def _advance(session: AsyncSession, source: str, at: float) -> float | None:
    """Move the source's watermark forward to `at`; where it was before, None at its first event."""
    row = await session.get(WatermarkRow, source, with_for_update=True)
    if row is None:
        session.add(WatermarkRow(source=source, at=at))
        return None
    before = row.at
    row.at = max(before, at)
    return before
