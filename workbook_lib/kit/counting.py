"""Counters in a table: one statement that adds, however many add at the same time."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import FromClause, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["count"]


async def count(
    session: AsyncSession,
    table: FromClause,
    key: Mapping[str, Any],
    by: Mapping[str, int | float],
    *,
    first: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Add `by`, column for column, to the row with this primary key; a row that isn't there starts there.

    `first` has what a new row holds besides; a row that is there keeps its own.

    Reading a count and writing it back would lose what another transaction adds in between; UPSERT is a
    dialect's own (SQLite, PostgreSQL).
    """
    if not isinstance(table, Table):
        raise TypeError(f"{table!r} is no table")
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert = dialect.insert(table).values({**key, **by, **first})
    added = {name: table.c[name] + insert.excluded[name] for name in by}
    await session.execute(insert.on_conflict_do_update(index_elements=list(key), set_=added))
