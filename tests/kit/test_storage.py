"""A database of its own for a service, on a real SQLite file."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import ForeignKey, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from workbook_lib.kit import telemetry
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.storage import Database, DatabaseError
from workbook_lib.lab.evidence import eventually


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    sku: Mapped[str] = mapped_column(primary_key=True)
    stock: Mapped[int]


class Reservation(Base):
    __tablename__ = "reservations"
    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("items.sku"))


@pytest.fixture(autouse=True)
async def no_thread_left() -> AsyncIterator[None]:
    """A connection that failed or was given up ends in aiosqlite's thread, which tells the test's loop."""
    yield
    await eventually(lambda: not [each for each in threading.enumerate() if "connection_worker" in each.name])


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/shop.db", metadata=Base.metadata)
    await database.start()
    yield database
    await database.stop()


async def stock(database: Database) -> int:
    async with database.session(read_only=True) as session:
        return (await session.scalars(select(Item.stock))).one()


async def test_a_session_that_ends_well_is_committed(database: Database) -> None:
    async with database.session() as session:
        session.add(Item(sku="a", stock=3))
    assert await stock(database) == 3


async def test_a_session_that_raises_is_rolled_back(database: Database) -> None:
    async def fail() -> None:
        async with database.session() as session:
            session.add(Item(sku="a", stock=3))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Item)) == 0


async def test_what_a_session_read_still_holds_when_it_writes(database: Database) -> None:
    """Of ten sessions that each take one of five pieces, five find none: no piece is taken twice."""
    async with database.session() as session:
        session.add(Item(sku="a", stock=5))

    async def take() -> bool:
        async with database.session() as session:
            item = await session.get_one(Item, "a")
            left = item.stock
            await asyncio.sleep(0.01)  # where another session could come between
            if left:
                item.stock = left - 1
            return left > 0

    taken = await asyncio.gather(*(take() for _ in range(10)))
    assert (sum(taken), await stock(database)) == (5, 0)


async def test_a_reader_does_not_wait_for_the_writer(database: Database) -> None:
    async with database.session() as session:
        session.add(Item(sku="a", stock=1))
    async with database.session() as writer:
        (await writer.get_one(Item, "a")).stock = 2
        await writer.flush()
        started = time.monotonic()
        assert await stock(database) == 1
        assert time.monotonic() - started < 4  # who waits for the lock is refused after 5 s
    assert await stock(database) == 2


async def test_foreign_keys_are_enforced_and_the_log_is_written_ahead(database: Database) -> None:
    async with database.session() as session:
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await session.scalar(text("PRAGMA busy_timeout")) == 5000
        session.add(Reservation(sku="unknown"))
        with pytest.raises(IntegrityError):
            await session.flush()
        await session.rollback()


async def test_data_outlives_the_service(tmp_path: Path) -> None:
    for expected in (0, 1):
        database = Database(f"sqlite:///{tmp_path}/shop.db", metadata=Base.metadata)
        await database.start()
        await database.start()
        async with database.session() as session:
            assert await session.scalar(select(func.count()).select_from(Item)) == expected
            session.add(Item(sku=f"item-{expected}", stock=1))
        await database.check()
        await database.stop()
        await database.stop()


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:///shop.db", "sqlite+aiosqlite"),
        ("postgresql://ann:secret@db.example/shop", "postgresql+asyncpg"),
        ("postgres://ann:secret@db.example/shop", "postgresql+asyncpg"),
        ("postgresql+asyncpg://db.example/shop", "postgresql+asyncpg"),
    ],
)
def test_the_async_driver_is_filled_in(given: str, driver: str) -> None:
    assert Database(given).url.drivername == driver


async def test_a_database_that_cannot_be_reached_is_an_error_at_the_start_without_its_password() -> None:
    assert issubclass(DatabaseError, Unavailable)
    away = Database("postgresql://ann:secret@127.0.0.1:1/shop")
    with pytest.raises(DatabaseError, match=r"127\.0\.0\.1:1/shop") as caught:
        await away.start()
    assert "secret" not in str(caught.value)
    with pytest.raises(DatabaseError, match="isn't started"):
        await away.check()

    with pytest.raises(DatabaseError, match="unable to open"):
        await Database("sqlite:////no/such/folder/shop.db").start()


async def test_a_database_that_never_answers_ends_the_start_within_its_bound(black_hole: str) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseError, match="no connection in time"):
        await Database(f"postgresql://{black_hole}/shop", start_timeout_seconds=0.3).start()
    assert time.monotonic() - started < 5  # the driver is imported first


async def test_each_statement_is_a_span_below_the_one_that_made_it(
    database: Database, spans: InMemorySpanExporter
) -> None:
    with telemetry.tracer().start_as_current_span("request") as request:
        async with database.session() as session:
            session.add(Item(sku="a", stock=1))
        assert await stock(database) == 1

    inserted, selected, _ = spans.get_finished_spans()
    assert (inserted.name, selected.name) == ("INSERT shop", "SELECT shop")
    for span in (inserted, selected):
        assert span.kind is SpanKind.CLIENT
        assert span.parent is not None
        assert span.parent.span_id == request.get_span_context().span_id
    assert inserted.attributes is not None
    assert inserted.attributes["db.system.name"] == "sqlite"
    assert inserted.attributes["db.namespace"] == "shop"
    assert inserted.attributes["db.operation.name"] == "INSERT"
    assert "INSERT INTO items" in str(inserted.attributes["db.query.text"])


async def test_a_statement_that_fails_is_a_span_that_failed(
    database: Database, spans: InMemorySpanExporter
) -> None:
    async def ask() -> None:
        async with database.session() as session:
            await session.execute(text("SELECT * FROM nowhere"))

    with pytest.raises(OperationalError):
        await ask()
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "nowhere" in str(span.status.description)


async def test_values_stay_out_of_errors_and_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    database = Database(f"sqlite:///{tmp_path}/shop.db", metadata=Base.metadata)
    await database.start()
    with pytest.raises(IntegrityError) as refused:
        async with database.session() as session:
            session.add_all([Item(sku="personal", stock=1), Item(sku="personal", stock=2)])
    await database.stop()
    assert "personal" not in f"{refused.value}{caplog.text}"


async def test_callers_that_give_up_leave_no_lock_behind(database: Database) -> None:
    async def read() -> None:
        async with database.session() as session:
            await session.scalar(select(func.count()).select_from(Item))

    outcomes = []  # held, as a service's log may hold them: their tracebacks keep the cursors alive
    for delay in (0.02, 0.05, 0.08, 0.11, 0.14) * 4:
        callers = [asyncio.create_task(read()) for _ in range(200)]
        await asyncio.sleep(delay)
        for caller in callers:
            caller.cancel()
        outcomes += await asyncio.gather(*callers, return_exceptions=True)
        await asyncio.wait_for(read(), timeout=60)  # a lock left behind would be an error after 5 s
    assert any(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)


async def test_a_new_file_that_another_process_is_just_writing_to_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database = Database(f"sqlite+aiosqlite:///{file}")
    starting = asyncio.create_task(database.start())
    assert not (await asyncio.wait([starting], timeout=0.5))[0]
    other.execute("COMMIT")
    await starting
    async with database.session() as session:
        assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
    await database.stop()
    other.close()
