"""Rules of an order that is placed whole or not at all: plain Python, no I/O."""

from pydantic import BaseModel, ConfigDict, Field

from workbook_lib.kit.errors import Conflict

__all__ = ["Order", "OutOfStock", "PaymentRefused", "Wanted"]


class OutOfStock(Conflict):
    """Less is available than is wanted."""

    code = 40901


class PaymentRefused(Conflict):
    """The user has less than the order costs."""

    code = 40902


class Wanted(BaseModel):
    """What a user wants of one SKU."""

    model_config = ConfigDict(frozen=True)

    user_id: str = Field(min_length=1, max_length=64, examples=["user123"])
    sku: str = Field(min_length=1, max_length=64, examples=["keyboard"])
    quantity: int = Field(ge=1, le=1000)


class Order(Wanted):
    """An order. It has no status: it exists confirmed, or it doesn't exist."""

    order_id: str
    total_cents: int
