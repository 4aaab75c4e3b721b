"""The orders' RPC methods: they translate; `placing` holds the steps and `domain` the rules."""

from collections.abc import Awaitable, Callable
from typing import Any

from grpc.aio import ServicerContext

from services.contracts import orders_pb2, orders_pb2_grpc
from services.orders.domain import Coordination, Order
from services.orders.store import OrderStore
from workbook_lib.kit.errors import InvalidRequest

__all__ = ["OrdersRpc", "Place"]

Place = Callable[[str, str, int, Coordination | None], Awaitable[Order]]
"""Places an order of a user for some of a SKU: `OrderDesk.place`, and whatever is put around it."""

_PREFIX = "COORDINATION_"


class OrdersRpc(orders_pb2_grpc.OrderServiceServicer):
    """`workbook.orders.v1.OrderService`."""

    def __init__(self, place: Place, store: OrderStore) -> None:
        self._place = place
        self._store = store

    async def PlaceOrder(  # noqa: N802 (the contract's name)
        self, request: orders_pb2.PlaceOrderRequest, _context: ServicerContext[Any, Any]
    ) -> orders_pb2.Order:
        """Place an order; the answer is confirmed, or pending."""
        way = _coordination(request.coordination)
        return _message(await self._place(request.user_id, request.sku, request.quantity, way))

    async def GetOrder(  # noqa: N802
        self, request: orders_pb2.GetOrderRequest, _context: ServicerContext[Any, Any]
    ) -> orders_pb2.Order:
        """One order, as it stands."""
        return _message(await self._store.get(request.order_id))


def _coordination(number: int) -> Coordination | None:
    """None leaves it to the service. Raises InvalidRequest for a number that this version doesn't know."""
    if number == orders_pb2.COORDINATION_UNSPECIFIED:
        return None
    try:
        return Coordination(orders_pb2.Coordination.Name(number).removeprefix(_PREFIX))
    except ValueError as error:
        detail = {"field": "coordination", "message": "unknown"}
        raise InvalidRequest("not an order", details=[detail]) from error


def _message(order: Order) -> orders_pb2.Order:
    return orders_pb2.Order(
        order_id=order.id,
        user_id=order.user_id,
        sku=order.sku,
        quantity=order.quantity,
        status=f"ORDER_STATUS_{order.status}",
        total_cents=order.total_cents,
        created_at=order.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        coordination=f"{_PREFIX}{order.coordination}",
        error_code=order.error_code,
        error_message=order.error_message,
    )
