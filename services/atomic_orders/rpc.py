"""The order service's contract, kept by two-phase commit: who places orders needn't know the difference."""

from typing import Any

from grpc.aio import ServicerContext

from services.atomic_orders.domain import Order, Wanted
from services.atomic_orders.placing import OrderDesk
from services.contracts import orders_pb2, orders_pb2_grpc
from workbook_lib.kit.errors import InvalidRequest

__all__ = ["AtomicOrdersRpc"]


class AtomicOrdersRpc(orders_pb2_grpc.OrderServiceServicer):
    """`workbook.orders.v1.OrderService`; `coordination` is not for the caller to choose here."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk

    async def PlaceOrder(  # noqa: N802 (the contract's name)
        self, request: orders_pb2.PlaceOrderRequest, _context: ServicerContext[Any, Any]
    ) -> orders_pb2.Order:
        """Place an order; the answer is confirmed."""
        try:
            wanted = Wanted(user_id=request.user_id, sku=request.sku, quantity=request.quantity)
        except ValueError as error:
            raise InvalidRequest("not an order") from error
        return _message(await self._desk.place(wanted))

    async def GetOrder(  # noqa: N802
        self, request: orders_pb2.GetOrderRequest, _context: ServicerContext[Any, Any]
    ) -> orders_pb2.Order:
        """One order."""
        return _message(await self._desk.find(request.order_id))


def _message(order: Order) -> orders_pb2.Order:
    return orders_pb2.Order(
        order_id=order.order_id,
        user_id=order.user_id,
        sku=order.sku,
        quantity=order.quantity,
        status=orders_pb2.ORDER_STATUS_CONFIRMED,
        total_cents=order.total_cents,
    )
