"""Rule of "Messages" for the inbox: what is delivered at least once has its effect once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from tests.kit.messaging.conftest import own_database
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.failpoints import InjectedFault, arm, disarm
from workbook_lib.kit.messaging import Inbox
from workbook_lib.kit.storage import Database

METADATA = MetaData()
CLOCK = ManualClock()
INBOX = Inbox(METADATA, keep=timedelta(days=7), clock=CLOCK)
EFFECTS = Table("effects", METADATA, Column("id", Integer, primary_key=True))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with own_database(database_url, METADATA) as database:
        yield database


async def handle(database: Database, event_id: str, consumer: str = "stock") -> bool:
    async with database.session() as session:
        first = await INBOX.first_time(session, event_id, consumer=consumer)
        if first:
            await session.execute(insert(EFFECTS))
    return first


async def count(database: Database, table: Table = EFFECTS) -> int:
    async with database.session(read_only=True) as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_an_event_has_its_effect_once_for_each_consumer(database: Database) -> None:
    assert await handle(database, "e1")
    assert not await handle(database, "e1")
    assert await handle(database, "e1", "audit")
    assert await handle(database, "e2")
    assert await count(database) == 3


async def test_deliveries_at_the_same_time_have_one_effect(database: Database) -> None:
    assert sum(await asyncio.gather(*(handle(database, "e1") for _ in range(8)))) == 1
    assert await count(database) == 1


async def test_an_effect_that_fails_is_not_taken_for_done(database: Database) -> None:
    arm("inbox.before_commit", "error")  # the effect is done, its transaction isn't committed
    try:
        with pytest.raises(InjectedFault):
            await handle(database, "e1")
    finally:
        disarm("inbox.before_commit")
    assert await count(database) == 0
    assert await handle(database, "e1")
    assert await count(database) == 1


async def test_ids_are_forgotten_after_their_time_and_not_before(database: Database) -> None:
    await handle(database, "old")
    await CLOCK.advance(timedelta(days=4).total_seconds())
    await handle(database, "young")
    await CLOCK.advance(timedelta(days=4).total_seconds())
    async with database.session() as session:
        await INBOX.prune(session)
        assert list(await session.scalars(select(INBOX.table.c.event_id))) == ["young"]


async def test_an_inbox_prunes_itself(database: Database) -> None:
    await handle(database, "old")
    await CLOCK.advance(timedelta(days=8).total_seconds())
    async with database.session() as session:
        for number in range(1000):
            await INBOX.first_time(session, f"e{number}", consumer="stock")
    assert await count(database, INBOX.table) == 1000
