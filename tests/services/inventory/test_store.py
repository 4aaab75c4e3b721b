"""Stock is never sold twice, and an order never takes it twice: on a real database, with real concurrency."""

import asyncio
import json
from random import Random

import pytest

from services.inventory.domain import Reservation, TooLate
from services.inventory.store import Base, InventoryStore
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.storage import Database
from workbook_lib.lab.evidence import rows

LAMP = {"sku": "lamp", "name": "Lamp", "available": 10, "unit_price_cents": 3990}
DESK = {"sku": "desk", "name": "Desk", "available": 1, "unit_price_cents": 54900}


class Shelves:
    """Each call of the store in a transaction of its own, as RPC makes it."""

    def __init__(self, database, seed_file=None):
        self._database = database
        self.store = InventoryStore(database, seed_file)

    async def reserve(self, order_id, sku, quantity):
        async with self._database.session() as session:
            return await self.store.reserve(session, Reservation(order_id, sku, quantity))

    async def release(self, order_id):
        async with self._database.session() as session:
            return await self.store.release(session, order_id)

    async def available(self, sku):
        return (await self.store.item(sku)).available


@pytest.fixture
def seed_file(tmp_path):
    path = tmp_path / "stock.json"
    path.write_text(json.dumps([LAMP, DESK]))
    return path


@pytest.fixture
async def shelves(database_url, seed_file):
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    shelves = Shelves(database, seed_file)
    await shelves.store.start()
    yield shelves
    await database.stop()


async def _attempt(shelves, order_id, quantity=1, sku="lamp"):
    try:
        return await shelves.reserve(order_id, sku, quantity)
    except Conflict:
        return None


async def test_reserving_takes_from_the_shelf_and_tells_the_price(shelves):
    assert await shelves.reserve("order1", "lamp", 3) == 3990
    assert await shelves.available("lamp") == 7


async def test_of_forty_who_want_the_last_ten_exactly_ten_get_one(shelves):
    prices = await asyncio.gather(*(_attempt(shelves, f"order{number}") for number in range(40)))
    assert sum(price is not None for price in prices) == 10
    assert await shelves.available("lamp") == 0


async def test_two_processes_on_one_database_never_oversell_together(shelves, database_url):
    other_database = Database(database_url, metadata=Base.metadata)
    await other_database.start()
    other = Shelves(other_database)
    taken = await asyncio.gather(
        *(_attempt(shelves, f"a{number}", 2) for number in range(8)),
        *(_attempt(other, f"b{number}", 2) for number in range(8)),
    )
    await other_database.stop()
    assert sum(price is not None for price in taken) == 5
    assert await shelves.available("lamp") == 0


async def test_an_order_that_asks_again_takes_nothing_more(shelves):
    answers = await asyncio.gather(*(shelves.reserve("order1", "lamp", 3) for _ in range(5)))
    assert answers == [3990] * 5
    assert await shelves.available("lamp") == 7


async def test_an_order_that_asks_again_is_answered_also_when_the_shelf_is_empty(shelves):
    await shelves.reserve("order1", "desk", 1)
    assert await shelves.reserve("order1", "desk", 1) == 54900


async def test_an_order_can_not_turn_its_reservation_into_another(shelves):
    await shelves.reserve("order1", "lamp", 1)
    with pytest.raises(Conflict):
        await shelves.reserve("order1", "lamp", 2)
    assert await shelves.available("lamp") == 9


async def test_a_refused_reservation_leaves_no_trace(shelves):
    with pytest.raises(Conflict):
        await shelves.reserve("order1", "lamp", 11)
    assert await shelves.available("lamp") == 10
    assert await shelves.reserve("order1", "lamp", 10) == 3990


async def test_an_unknown_sku_is_not_found(shelves):
    with pytest.raises(NotFound):
        await shelves.reserve("order1", "unicorn", 1)
    with pytest.raises(NotFound):
        await shelves.available("unicorn")


async def test_the_seed_fills_only_an_empty_database(shelves):
    await shelves.reserve("order1", "lamp", 1)
    await shelves.store.start()
    assert await shelves.available("lamp") == 9


async def test_what_is_released_is_on_the_shelf_again_once_however_often_it_is_released(shelves):
    await shelves.reserve("order1", "lamp", 3)
    assert sorted(await asyncio.gather(*(shelves.release("order1") for _ in range(5)))) == [0, 0, 0, 0, 3]
    assert await shelves.available("lamp") == 10


async def test_a_reservation_that_comes_after_its_release_is_refused(shelves):
    assert await shelves.release("order1") == 0
    with pytest.raises(TooLate):
        await shelves.reserve("order1", "lamp", 1)
    assert await shelves.available("lamp") == 10


async def test_an_order_that_was_released_does_not_come_back(shelves):
    await shelves.reserve("order1", "lamp", 1)
    await shelves.release("order1")
    with pytest.raises(TooLate):
        await shelves.reserve("order1", "lamp", 1)


async def test_available_and_held_are_what_there_was_at_first_after_anything_in_any_order(shelves, tmp_path):
    chance = Random(20261125)
    calls = [
        call
        for number in range(12)
        for call in (
            _attempt(shelves, f"order{number}", chance.randint(1, 4)),
            shelves.release(f"order{chance.randrange(12)}"),
        )
    ]
    chance.shuffle(calls)
    await asyncio.gather(*calls)
    [found] = await rows(
        tmp_path / "service.db",
        """SELECT available + (SELECT coalesce(sum(quantity), 0) FROM reservations
                               WHERE sku = 'lamp' AND status <> 'RELEASED') AS pieces
           FROM items WHERE sku = 'lamp'""",
    )
    assert found["pieces"] == 10
