"""What payments does when it hears of reserved stock, on a real database and without Kafka."""

import json
from datetime import UTC, datetime

import pytest

from services.contracts import events, topics
from services.payments.cashier import Cashier
from services.payments.choreography import Biller
from services.payments.store import Base, Ledger
from workbook_lib.kit.messaging import Message
from workbook_lib.kit.storage import Database
from workbook_lib.lab.evidence import rows

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def _stock(kind=events.STOCK_RESERVED, cents=300):
    event = events.StockEvent(
        event_id="e1", type=kind, order_id="o1", user_id="ann", at=NOW, total_cents=cents
    )
    return Message(topics.STOCK_EVENTS, 0, 0, "o1", event.model_dump_json().encode(), (), NOW)


class Desk:
    """The handler, and what came of it."""

    def __init__(self, database, ledger, folder):
        self.hear = Biller(database, Cashier(ledger))
        self._database = database
        self._ledger = ledger
        self._folder = folder

    async def balance(self):
        async with self._database.session(read_only=True) as session:
            return await self._ledger.balance(session, "ann")

    async def told(self):
        found = await rows(self._folder / "service.db", "SELECT topic, key, value FROM outbox ORDER BY id")
        assert {(row["topic"], row["key"]) for row in found} <= {(topics.PAYMENT_EVENTS, "o1")}
        return [json.loads(row["value"]) for row in found]


@pytest.fixture
async def desk(database_url, tmp_path):
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    ledger = Ledger(database, opening_balance_cents=500)
    await ledger.start()
    yield Desk(database, ledger, tmp_path)
    await database.stop()


async def test_what_is_reserved_is_charged_and_told(desk):
    await desk.hear(_stock())
    [told] = await desk.told()
    assert (told["type"], told["amount_cents"], told["user_id"]) == (events.PAYMENT_CHARGED, 300, "ann")
    assert await desk.balance() == 200


async def test_what_costs_too_much_is_refused_with_the_reason(desk):
    await desk.hear(_stock(cents=501))
    [told] = await desk.told()
    assert (told["type"], told["error_code"], told["amount_cents"]) == (events.PAYMENT_REFUSED, 40902, 0)
    assert await desk.balance() == 500


async def test_an_event_that_comes_twice_has_one_effect_and_one_answer(desk):
    for _ in range(2):
        await desk.hear(_stock())
    assert (len(await desk.told()), await desk.balance()) == (1, 200)


@pytest.mark.parametrize("kind", [events.STOCK_REFUSED, events.STOCK_RELEASED, "StockCounted"])
async def test_nothing_else_costs_anything(desk, kind):
    await desk.hear(_stock(kind))
    assert (await desk.told(), await desk.balance()) == ([], 500)
