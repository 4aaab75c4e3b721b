"""PostgreSQL's half of the protocol: transactions that are prepared, and wait for their decision."""

import re
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from workbook_lib.kit.storage import Database

__all__ = ["GlobalId", "commit_prepared", "list_prepared", "prepare", "roll_back_prepared", "sqlstate"]

_UNDEFINED_OBJECT = "42704"  # https://www.postgresql.org/docs/current/errcodes-appendix.html
_PART = re.compile(r"[\w.-]+")
_LENGTH = 199


class GlobalId(NamedTuple):
    """The name of a prepared transaction: unique in the whole server, so it says the participant too.

    Raises ValueError, when written, for parts with other characters than letters, digits, `_`, `.` and `-`.
    """

    coordinator: str
    owner: str
    tx: str
    participant: str

    def __str__(self) -> str:
        written = ":".join(self)
        if not all(_PART.fullmatch(part) for part in self) or len(written) > _LENGTH:
            raise ValueError(f"{written!r} can't name a prepared transaction")
        return written


async def prepare(session: AsyncSession, gid: GlobalId) -> None:
    """Phase one: what the session has done survives a crash, holds its locks and awaits `gid`'s decision.

    The transaction belongs to the server from here on. The COMMIT or ROLLBACK that ends the session finds
    none and changes nothing.
    """
    await session.execute(text(f"PREPARE TRANSACTION '{gid}'"))


async def commit_prepared(database: Database, gid: GlobalId) -> None:
    """Phase two, committed. Nothing when it is done already."""
    await _finish(database, f"COMMIT PREPARED '{gid}'")


async def roll_back_prepared(database: Database, gid: GlobalId) -> None:
    """Phase two, aborted. Nothing when there is no such transaction (any more)."""
    await _finish(database, f"ROLLBACK PREPARED '{gid}'")


async def list_prepared(database: Database, coordinator: str, owner: str) -> list[GlobalId]:
    """What waits in this database for this coordinator's decision."""
    question = (
        "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, :p)"
    )
    async with database.session(read_only=True) as session:
        found = (await session.scalars(text(question), {"p": f"{coordinator}:{owner}:"})).all()
    return [GlobalId(*gid.split(":")) for gid in found]


def sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's code of an error; "" when it has none."""
    return str(getattr(error.orig, "sqlstate", None) or "")


async def _finish(database: Database, statement: str) -> None:
    try:
        async with database.autocommit() as connection:  # refused inside a transaction
            await connection.execute(text(statement))
    except DBAPIError as error:
        if sqlstate(error) != _UNDEFINED_OBJECT:
            raise
