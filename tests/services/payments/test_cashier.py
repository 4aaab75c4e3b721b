"""Money moves once, comes back once and never gets lost: on a real database, with real concurrency."""

import asyncio
import contextlib
import json
from random import Random

import pytest

from services.payments.cashier import Cashier
from services.payments.domain import Payment, PaymentRefused, TooLate
from services.payments.store import Base, Ledger
from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.storage import Database
from workbook_lib.lab.evidence import rows


class Till:
    """Each call in a transaction of its own, as RPC makes it."""

    def __init__(self, database, seed_file):
        self._database = database
        self.ledger = Ledger(database, seed_file, opening_balance_cents=500)
        self._cashier = Cashier(self.ledger)

    async def charge(self, order_id, user_id, amount):
        async with self._database.session() as session:
            return await self._cashier.charge(session, Payment(order_id, user_id, amount))

    async def hold(self, order_id, user_id, amount):
        async with self._database.session() as session:
            return await self._cashier.hold(session, Payment(order_id, user_id, amount))

    async def call(self, name, order_id):
        async with self._database.session() as session:
            return await getattr(self._cashier, name)(session, order_id)

    async def balance(self, user_id):
        async with self._database.session(read_only=True) as session:
            return await self.ledger.balance(session, user_id)


@pytest.fixture
async def till(database_url, tmp_path):
    seed = tmp_path / "accounts.json"
    seed.write_text(json.dumps([{"user_id": "ann", "balance_cents": 1000}]))
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    till = Till(database, seed)
    await till.ledger.start()
    yield till
    await database.stop()


async def _balances(tmp_path):
    found = await rows(tmp_path / "service.db", "SELECT id, balance_cents FROM accounts")
    return {row["id"]: row["balance_cents"] for row in found}


async def _must_add_up(tmp_path):
    """All accounts together are 0, each is the sum of its entries, and so is each transfer."""
    balances = await _balances(tmp_path)
    entries = await rows(tmp_path / "service.db", "SELECT * FROM entries")
    assert sum(balances.values()) == 0
    sums = dict.fromkeys(balances, 0)
    transfers: dict[str, int] = {}
    for entry in entries:
        sums[entry["account_id"]] += entry["amount_cents"]
        transfers[entry["transfer_id"]] = transfers.get(entry["transfer_id"], 0) + entry["amount_cents"]
    assert sums == balances
    assert set(transfers.values()) == {0}


async def test_a_charge_goes_from_the_user_to_the_shop_and_a_refund_back(till, tmp_path):
    assert await till.charge("o1", "ann", 300) == 700
    assert await _balances(tmp_path) == {"opening": -1000, "held": 0, "shop": 300, "user:ann": 700}
    assert await till.call("refund", "o1") == 300
    assert await _balances(tmp_path) == {"opening": -1000, "held": 0, "shop": 0, "user:ann": 1000}
    await _must_add_up(tmp_path)


async def test_however_often_it_is_asked_for_an_order_is_charged_once_and_refunded_once(till):
    assert await asyncio.gather(*(till.charge("o1", "ann", 300) for _ in range(5))) == [700] * 5
    assert sorted(await asyncio.gather(*(till.call("refund", "o1") for _ in range(5)))) == [0, 0, 0, 0, 300]
    assert await till.balance("ann") == 1000


async def test_of_ten_who_spend_the_same_money_as_many_can_as_it_pays_for(till, tmp_path):
    async def spend(number):
        try:
            return await till.charge(f"o{number}", "ann", 300)
        except PaymentRefused:
            return None

    outcomes = await asyncio.gather(*(spend(number) for number in range(10)))
    assert sum(left is not None for left in outcomes) == 3
    assert await till.balance("ann") == 100
    await _must_add_up(tmp_path)


async def test_a_charge_that_comes_after_its_refund_is_refused(till):
    assert await till.call("refund", "o1") == 0
    with pytest.raises(TooLate) as raised:
        await till.charge("o1", "ann", 300)
    assert (raised.value.code, await till.balance("ann")) == (40903, 1000)


async def test_an_order_can_not_turn_its_payment_into_another(till):
    await till.charge("o1", "ann", 300)
    with pytest.raises(Conflict):
        await till.charge("o1", "ann", 200)
    assert await till.balance("ann") == 700


async def test_one_who_is_new_has_the_opening_balance_and_it_comes_from_somewhere(till, tmp_path):
    assert await till.balance("zoe") == 500
    assert await till.charge("o1", "zoe", 200) == 300
    assert (await _balances(tmp_path))["opening"] == -1500
    await _must_add_up(tmp_path)


async def test_what_is_tried_belongs_to_nobody_until_it_is_confirmed(till, tmp_path):
    assert await till.hold("o1", "ann", 300) == 700
    assert await _balances(tmp_path) == {"opening": -1000, "held": 300, "shop": 0, "user:ann": 700}
    await till.call("capture", "o1")
    assert await _balances(tmp_path) == {"opening": -1000, "held": 0, "shop": 300, "user:ann": 700}
    await _must_add_up(tmp_path)


async def test_what_is_tried_and_cancelled_is_the_users_again(till, tmp_path):
    await till.hold("o1", "ann", 300)
    await till.call("give_back", "o1")
    assert await _balances(tmp_path) == {"opening": -1000, "held": 0, "shop": 0, "user:ann": 1000}
    with pytest.raises(TooLate):
        await till.hold("o1", "ann", 300)
    await _must_add_up(tmp_path)


async def test_money_is_conserved_after_anything_in_any_order(till, tmp_path):
    chance = Random(20261125)

    async def either(call):
        with contextlib.suppress(Conflict):
            await call

    orders = [f"o{number}" for number in range(12)]
    users = ("ann", "ben", "zoe")
    calls = [either(till.charge(order, chance.choice(users), chance.randint(50, 400))) for order in orders]
    calls += [either(till.call("refund", chance.choice(orders))) for _ in orders]
    chance.shuffle(calls)
    await asyncio.gather(*calls)
    await _must_add_up(tmp_path)
    assert min(value for name, value in (await _balances(tmp_path)).items() if name != "opening") >= 0
