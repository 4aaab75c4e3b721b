"""Look into a service's own database, without being able to change it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from workbook_lib.lab.evidence.polling import EvidenceError, within

__all__ = ["rows"]

TIMEOUT_SECONDS: Final = 5.0


async def rows(
    database: str | Path,
    sql: str,
    parameters: Sequence[Any] = (),
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> list[dict[str, Any]]:
    """Run one query, read-only, on an SQLite file or an SQLAlchemy URL (SQLite, PostgreSQL).

    Each row is a dict. A parameter's place is `?` in SQLite and `$1` in PostgreSQL. Raises EvidenceError when
    the database can't be read or the query is wrong.
    """
    if not (isinstance(database, str) and "://" in database):
        path = Path(database)
    else:
        from sqlalchemy import make_url  # here and below: most chapters read files

        url = make_url(database)
        if url.get_backend_name() != "sqlite":
            question = _rows_of_server(database, sql, parameters)
            return await within(question, f"the database {url!r}", timeout_seconds)
        path = Path(str(url.database))
    return await within(
        asyncio.to_thread(_rows_of_file, path, sql, parameters), f"the database {path}", timeout_seconds
    )


def _rows_of_file(path: Path, sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=TIMEOUT_SECONDS)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, parameters)]
    except sqlite3.Error as error:
        raise EvidenceError(f"{path}: {error}") from error


async def _rows_of_server(database: str, sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(make_url(database).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            answer = await connection.exec_driver_sql(sql, tuple(parameters))
            return [dict(row) for row in answer.mappings()]
    except (SQLAlchemyError, OSError) as error:
        raise EvidenceError(f"{make_url(database)!r}: {error}") from error
    finally:
        await engine.dispose()
