"""Rules of stock: plain Python, no I/O."""

from dataclasses import dataclass

from workbook_lib.kit.errors import Conflict, InvalidRequest

__all__ = ["Item", "Reservation", "out_of_stock"]


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
