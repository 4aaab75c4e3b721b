"""Rules of an order."""

from datetime import UTC, datetime

import pytest

from services.orders.domain import MAX_QUANTITY, OrderStatus, new_order
from workbook_lib.kit.errors import Conflict, InvalidRequest

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def order(**changes):
    return new_order(
        **({"order_id": "o1", "user_id": "user123", "sku": "mouse", "quantity": 3} | changes), created_at=NOW
    )


def test_a_new_order_is_pending_and_has_no_price():
    assert (order().status, order().total_cents) == (OrderStatus.PENDING, 0)


def test_a_confirmed_order_costs_what_its_stock_does():
    confirmed = order().confirmed(total_cents=10350)
    assert (confirmed.status, confirmed.total_cents) == (OrderStatus.CONFIRMED, 10350)


def test_a_cancelled_order_says_why():
    cancelled = order().cancelled(40902, "too little money")
    assert cancelled.status is OrderStatus.CANCELLED
    assert (cancelled.error_code, cancelled.error_message) == (40902, "too little money")


def test_an_order_ends_once():
    for ended in (order().confirmed(1), order().cancelled(40901, "none left")):
        with pytest.raises(Conflict):
            ended.confirmed(1)
        with pytest.raises(Conflict):
            ended.cancelled(40901, "none left")


@pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1])
def test_the_quantity_has_bounds(quantity):
    with pytest.raises(InvalidRequest) as raised:
        order(quantity=quantity)
    assert raised.value.details == [{"field": "quantity", "message": "from 1 to 1000"}]


def test_every_broken_rule_is_named():
    with pytest.raises(InvalidRequest) as raised:
        order(user_id="", sku="", quantity=0)
    assert [detail["field"] for detail in raised.value.details] == ["user_id", "sku", "quantity"]
