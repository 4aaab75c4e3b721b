"""Orders that are led, by a saga or by Try-Confirm-Cancel: stock and money go together or not at all."""

import asyncio

import pytest

from services.contracts import orders_pb2, topics
from workbook_lib.kit.errors import Conflict, Unavailable
from workbook_lib.lab.evidence import eventually

LED = pytest.mark.parametrize("way", ["ORCHESTRATION", "TCC"])
TOKEN = "only-for-this-test"


@pytest.fixture
async def orders(shop):
    async with shop.inventory(), shop.payments(), shop.orders(answer_seconds=50) as orders:
        yield orders


async def _events(shop, table):
    found = await shop.rows("orders", f"SELECT step, event FROM {table} ORDER BY number")
    return [(row["step"], row["event"]) for row in found]


@LED
async def test_a_confirmed_order_has_its_stock_and_is_paid_and_told(orders, wish, shop, way):
    order = await _place(orders, wish(way))
    assert order.status == orders_pb2.ORDER_STATUS_CONFIRMED
    assert (order.total_cents, await shop.balance("shop"), await shop.balance("held")) == (6900, 6900, 0)
    assert await shop.available("mouse") == 798
    assert await shop.told() == [(topics.USER_EVENTS, "user123")]


@LED
async def test_an_order_that_can_not_be_paid_gives_its_stock_back(orders, wish, shop, way):
    with pytest.raises(Conflict) as raised:
        await _place(orders, wish(way, user_id="user130"))
    assert raised.value.code == 40902
    [row] = await shop.rows("orders", "SELECT status, error_code, error_message FROM orders")
    assert (row["status"], row["error_code"]) == ("CANCELLED", 40902)
    assert "user130 has 1500" in row["error_message"]
    assert (await shop.available("mouse"), await shop.balance("user:user130")) == (800, 1500)
    assert await shop.told() == []


@LED
async def test_an_order_without_stock_costs_nothing(orders, wish, shop, way):
    with pytest.raises(Conflict) as raised:
        await _place(orders, wish(way, sku="standing-desk"))
    assert raised.value.code == 40901
    assert await shop.rows("payments", "SELECT * FROM payments") == []


async def test_the_saga_log_shows_the_compensations_in_reverse(shop, wish):
    """Payments is away, so nobody knows whether it charged: the charge is undone as well as the stock."""
    async with shop.inventory(), shop.orders(answer_seconds=50) as orders:
        placing = asyncio.ensure_future(_place(orders, wish("ORCHESTRATION")))

        async def turned_back():
            return ("charge", "compensating") in await _events(shop, "saga_steps")

        await eventually(turned_back, timeout_seconds=60)
        async with shop.payments():
            with pytest.raises(Unavailable):
                await placing
            done = [
                event for event in await _events(shop, "saga_steps") if event[1] in ("done", "compensated")
            ]
            assert done == [("reserve", "done"), ("charge", "compensated"), ("reserve", "compensated")]
            assert await shop.rows("payments", "SELECT status, amount_cents FROM payments") == [
                {"status": "REFUNDED", "amount_cents": 0}
            ]
    assert await shop.available("mouse") == 800


async def _place(orders, request):
    with orders.stub() as stub:
        return await stub.PlaceOrder(request, timeout=60)


async def test_an_order_that_is_not_settled_in_time_is_answered_as_pending_and_goes_on(shop, wish):
    async with shop.inventory(), shop.orders(answer_seconds=0.2) as orders:
        order = await _place(orders, wish("ORCHESTRATION"))
        assert order.status == orders_pb2.ORDER_STATUS_PENDING

        async def status():
            with orders.stub() as stub:
                found = await stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order.order_id))
            return found.status != orders_pb2.ORDER_STATUS_PENDING and found

        async with shop.payments():
            ended = await eventually(status, timeout_seconds=60)
    confirmed = ended.status == orders_pb2.ORDER_STATUS_CONFIRMED
    assert await shop.available("mouse") == (798 if confirmed else 800)


async def test_a_restarted_service_ends_what_it_had_begun(shop, wish):
    async with shop.inventory(), shop.orders(answer_seconds=0.2) as orders:
        begun = await _place(orders, wish("TCC"))
        assert begun.status == orders_pb2.ORDER_STATUS_PENDING
    async with shop.inventory(), shop.payments(), shop.orders():

        async def ended():
            [row] = await shop.rows("orders", "SELECT status FROM orders")
            return row["status"] != "PENDING"

        await eventually(ended, timeout_seconds=60)
    assert (await shop.available("mouse"), await shop.balance("user:user123")) == (800, 2_000_000)


async def test_what_is_parked_waits_for_a_person_who_lets_it_go_on(shop, wish):
    operator = {"Authorization": f"Bearer {TOKEN}"}
    options = {"operator_token": TOKEN, "compensation_attempts": 1, "answer_seconds": 50}
    async with shop.inventory(), shop.orders(**options) as orders:
        order = await _place(orders, wish("ORCHESTRATION"))
        assert order.status == orders_pb2.ORDER_STATUS_PENDING
        path = f"/debug/orders/{order.order_id}"
        assert (await orders.http.get(path)).status_code == 401
        parked = (await orders.http.get(path, headers=operator)).json()
        assert (parked["state"], parked["history"][-1]["event"]) == ("PARKED", "parked")
        async with shop.payments():

            async def compensated():
                # The channel to payments may wait a moment before it connects again; then it is parked again.
                let_go = await orders.http.post(f"{path}/unpark", headers=operator)
                assert let_go.status_code in (202, 409)
                return (await orders.http.get(path, headers=operator)).json()["state"] == "COMPENSATED"

            await eventually(compensated, timeout_seconds=60)
    assert await shop.available("mouse") == 800
