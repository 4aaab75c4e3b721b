"""Who of several instances works: a row with an owner and an end."""

from datetime import datetime, timedelta

from sqlalchemy import CursorResult, DateTime, MetaData, String, Table, or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import Column

from workbook_lib.kit.upserts import insert_if_absent

__all__ = ["Lease"]


class Lease:
    """Table `name`, whose one row says who works until when, by the wall clock of who wrote it.

    It saves work, nothing more: clocks differ and a process may stand still after it looked, so what is done
    under a lease must be right without it, too.
    """

    def __init__(self, metadata: MetaData, name: str) -> None:
        self.table = Table(
            name,
            metadata,
            Column("name", String, primary_key=True),
            Column("owner", String, nullable=False),
            Column("until", DateTime(timezone=True), nullable=False),
        )

    async def take(self, session: AsyncSession, owner: str, now: datetime, length: timedelta) -> bool:
        """Get or prolong it; False while another owner has it."""
        table, until = self.table, now + length
        mine_or_over = or_(table.c.owner == owner, table.c.until < now)
        done = await session.execute(update(table).where(mine_or_over).values(owner=owner, until=until))
        if isinstance(done, CursorResult) and done.rowcount:
            return True
        return await insert_if_absent(session, table, {"name": table.name, "owner": owner, "until": until})

    async def give_back(self, session: AsyncSession, owner: str, now: datetime) -> None:
        """Let another have it at once."""
        table = self.table
        await session.execute(update(table).where(table.c.owner == owner).values(until=now))
