"""What a service on PostgreSQL does besides using its database: see that there is one."""

from sqlalchemy import MetaData, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from workbook_lib.kit.storage import Database, DatabaseError

__all__ = ["ServerDatabase", "create_database", "database_url"]

_TAKEN = ("42P04", "23505")  # duplicate_database; and the same when two create it at one moment


def database_url(server_url: str, name: str) -> str:
    """The URL of another database on the same server, under the same account."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


async def create_database(server_url: str, name: str) -> str:
    """Create the database `name` unless it is there, and return its URL. Raises `DatabaseError`."""
    server = Database(server_url)
    await server.start()
    try:
        async with server.autocommit() as connection:  # refused inside a transaction
            quoted = connection.dialect.identifier_preparer.quote_identifier(name)
            await connection.execute(text(f"CREATE DATABASE {quoted}"))
    except (SQLAlchemyError, OSError) as error:
        if not isinstance(error, DBAPIError) or getattr(error.orig, "sqlstate", "") not in _TAKEN:
            raise DatabaseError(f"{name} can't be created: {error}") from error
    finally:
        await server.stop()
    return database_url(server_url, name)


class ServerDatabase(Database):
    """A database of a PostgreSQL server, created at the first start; of the same account as `server_url`."""

    def __init__(self, server_url: str, name: str, *, metadata: MetaData | None = None) -> None:
        super().__init__(database_url(server_url, name), metadata=metadata)
        self._server_url, self._database_name = server_url, name

    async def start(self) -> None:
        """Create the database unless it is there, then as any. Raises `DatabaseError`."""
        await create_database(self._server_url, self._database_name)
        await super().start()
