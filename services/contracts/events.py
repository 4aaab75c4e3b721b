"""What travels through Kafka and RabbitMQ, as frozen models.

A consumer is a tolerant reader: it ignores fields it doesn't know, and `type` is an open string, so that a
producer may add either without a release of its consumers.
"""

from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

__all__ = [
    "LOGIN",
    "ORDER_PLACED",
    "PAYMENT_CHARGED",
    "PAYMENT_REFUSED",
    "PRODUCT_VIEWED",
    "RELEASE_STOCK",
    "RESERVE_STOCK",
    "STOCK_REFUSED",
    "STOCK_RELEASED",
    "STOCK_RESERVED",
    "OrderEvent",
    "PaymentEvent",
    "ReportJob",
    "StockEvent",
    "UserEvent",
]

LOGIN: Final = "login"

PRODUCT_VIEWED: Final = "product_viewed"
"""`data` holds sku."""

ORDER_PLACED: Final = "order_placed"
"""`data` holds order_id, sku, quantity and total_cents."""

RESERVE_STOCK: Final = "ReserveStock"
RELEASE_STOCK: Final = "ReleaseStock"

STOCK_RESERVED: Final = "StockReserved"
STOCK_REFUSED: Final = "StockRefused"
STOCK_RELEASED: Final = "StockReleased"

PAYMENT_CHARGED: Final = "PaymentCharged"
PAYMENT_REFUSED: Final = "PaymentRefused"


class UserEvent(BaseModel):
    """Something that happened to a user; published on `topics.USER_EVENTS`."""

    model_config = ConfigDict(frozen=True)

    event_id: str = Field(min_length=1, description="Unique; a consumer recognises a redelivery by it.")
    type: str = Field(min_length=1)
    user_id: str = Field(min_length=1, description="The message's key.")
    at: AwareDatetime = Field(description="When it happened, UTC.")
    data: dict[str, JsonValue] = Field(default_factory=dict)


class ReportJob(BaseModel):
    """A report that somebody shall build; sent to `topics.REPORT_JOBS`."""

    model_config = ConfigDict(frozen=True)

    report_id: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="Names the report: a repeated job is the same report."
    )
    rows: int = Field(ge=1, le=1_000_000, description="Sales in it.")


class _OrderStep(BaseModel):
    """What the events of a choreographed order have in common."""

    model_config = ConfigDict(frozen=True)

    event_id: str = Field(min_length=1, description="Unique; a consumer recognises a redelivery by it.")
    type: str = Field(min_length=1)
    order_id: str = Field(min_length=1, description="The message's key.")
    at: AwareDatetime = Field(description="When it happened, UTC.")
    user_id: str = Field(min_length=1)


class OrderEvent(_OrderStep):
    """ReserveStock begins an order's saga, ReleaseStock undoes it; published on `topics.ORDER_EVENTS`."""

    sku: str
    quantity: int


class StockEvent(_OrderStep):
    """What inventory did for an order; published on `topics.STOCK_EVENTS`."""

    total_cents: int = Field(default=0, description="What the stock reserved costs.")
    error_code: int = Field(default=0, description="Why it was refused, as in an error's body.")
    error_message: str = ""


class PaymentEvent(_OrderStep):
    """What payments did for an order; published on `topics.PAYMENT_EVENTS`."""

    amount_cents: int = Field(default=0, description="What was charged.")
    error_code: int = Field(default=0, description="Why it was refused, as in an error's body.")
    error_message: str = ""
