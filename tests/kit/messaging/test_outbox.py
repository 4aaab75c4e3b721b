"""Rule of "Messages" for the outbox: the event row is written in the transaction of the state it tells of."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel
from sqlalchemy import MetaData

from tests.kit.messaging.conftest import own_database
from workbook_lib.kit.messaging import Outbox, ParkedEvent
from workbook_lib.kit.storage import Database


class Told(BaseModel):
    event_id: str
    number: int = 0


class Plain(BaseModel):
    number: int = 0


METADATA = MetaData()
OUTBOX = Outbox(METADATA)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with own_database(database_url, METADATA) as database:
        yield database


async def waiting(database: Database) -> int:
    async with database.session(read_only=True) as session:
        return await OUTBOX.waiting(session)


async def add(database: Database, key: str | None, *, topic: str = "t", event_id: str = "") -> str:
    async with database.session() as session:
        return await OUTBOX.add(session, topic, key, Told(event_id=event_id) if event_id else Plain())


async def oldest(database: Database, count: int = 100) -> list[str]:
    async with database.session(read_only=True) as session:
        return [row.event_id for row in await OUTBOX.oldest(session, count)]


async def park(database: Database, event_id: str) -> None:
    async with database.session() as session:
        (number,) = [row.id for row in await OUTBOX.oldest(session, 100) if row.event_id == event_id]
        await OUTBOX.park(session, number, "too large")


async def test_an_event_is_stored_with_its_transaction_and_is_gone_with_it(database: Database) -> None:
    async def fail() -> None:
        async with database.session() as session:
            await OUTBOX.add(session, "t", "k", Plain())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await waiting(database) == 0
    await add(database, "k")
    assert await waiting(database) == 1


async def test_the_id_is_the_models_own_or_a_new_one_and_travels_as_a_header(database: Database) -> None:
    assert await add(database, "k", event_id="e1") == "e1"
    new = await add(database, "k")
    async with database.session(read_only=True) as session:
        first, second = await OUTBOX.oldest(session, 2)
    assert (first.event_id, dict(first.headers)["event-id"]) == ("e1", b"e1")
    assert (second.event_id, dict(second.headers)["event-id"]) == (new, new.encode())


async def test_headers_of_any_bytes_come_back_as_they_were(database: Database) -> None:
    async with database.session() as session:
        await OUTBOX.add(session, "t", "k", Plain(), headers=[("raw", bytes(range(256)))])
    async with database.session(read_only=True) as session:
        (row,) = await OUTBOX.oldest(session, 1)
    assert row.headers[0] == ("raw", bytes(range(256)))


async def test_the_oldest_come_first_and_no_number_is_used_twice(database: Database) -> None:
    """A relay that stood still may delete by number what it published long ago."""
    for number in range(3):
        await add(database, "k", event_id=f"e{number}")
    assert await oldest(database) == ["e0", "e1", "e2"]
    async with database.session() as session:
        rows = await OUTBOX.oldest(session, 3)
        await OUTBOX.remove(session, [row.id for row in rows])
    await add(database, "k", event_id="e3")
    async with database.session(read_only=True) as session:
        (later,) = await OUTBOX.oldest(session, 1)
    assert later.id > max(row.id for row in rows)


async def test_a_parked_event_holds_back_those_behind_it_of_its_topic_and_key_alone(
    database: Database,
) -> None:
    await add(database, "k", event_id="before")
    await add(database, "k", event_id="poison")
    await add(database, "k", event_id="behind")
    await add(database, "other key", event_id="other key")
    await add(database, "k", topic="other", event_id="other topic")
    await add(database, None, event_id="no key")
    await park(database, "poison")

    assert await oldest(database) == ["before", "other key", "other topic", "no key"]
    async with database.session(read_only=True) as session:
        assert await OUTBOX.parked(session) == [ParkedEvent("poison", "t", "k", "too large")]


async def test_a_parked_event_without_a_key_holds_back_none(database: Database) -> None:
    await add(database, None, event_id="poison")
    await add(database, None, event_id="next")
    await park(database, "poison")
    assert await oldest(database) == ["next"]


async def test_a_parked_event_is_tried_again_or_dropped_when_a_person_says_so(database: Database) -> None:
    for event_id in ("first", "second", "third"):
        await add(database, "k", event_id=event_id)
    await park(database, "first")
    async with database.session() as session:
        await OUTBOX.retry(session, "first")
    assert await oldest(database) == ["first", "second", "third"]
    await park(database, "first")
    async with database.session() as session:
        await OUTBOX.discard(session, "first")
        await OUTBOX.discard(session, "second")  # isn't parked, so it stays
    assert await oldest(database) == ["second", "third"]


async def test_who_listens_hears_of_commits_and_of_nothing_else(database: Database) -> None:
    with OUTBOX.listening() as committed:
        async with database.session() as session:
            await OUTBOX.add(session, "t", "k", Plain())
            assert not committed.is_set()
        await asyncio.wait_for(committed.wait(), 5)
        committed.clear()
        async with database.session() as session:
            await OUTBOX.add(session, "t", "k", Plain())
            await session.rollback()
        assert not committed.is_set()
    await add(database, "k")
    assert not committed.is_set()
