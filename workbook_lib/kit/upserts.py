"""Insert, or else: statements that hold when many write at the same time, in SQLite and in PostgreSQL.

Reading first and writing afterwards would lose what another transaction does in between. Both databases have
the statement; SQLAlchemy has it per dialect.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import CursorResult, FromClause, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["count", "insert_if_absent"]


async def insert_if_absent(session: AsyncSession, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless a unique key of it is taken; True when it was inserted.

    PostgreSQL waits for a transaction under way that inserts the same key, and answers by how that ends.
    """
    statement = _insert(session, table, values).on_conflict_do_nothing()
    done = await session.execute(statement)
    return isinstance(done, CursorResult) and done.rowcount == 1


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
    """
    if not isinstance(table, Table):
        raise TypeError(f"{table!r} is no table")
    insert = _insert(session, table, {**key, **by, **first})
    added = {name: table.c[name] + insert.excluded[name] for name in by}
    await session.execute(insert.on_conflict_do_update(index_elements=list(key), set_=added))


def _insert(
    session: AsyncSession, table: Table, values: Mapping[str, Any]
) -> postgresql.Insert | sqlite.Insert:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert: postgresql.Insert | sqlite.Insert = dialect.insert(table)
    return insert.values(values)
