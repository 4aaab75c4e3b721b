"""Rules of stock: plain Python, no I/O.

               ┌──► RESERVED ──┐
    (nothing) ─┤      ▲        ├──► RELEASED    whatever comes for the order after that is too late
               └──► TRIED ─────┘

Whatever is available and whatever orders hold, RESERVED and TRIED, is together what there was at first.
"""

from dataclasses import dataclass
from enum import StrEnum

from workbook_lib.kit.errors import Conflict, InvalidRequest

__all__ = ["Item", "Reservation", "ReservationStatus", "TooLate", "out_of_stock"]


class ReservationStatus(StrEnum):
    """Where a reservation stands."""

    RESERVED = "RESERVED"
    TRIED = "TRIED"
    """Held until it is confirmed or cancelled (Try-Confirm-Cancel)."""
    RELEASED = "RELEASED"


class TooLate(Conflict):
    """The order was released before this came for it: a message that was overtaken, or a slow retry."""

    code = 40903


@dataclass(frozen=True, slots=True)
class Item:
    """One article on the shelves; `sku` names it, `available` is what no order holds."""

    sku: str
    name: str
    available: int
    unit_price_cents: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """Stock held for one order. Raises InvalidRequest unless it names an order and takes something."""

    order_id: str
    sku: str
    quantity: int

    def __post_init__(self) -> None:
        wrong = []
        if not self.order_id:
            wrong.append({"field": "order_id", "message": "missing"})
        if self.quantity < 1:
            wrong.append({"field": "quantity", "message": "at least 1"})
        if wrong:
            raise InvalidRequest("not a reservation", details=wrong)


def out_of_stock(item: Item, wanted: int) -> Conflict:
    """The error for a reservation of more than there is."""
    return Conflict(
        f"{item.name}: {wanted} wanted, {item.available} available",
        details={"sku": item.sku, "wanted": wanted, "available": item.available},
    )
