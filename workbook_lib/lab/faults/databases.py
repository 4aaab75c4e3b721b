"""A database of a PostgreSQL server that is down while the server's others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

__all__ = ["database_down"]

ANSWER_SECONDS = 5.0


@asynccontextmanager
async def database_down(server_url: str, name: str) -> AsyncIterator[None]:
    """Inside the block the database `name` refuses connections, and those that it had are ended.

    `server_url` is that of another database of the server, as superuser. What the database has promised (a
    prepared transaction) it keeps.
    """
    connection = await asyncpg.connect(server_url, timeout=ANSWER_SECONDS)
    quoted = '"{}"'.format(name.replace('"', '""'))
    allow = f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS"
    try:
        try:
            await connection.execute(f"{allow} false", timeout=ANSWER_SECONDS)
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = $1",
                name,
                timeout=ANSWER_SECONDS,
            )
            yield
        finally:
            await connection.execute(f"{allow} true", timeout=ANSWER_SECONDS)
    finally:
        await connection.close(timeout=ANSWER_SECONDS)
