"""Rules of money: plain Python, no I/O. Amounts are in cents.

               ┌──► CHARGED ───► REFUNDED
    (nothing) ─┤       ▲                       whatever comes for the order after REFUNDED or CANCELLED is
               └──► TRIED ────► CANCELLED      too late

Double entry: a transfer takes from one account what it gives to another, so all accounts together are always
0. A user's money comes from `OPENING`, which is negative by what all users were given; `HELD` has what was
tried.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from workbook_lib.kit.errors import Conflict, InvalidRequest

__all__ = [
    "HELD",
    "OPENING",
    "SHOP",
    "Kind",
    "Payment",
    "PaymentRefused",
    "PaymentStatus",
    "TooLate",
    "account_of",
]

SHOP: Final = "shop"
HELD: Final = "held"
OPENING: Final = "opening"


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    CHARGED = "CHARGED"
    REFUNDED = "REFUNDED"
    TRIED = "TRIED"
    """Put aside until it is confirmed or cancelled (Try-Confirm-Cancel)."""
    CANCELLED = "CANCELLED"


class Kind(StrEnum):
    """Why money moved."""

    OPENING = "OPENING"
    CHARGE = "CHARGE"
    REFUND = "REFUND"
    TRY = "TRY"
    CONFIRM = "CONFIRM"
    CANCEL = "CANCEL"


class PaymentRefused(Conflict):
    """The user has less than the order costs."""

    code = 40902


class TooLate(Conflict):
    """The order was refunded before this came for it: a message that was overtaken, or a slow retry."""

    code = 40903


@dataclass(frozen=True, slots=True)
class Payment:
    """What an order costs its user. Raises InvalidRequest unless it names both and costs something."""

    order_id: str
    user_id: str
    amount_cents: int

    def __post_init__(self) -> None:
        wrong = [
            {"field": name, "message": "missing"}
            for name, value in (("order_id", self.order_id), ("user_id", self.user_id))
            if not value
        ]
        if self.amount_cents < 1:
            wrong.append({"field": "amount_cents", "message": "at least 1"})
        if wrong:
            raise InvalidRequest("not a payment", details=wrong)


def account_of(user_id: str) -> str:
    """The id of a user's account; no user can be called so that it is another."""
    return f"user:{user_id}"
