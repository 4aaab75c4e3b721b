"""Rules of an order: plain Python, no I/O.

PENDING ──► CONFIRMED   its stock is reserved
   └──────► CANCELLED   it can't be had
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from workbook_lib.kit.errors import Conflict, InvalidRequest

__all__ = ["MAX_QUANTITY", "Order", "OrderStatus", "new_order"]

MAX_QUANTITY: Final = 1000


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Order:
    """What a user wants of one SKU; `total_cents` is 0 until the stock's price is known."""

    id: str
    user_id: str
    sku: str
    quantity: int
    created_at: datetime
    status: OrderStatus = OrderStatus.PENDING
    total_cents: int = 0

    def confirmed(self, unit_price_cents: int) -> "Order":
        """This order with its stock reserved at a price. Raises Conflict unless it is pending."""
        self._must_be_pending()
        return replace(self, status=OrderStatus.CONFIRMED, total_cents=unit_price_cents * self.quantity)

    def cancelled(self) -> "Order":
        """This order, which can't be had. Raises Conflict unless it is pending."""
        self._must_be_pending()
        return replace(self, status=OrderStatus.CANCELLED)

    def _must_be_pending(self) -> None:
        if self.status is not OrderStatus.PENDING:
            raise Conflict(f"order {self.id} is already {self.status}")


def new_order(order_id: str, user_id: str, sku: str, quantity: int, created_at: datetime) -> Order:
    """A pending order. Raises InvalidRequest with a detail per field that breaks a rule."""
    wrong = [
        {"field": name, "message": "missing"}
        for name, value in (("user_id", user_id), ("sku", sku))
        if not value
    ]
    if not 1 <= quantity <= MAX_QUANTITY:
        wrong.append({"field": "quantity", "message": f"from 1 to {MAX_QUANTITY}"})
    if wrong:
        raise InvalidRequest("not an order", details=wrong)
    return Order(order_id, user_id, sku, quantity, created_at)
