"""What inventory does when it hears what orders want, on a real database and without Kafka."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from services.contracts import events, topics
from services.inventory.choreography import StockKeeper
from services.inventory.settings import InventorySettings
from services.inventory.store import Base, InventoryStore
from workbook_lib.kit.messaging import Message
from workbook_lib.kit.storage import Database
from workbook_lib.lab.evidence import rows

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def _wish(kind=events.RESERVE_STOCK, event_id="e1", sku="desk-lamp", quantity=2):
    event = events.OrderEvent(
        event_id=event_id, type=kind, order_id="o1", user_id="user123", at=NOW, sku=sku, quantity=quantity
    )
    return Message(topics.ORDER_EVENTS, 0, 0, "o1", event.model_dump_json().encode(), (), NOW)


class Keeper:
    """The handler, and what came of it."""

    def __init__(self, database, store, folder):
        self.hear = StockKeeper(database, store)
        self._store = store
        self._folder = folder

    async def lamps(self):
        return (await self._store.item("desk-lamp")).available

    async def told(self):
        found = await rows(self._folder / "service.db", "SELECT topic, key, value FROM outbox ORDER BY id")
        assert {(row["topic"], row["key"]) for row in found} <= {(topics.STOCK_EVENTS, "o1")}
        return [json.loads(row["value"]) for row in found]


@pytest.fixture
async def keeper(database_url, tmp_path):
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    store = InventoryStore(database, InventorySettings().seed_file)
    await store.start()
    yield Keeper(database, store, tmp_path)
    await database.stop()


async def test_what_is_there_is_reserved_and_its_price_told(keeper):
    await keeper.hear(_wish())
    [told] = await keeper.told()
    assert (told["type"], told["total_cents"], await keeper.lamps()) == (events.STOCK_RESERVED, 7980, 1)


@pytest.mark.parametrize(("sku", "code"), [("standing-desk", 40901), ("unicorn", 40401)])
async def test_what_is_not_there_is_refused_with_the_reason(keeper, sku, code):
    await keeper.hear(_wish(sku=sku))
    [told] = await keeper.told()
    assert (told["type"], told["error_code"]) == (events.STOCK_REFUSED, code)


async def test_what_is_released_is_there_again(keeper):
    await keeper.hear(_wish())
    await keeper.hear(_wish(events.RELEASE_STOCK, event_id="e2"))
    assert [told["type"] for told in await keeper.told()] == [events.STOCK_RESERVED, events.STOCK_RELEASED]
    assert await keeper.lamps() == 3


async def test_an_event_that_comes_twice_has_one_effect_and_one_answer(keeper):
    for _ in range(2):
        await keeper.hear(_wish())
    assert (len(await keeper.told()), await keeper.lamps()) == (1, 1)


async def test_a_kind_that_is_newer_than_the_service_is_passed_over(keeper):
    await keeper.hear(_wish("CountStock"))
    assert await keeper.told() == []


async def test_what_is_no_event_is_left_to_the_dead_letters(keeper):
    with pytest.raises(ValidationError):
        await keeper.hear(Message(topics.ORDER_EVENTS, 0, 0, "o1", b"{}", (), NOW))
