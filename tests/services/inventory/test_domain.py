"""Rules of stock."""

import pytest

from services.inventory.domain import Item, Reservation, out_of_stock
from workbook_lib.kit.errors import InvalidRequest


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_reservation_takes_at_least_one(quantity):
    with pytest.raises(InvalidRequest) as raised:
        Reservation("order1", "mouse", quantity)
    assert raised.value.details == [{"field": "quantity", "message": "at least 1"}]


def test_a_reservation_names_its_order():
    with pytest.raises(InvalidRequest) as raised:
        Reservation("", "mouse", 1)
    assert [detail["field"] for detail in raised.value.details] == ["order_id"]


def test_a_shortage_tells_what_there_is():
    error = out_of_stock(Item("mouse", "Mouse", 2, 100), wanted=3)
    assert (error.status, error.message) == (409, "Mouse: 3 wanted, 2 available")
    assert error.details == {"sku": "mouse", "wanted": 3, "available": 2}
