"""Kafka topics: their names, their number of partitions, and what their messages are keyed by."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "ORDER_EVENTS",
    "PARTITIONS",
    "PAYMENT_EVENTS",
    "REPORT_JOBS",
    "STOCK_EVENTS",
    "USER_EVENTS",
]

USER_EVENTS: Final = "user-events"
"""`events.UserEvent`, keyed by user id: what happens to one user stays in order."""

REPORT_JOBS: Final = "report-jobs"
"""`events.ReportJob`, keyed by report id. RabbitMQ's queue for the same jobs has this name, too."""

ORDER_EVENTS: Final = "order-events"
"""`events.OrderEvent`, keyed by order id: an order's ReleaseStock stays behind its ReserveStock."""

STOCK_EVENTS: Final = "stock-events"
"""`events.StockEvent`, keyed by order id."""

PAYMENT_EVENTS: Final = "payment-events"
"""`events.PaymentEvent`, keyed by order id."""

PARTITIONS: Final[Mapping[str, int]] = MappingProxyType(
    {USER_EVENTS: 6, REPORT_JOBS: 2, ORDER_EVENTS: 3, STOCK_EVENTS: 3, PAYMENT_EVENTS: 3}
)
