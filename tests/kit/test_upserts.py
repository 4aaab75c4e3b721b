"""Counts add up and a key is taken once, whoever writes at the same time."""

import asyncio

import pytest
from sqlalchemy import Column, Float, Integer, MetaData, String, Table, select

from workbook_lib.kit.storage import Database
from workbook_lib.kit.upserts import count, insert_if_absent

METADATA = MetaData()
VISITS = Table(
    "visits",
    METADATA,
    Column("page", String, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("visits", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
)


@pytest.fixture
async def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'counting.db'}", metadata=METADATA)
    await database.start()
    yield database
    await database.stop()


async def _all(database):
    async with database.session(read_only=True) as session:
        return [tuple(row) for row in await session.execute(select(VISITS).order_by(VISITS.c.page))]


async def test_a_row_begins_with_what_is_added_first_and_grows_column_by_column(database):
    async with database.session() as session:
        await count(session, VISITS, {"page": "/", "day": 1}, {"visits": 1, "seconds": 0.5})
        await count(session, VISITS, {"page": "/", "day": 1}, {"visits": 2, "seconds": 0})
        await count(session, VISITS, {"page": "/a", "day": 1}, {"visits": 1, "seconds": 1.5})
    assert await _all(database) == [("/", 1, 3, 0.5), ("/a", 1, 1, 1.5)]


async def test_a_new_row_has_what_comes_first_and_an_old_one_keeps_its_own(database):
    async with database.session() as session:
        for seconds in (7.0, 9.0):
            await count(session, VISITS, {"page": "/", "day": 1}, {"visits": 1}, first={"seconds": seconds})
    assert await _all(database) == [("/", 1, 2, 7.0)]


async def test_no_count_is_lost_when_many_transactions_add(database):
    async def visit():
        async with database.session() as session:
            await count(session, VISITS, {"page": "/", "day": 1}, {"visits": 1, "seconds": 1.0})

    await asyncio.gather(*(visit() for _ in range(20)))
    assert await _all(database) == [("/", 1, 20, 20.0)]


async def test_what_is_no_table_is_refused(database):
    async with database.session() as session:
        with pytest.raises(TypeError, match="is no table"):
            await count(session, select(VISITS).subquery(), {"page": "/"}, {"visits": 1})


async def test_of_many_who_insert_the_same_key_exactly_one_is_told_that_it_did(database):
    async def insert(seconds: float) -> bool:
        async with database.session() as session:
            row = {"page": "/", "day": 1, "visits": 1, "seconds": seconds}
            return await insert_if_absent(session, VISITS, row)

    inserted = await asyncio.gather(*(insert(float(number)) for number in range(20)))
    assert sum(inserted) == 1
    assert await _all(database) == [("/", 1, 1, float(inserted.index(True)))]
