"""Rules of an order: plain Python, no I/O.

PENDING ──► CONFIRMED   its stock is reserved and, unless nobody asks for money, paid
   └──────► CANCELLED   it can't be had or paid; what was done for it is undone
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from workbook_lib.kit.errors import Conflict, InvalidRequest

__all__ = ["MAX_QUANTITY", "Coordination", "Order", "OrderStatus", "new_order"]

MAX_QUANTITY: Final = 1000


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"


class Coordination(StrEnum):
    """Who sees to it that stock and money go together; the contract says what each means."""

    RESERVE_ONLY = "RESERVE_ONLY"
    ORCHESTRATION = "ORCHESTRATION"
    CHOREOGRAPHY = "CHOREOGRAPHY"
    TCC = "TCC"


@dataclass(frozen=True, slots=True)
class Order:
    """What a user wants of one SKU.

    `total_cents` is 0 until the stock's price is known; the error is why it was cancelled.
    """

    id: str
    user_id: str
    sku: str
    quantity: int
    created_at: datetime
    coordination: Coordination = Coordination.RESERVE_ONLY
    status: OrderStatus = OrderStatus.PENDING
    total_cents: int = 0
    error_code: int = 0
    error_message: str = ""

    def confirmed(self, total_cents: int) -> "Order":
        """This order with its stock reserved at a price. Raises Conflict unless it is pending."""
        self._must_be_pending()
        return replace(self, status=OrderStatus.CONFIRMED, total_cents=total_cents)

    def cancelled(self, error_code: int, error_message: str) -> "Order":
        """This order, which can't be had. Raises Conflict unless it is pending."""
        self._must_be_pending()
        return replace(self, status=OrderStatus.CANCELLED, error_code=error_code, error_message=error_message)

    def _must_be_pending(self) -> None:
        if self.status is not OrderStatus.PENDING:
            raise Conflict(f"order {self.id} is already {self.status}")


def new_order(
    order_id: str,
    user_id: str,
    sku: str,
    quantity: int,
    created_at: datetime,
    coordination: Coordination = Coordination.RESERVE_ONLY,
) -> Order:
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
    return Order(order_id, user_id, sku, quantity, created_at, coordination)
