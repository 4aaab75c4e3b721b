"""What orders does when it hears of an order that nobody leads."""

import json
from datetime import UTC, datetime

import pytest

from services.contracts import events, topics
from services.orders.book import OrderBook
from services.orders.choreography import Choreographed, OrderListener
from services.orders.domain import Coordination, OrderStatus, new_order
from services.orders.store import Base, OrderStore
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.messaging import Message
from workbook_lib.kit.storage import Database
from workbook_lib.lab.evidence import rows

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def _message(topic, event):
    return Message(topic, 0, 0, event.order_id, event.model_dump_json().encode(), (), NOW)


def _payment(kind, event_id="p1", **fields):
    event = events.PaymentEvent(
        event_id=event_id, type=kind, order_id="o1", user_id="user123", at=NOW, **fields
    )
    return _message(topics.PAYMENT_EVENTS, event)


def _stock(kind, **fields):
    event = events.StockEvent(event_id="s1", type=kind, order_id="o1", user_id="user123", at=NOW, **fields)
    return _message(topics.STOCK_EVENTS, event)


class Desk:
    """One choreographed order, pending, and the ear that hears of it."""

    def __init__(self, database, folder):
        self._database = database
        self._folder = folder
        self._store = OrderStore(database)
        self.hear = OrderListener(database, self._store, OrderBook(self._store))

    async def place(self):
        order = new_order("o1", "user123", "mouse", 2, NOW, Coordination.CHOREOGRAPHY)
        async with self._database.session() as session:
            await self._store.add(session, order)
            await Choreographed().begin(session, order)

    async def order(self):
        return await self._store.get("o1")

    async def told(self):
        found = await rows(self._folder / "service.db", "SELECT topic, value FROM outbox ORDER BY id")
        return [(row["topic"], json.loads(row["value"])["type"]) for row in found]


ASKED = (topics.ORDER_EVENTS, events.RESERVE_STOCK)


@pytest.fixture
async def desk(database_url, tmp_path):
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    desk = Desk(database, tmp_path)
    await desk.place()
    yield desk
    await database.stop()


async def test_an_order_begins_with_asking_for_its_stock(desk):
    assert await desk.told() == [ASKED]
    assert (await desk.order()).status is OrderStatus.PENDING


async def test_what_is_paid_is_confirmed_at_its_price_and_told(desk):
    await desk.hear(_payment(events.PAYMENT_CHARGED, amount_cents=6900))
    order = await desk.order()
    assert (order.status, order.total_cents) == (OrderStatus.CONFIRMED, 6900)
    assert await desk.told() == [ASKED, (topics.USER_EVENTS, events.ORDER_PLACED)]


async def test_what_can_not_be_paid_is_cancelled_and_its_stock_released(desk):
    await desk.hear(_payment(events.PAYMENT_REFUSED, error_code=40902, error_message="short"))
    order = await desk.order()
    assert (order.status, order.error_code) == (OrderStatus.CANCELLED, 40902)
    assert await desk.told() == [ASKED, (topics.ORDER_EVENTS, events.RELEASE_STOCK)]


async def test_what_is_not_in_stock_is_cancelled_and_there_is_nothing_to_release(desk):
    await desk.hear(_stock(events.STOCK_REFUSED, error_code=40901, error_message="none left"))
    assert (await desk.order()).status is OrderStatus.CANCELLED
    assert await desk.told() == [ASKED]


async def test_an_event_that_comes_twice_counts_once(desk):
    for _ in range(2):
        await desk.hear(_payment(events.PAYMENT_CHARGED, amount_cents=6900))
    assert len(await desk.told()) == 2


async def test_an_order_that_has_ended_stays_as_it_is(desk):
    await desk.hear(_payment(events.PAYMENT_CHARGED, amount_cents=6900))
    await desk.hear(_payment(events.PAYMENT_REFUSED, event_id="p2", error_code=40902))
    assert (await desk.order()).status is OrderStatus.CONFIRMED


async def test_what_needs_no_answer_is_passed_over(desk):
    await desk.hear(_stock(events.STOCK_RESERVED, total_cents=6900))
    await desk.hear(_stock("StockCounted"))
    assert await desk.told() == [ASKED]


async def test_an_event_on_an_order_that_nobody_knows_is_left_to_the_dead_letters(desk):
    stranger = events.PaymentEvent(
        event_id="p9", type=events.PAYMENT_CHARGED, order_id="o9", user_id="u", at=NOW
    )
    with pytest.raises(NotFound):
        await desk.hear(_message(topics.PAYMENT_EVENTS, stranger))
