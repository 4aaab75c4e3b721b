"""Stock is never sold twice, and an order never takes it twice: on a real database, with real concurrency."""

import asyncio
import json

import pytest

from services.inventory.domain import Reservation
from services.inventory.store import Base, InventoryStore
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.storage import Database

LAMP = {"sku": "lamp", "name": "Lamp", "available": 10, "unit_price_cents": 3990}
DESK = {"sku": "desk", "name": "Desk", "available": 1, "unit_price_cents": 54900}


@pytest.fixture
def seed_file(tmp_path):
    path = tmp_path / "stock.json"
    path.write_text(json.dumps([LAMP, DESK]))
    return path


@pytest.fixture
async def store(database_url, seed_file):
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    store = InventoryStore(database, seed_file)
    await store.start()
    yield store
    await store.stop()
    await database.stop()


async def _attempt(store, order_id, quantity=1, sku="lamp"):
    try:
        return await store.reserve(Reservation(order_id, sku, quantity))
    except Conflict:
        return None


async def test_reserving_takes_from_the_shelf_and_tells_the_price(store):
    assert await store.reserve(Reservation("order1", "lamp", 3)) == 3990
    assert (await store.item("lamp")).available == 7


async def test_of_forty_who_want_the_last_ten_exactly_ten_get_one(store):
    prices = await asyncio.gather(*(_attempt(store, f"order{number}") for number in range(40)))
    assert sum(price is not None for price in prices) == 10
    assert (await store.item("lamp")).available == 0


async def test_two_processes_on_one_database_never_oversell_together(store, database_url):
    other_database = Database(database_url, metadata=Base.metadata)
    await other_database.start()
    other = InventoryStore(other_database)
    taken = await asyncio.gather(
        *(_attempt(store, f"a{number}", 2) for number in range(8)),
        *(_attempt(other, f"b{number}", 2) for number in range(8)),
    )
    await other_database.stop()
    assert sum(price is not None for price in taken) == 5
    assert (await store.item("lamp")).available == 0


async def test_an_order_that_asks_again_takes_nothing_more(store):
    answers = await asyncio.gather(*(store.reserve(Reservation("order1", "lamp", 3)) for _ in range(5)))
    assert answers == [3990] * 5
    assert (await store.item("lamp")).available == 7


async def test_an_order_that_asks_again_is_answered_also_when_the_shelf_is_empty(store):
    await store.reserve(Reservation("order1", "desk", 1))
    assert await store.reserve(Reservation("order1", "desk", 1)) == 54900


async def test_an_order_can_not_turn_its_reservation_into_another(store):
    await store.reserve(Reservation("order1", "lamp", 1))
    with pytest.raises(Conflict):
        await store.reserve(Reservation("order1", "lamp", 2))
    assert (await store.item("lamp")).available == 9


async def test_a_refused_reservation_leaves_no_trace(store):
    with pytest.raises(Conflict):
        await store.reserve(Reservation("order1", "lamp", 11))
    assert (await store.item("lamp")).available == 10
    assert await store.reserve(Reservation("order1", "lamp", 10)) == 3990


async def test_an_unknown_sku_is_not_found(store):
    with pytest.raises(NotFound):
        await store.reserve(Reservation("order1", "unicorn", 1))
    with pytest.raises(NotFound):
        await store.item("unicorn")


async def test_the_seed_fills_only_an_empty_database(store):
    await store.reserve(Reservation("order1", "lamp", 1))
    await store.start()
    assert (await store.item("lamp")).available == 9
