"""Every event is learnt from once; suggestions follow from what was learnt."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from services.contracts.events import LOGIN, PRODUCT_VIEWED, UserEvent
from services.recommendations.store import Base, RecommendationStore
from workbook_lib.kit.errors import InvalidRequest
from workbook_lib.kit.storage import Database
from workbook_lib.lab.evidence import rows

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NUMBERS = count()


def _view(user_id, sku, event_id=None):
    number = next(NUMBERS)
    return UserEvent(
        event_id=event_id or f"e{number}",
        type=PRODUCT_VIEWED,
        user_id=user_id,
        at=START + timedelta(seconds=number),
        data={"sku": sku},
    )


@pytest.fixture
async def database(database_url):
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
def store(database):
    return RecommendationStore(database, history_items=3)


async def _learn(store, *views):
    for user_id, sku in views:
        assert await store.learn(_view(user_id, sku))


async def test_what_others_with_the_same_taste_took_to_is_suggested(store):
    await _learn(store, ("ann", "mouse"), ("ann", "keyboard"), ("bob", "mouse"), ("bob", "keyboard"))
    await _learn(store, ("cleo", "desk-lamp"), ("dan", "mouse"))
    assert await store.suggestions("dan", 5) == [("keyboard", pytest.approx(2 / (3 * 2) ** 0.5), ("mouse",))]


async def test_what_a_user_has_taken_to_is_not_suggested_to_them(store):
    await _learn(store, ("ann", "mouse"), ("ann", "keyboard"), ("bob", "mouse"), ("bob", "keyboard"))
    assert await store.suggestions("bob", 5) == []


async def test_a_stranger_is_shown_what_is_popular(store):
    await _learn(store, ("ann", "mouse"), ("bob", "keyboard"), ("bob", "keyboard"))
    assert await store.suggestions("nobody", 5) == [("keyboard", 2.0, ()), ("mouse", 1.0, ())]


async def test_a_redelivered_event_counts_once_also_when_both_come_together(store, database):
    twice = _view("ann", "mouse")
    learnt = await asyncio.gather(*(store.learn(twice) for _ in range(6)))
    assert sorted(learnt) == [False] * 5 + [True]
    assert await rows(str(database.url), "SELECT sku, users, times FROM items") == [
        {"sku": "mouse", "users": 1, "times": 1}
    ]


async def test_what_could_not_be_learnt_counts_when_it_comes_again_in_order(store):
    with pytest.raises(InvalidRequest):
        await store.learn(_view("ann", "", event_id="repaired"))
    assert await store.learn(_view("ann", "mouse", event_id="repaired"))


async def test_an_event_that_shows_no_interest_changes_nothing(store):
    login = UserEvent(event_id="e-login", type=LOGIN, user_id="ann", at=START)
    assert not await store.learn(login)
    assert await store.suggestions("ann", 5) == []


async def test_a_second_view_by_the_same_user_makes_a_pair_no_stronger(store, database):
    await _learn(store, ("ann", "mouse"), ("ann", "keyboard"), ("ann", "keyboard"), ("ann", "mouse"))
    pairs = await rows(str(database.url), "SELECT sku, other, users FROM pairs ORDER BY sku")
    assert [(pair["sku"], pair["other"], pair["users"]) for pair in pairs] == [
        ("keyboard", "mouse", 1),
        ("mouse", "keyboard", 1),
    ]


async def test_only_the_latest_items_are_paired_with_a_new_one(store, database):
    await _learn(store, *(("ann", sku) for sku in ("a", "b", "c", "d", "e")))
    pairs = await rows(str(database.url), "SELECT other FROM pairs WHERE sku = 'e' ORDER BY other")
    assert [pair["other"] for pair in pairs] == ["b", "c", "d"]
