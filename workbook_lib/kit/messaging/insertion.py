"""Insert unless it is there: both databases have the statement, SQLAlchemy has it per dialect."""

from typing import Any

from sqlalchemy import CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["insert_if_absent"]


async def insert_if_absent(session: AsyncSession, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless a unique key of it is taken; True when it was inserted.

    PostgreSQL waits for a transaction under way that inserts the same key, and answers by how that ends.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    done = await session.execute(insert(table).values(values).on_conflict_do_nothing())
    return isinstance(done, CursorResult) and done.rowcount == 1
