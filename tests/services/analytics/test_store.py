"""Every event is counted once, in the window in which it happened or as late."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.analytics.domain import Windows
from services.analytics.store import AnalyticsStore, Base
from services.contracts.events import LOGIN, UserEvent
from workbook_lib.kit.storage import Database

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def _login(second, event_id=None):
    return UserEvent(
        event_id=event_id or f"e{second}", type=LOGIN, user_id="user123", at=NOON + timedelta(seconds=second)
    )


@pytest.fixture
async def store(database_url):
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    yield AnalyticsStore(database, Windows(10, 5, 60))
    await database.stop()


async def _figures(store):
    return [
        ((window.start - NOON).total_seconds(), window.counts.get(LOGIN, 0), window.late.get(LOGIN, 0))
        for window in await store.latest(limit=100)
    ]


async def test_events_are_counted_by_when_they_happened_in_whatever_order_they_come(store):
    for second in (1, 12, 3, 14, 2):
        assert await store.count(_login(second), "p0", LATER)
    assert await _figures(store) == [(0, 3, 0), (10, 2, 0)]


async def test_an_event_for_a_window_that_is_closed_is_counted_as_late(store):
    for second in (1, 15, 2):  # at 15 the first window closes
        await store.count(_login(second), "p0", LATER)
    assert await _figures(store) == [(0, 1, 1), (10, 1, 0)]


async def test_a_partition_that_is_ahead_makes_no_event_of_another_late(store):
    await store.count(_login(100), "p0", LATER)
    await store.count(_login(1), "p1", LATER)
    assert await _figures(store) == [(0, 1, 0), (100, 1, 0)]


async def test_a_replay_finds_the_same_events_late_however_partitions_are_interleaved(tmp_path):
    partitions = {"p0": [1, 30, 2, 31], "p1": [5, 6, 40, 7]}
    found = []
    for number, order in enumerate([("p0", "p1"), ("p1", "p0")]):
        database = Database(f"sqlite:///{tmp_path / f'{number}.db'}", metadata=Base.metadata)
        await database.start()
        store = AnalyticsStore(database, Windows(10, 5, 60))
        for source in order:
            for second in partitions[source]:
                await store.count(_login(second), source, LATER)
        found.append(await _figures(store))
        await database.stop()
    assert found[0] == found[1] == [(0, 3, 2), (30, 2, 0), (40, 1, 0)]


async def test_a_redelivered_event_counts_once_also_when_both_come_together(store):
    new = await asyncio.gather(*(store.count(_login(1), "p0", LATER) for _ in range(6)))
    assert sorted(new) == [False] * 5 + [True]
    assert await _figures(store) == [(0, 1, 0)]


async def test_the_latest_windows_are_told_oldest_first(store):
    for second in (1, 11, 21, 31):
        await store.count(_login(second), "p0", LATER)
    assert [(window.start - NOON).total_seconds() for window in await store.latest(limit=2)] == [20, 30]
