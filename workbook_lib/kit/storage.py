"""A service's own database: SQLAlchemy's async engine, a transaction per session, a span per statement."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import PurePath

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from sqlalchemy import URL, Connection, Engine, ExceptionContext, MetaData, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.util import await_only

from workbook_lib.kit import telemetry
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.errors import Unavailable

__all__ = ["Database", "DatabaseError"]

_SQLITE_BUSY_MS = 5000
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


class DatabaseError(Unavailable):
    """The database can't be reached or isn't usable."""


class Database:
    """One database, SQLite or PostgreSQL. `url` may leave the driver out: aiosqlite or asyncpg is filled in.

    SQLite runs with a write-ahead log (readers don't wait for the writer), a busy timeout of five seconds and
    foreign keys enforced. The tables of `metadata` that don't exist yet are created at the start.
    """

    def __init__(
        self, url: str, *, metadata: MetaData | None = None, start_timeout_seconds: float = 5.0
    ) -> None:
        parsed = make_url(url)
        self.url: URL = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
        self._metadata = metadata
        self._start_timeout_seconds = start_timeout_seconds
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None

    async def start(self) -> None:
        """Connect and create missing tables; raises `DatabaseError` when that fails or takes too long."""
        if self._engine is not None:
            return
        # Values don't belong in logs, personal ones least; errors and the driver's DEBUG lines had them.
        self._engine = create_async_engine(self.url, hide_parameters=True)
        logging.getLogger("aiosqlite").setLevel(logging.INFO)
        if self.url.get_backend_name() == "sqlite":
            _set_up_sqlite(self._engine.sync_engine)
        try:
            async with asyncio.timeout(self._start_timeout_seconds), self._engine.begin() as connection:
                if self._metadata is not None:
                    await connection.run_sync(self._metadata.create_all)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            await self.stop()
            raise DatabaseError(f"{self._name}: {str(error) or 'no connection in time'}") from error
        except BaseException:
            await self.stop()
            raise
        _trace_statements(self._engine.sync_engine)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    async def stop(self) -> None:
        """Close the connections."""
        engine, self._engine, self._sessions = self._engine, None, None
        if engine is not None:
            await engine.dispose()

    async def check(self) -> None:
        """Raise `DatabaseError` unless the database answers."""
        try:
            async with self.session(read_only=True) as session:
                await session.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseError(f"{self._name}: {error}") from error

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end of the block, rolled back when the block raises.

        SQLite knows one writer at a time: a session is that writer from its start, so that what it reads
        still holds when it writes. A `read_only` session waits for no one.
        """
        if self._sessions is None:
            raise DatabaseError(f"{self._name} isn't started")
        async with self._sessions.begin() as session:
            if read_only:
                await session.connection(execution_options={"read_only": True})
            yield session

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement is a transaction of its own; some are refused in any other."""
        if self._engine is None:
            raise DatabaseError(f"{self._name} isn't started")
        async with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            yield connection

    @property
    def _name(self) -> str:
        return f"the database {self.url.render_as_string(hide_password=True)}"


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes only with the first write
        cursor = connection.cursor()
        _write_ahead(cursor)
        for pragma in (
            f"busy_timeout={_SQLITE_BUSY_MS}",
            "foreign_keys=ON",
            "synchronous=NORMAL",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "invalidate")
    def invalidated(connection: DBAPIConnection, _record: object, _error: object) -> None:
        # A call that was cancelled. SQLite's close leaves the transaction, and with it the writer's lock, to
        # whoever still holds a cursor (sqlite3_close_v2); a traceback may hold one for long.
        with suppress(Exception):
            connection.rollback()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _write_ahead(cursor: DBAPICursor) -> None:
    """Switch the log on. Of two processes that do so in a new file SQLite refuses one, without waiting."""
    until = SYSTEM_CLOCK.monotonic() + _SQLITE_BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or SYSTEM_CLOCK.monotonic() >= until:
                raise
        await_only(SYSTEM_CLOCK.sleep(0.02))


def _trace_statements(engine: Engine) -> None:
    """A CLIENT span for each statement, after OpenTelemetry's stable conventions for database clients.

    Written here because its SQLAlchemy instrumentation patches every engine of the process and, of SQLite,
    puts the file's whole path into the span's name.
    """
    database = PurePath(engine.url.database or "").stem
    attributes: dict[str, str | int] = {"db.system.name": engine.dialect.name, "db.namespace": database}
    if engine.url.host:
        attributes |= {"server.address": engine.url.host, "server.port": engine.url.port or 5432}

    @event.listens_for(engine, "before_cursor_execute", named=True)
    def before(*, conn: Connection, statement: str, **_: object) -> None:
        operation = statement.split(None, 1)[0].upper()
        if operation == "BEGIN":
            return
        conn.info["span"] = telemetry.tracer().start_span(
            f"{operation} {database}",
            kind=SpanKind.CLIENT,
            attributes={**attributes, "db.operation.name": operation, "db.query.text": statement},
        )

    @event.listens_for(engine, "after_cursor_execute", named=True)
    def after(*, conn: Connection, **_: object) -> None:
        _end_span(conn)

    @event.listens_for(engine, "handle_error")
    def failed(failure: ExceptionContext) -> None:
        if failure.connection is not None:
            _end_span(failure.connection, failure.original_exception)


def _end_span(connection: Connection, error: BaseException | None = None) -> None:
    span: Span | None = connection.info.pop("span", None)
    if span is None:
        return
    if error is not None:
        span.set_status(Status(StatusCode.ERROR, str(error)))
    span.end()
