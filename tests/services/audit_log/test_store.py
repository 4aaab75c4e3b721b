"""An event is recorded once."""

import asyncio
from datetime import UTC, datetime

import pytest

from services.audit_log.store import AuditStore, Base
from services.contracts.events import ORDER_PLACED, UserEvent
from workbook_lib.kit.storage import Database


def event(event_id, user_id="user123", **data):
    return UserEvent(
        event_id=event_id, type=ORDER_PLACED, user_id=user_id, at="2026-11-24T05:00:00+01:00", data=data
    )


@pytest.fixture
async def store(database_url):
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    yield AuditStore(database)
    await database.stop()


async def test_an_entry_holds_the_event_its_trace_and_its_place(store):
    assert await store.record(event("e1", sku="mouse"), trace_id="abc", partition=4, offset=17)
    [entry] = await store.entries(None, limit=10)
    assert (entry.event_id, entry.type, entry.user_id) == ("e1", ORDER_PLACED, "user123")
    assert entry.at == datetime(2026, 11, 24, 4, tzinfo=UTC)
    assert (entry.data, entry.trace_id, entry.partition, entry.offset) == ({"sku": "mouse"}, "abc", 4, 17)


async def test_a_redelivered_event_is_recorded_once_also_when_both_come_together(store):
    new = await asyncio.gather(
        *(store.record(event("e1"), trace_id="", partition=0, offset=0) for _ in range(8))
    )
    assert sorted(new) == [False] * 7 + [True]
    assert len(await store.entries(None, limit=10)) == 1


async def test_entries_are_of_one_user_the_newest_first_and_no_more_than_asked_for(store):
    for number in range(6):
        user_id = "user123" if number % 2 else "user124"
        await store.record(event(f"e{number}", user_id), trace_id="", partition=0, offset=number)
    assert [entry.event_id for entry in await store.entries("user123", limit=2)] == ["e5", "e3"]
    assert [entry.event_id for entry in await store.entries(None, limit=3)] == ["e5", "e4", "e3"]
