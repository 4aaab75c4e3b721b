"""The order as a saga that this service leads: reserve the stock, charge the user; undo it in reverse."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts import inventory_pb2, payments_pb2
from services.orders.book import OrderBook
from services.orders.leading import whole
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.saga import Saga, SagaContext, SagaOutcome, SagaState, Step

if TYPE_CHECKING:
    from services.contracts.inventory_pb2_grpc import InventoryServiceAsyncStub
    from services.contracts.payments_pb2_grpc import PaymentServiceAsyncStub

__all__ = ["OrderSteps", "SagaEnd", "order_saga"]


class OrderSteps:
    """The steps and their compensations. Each may be repeated: the other side knows it by the order."""

    def __init__(
        self,
        inventory: "RpcClient[InventoryServiceAsyncStub]",
        payments: "RpcClient[PaymentServiceAsyncStub]",
    ) -> None:
        self._inventory = inventory
        self._payments = payments

    async def reserve(self, order: SagaContext) -> Mapping[str, JsonValue]:
        """Hold the stock; what it costs is known from here on."""
        sku, quantity = str(order.data["sku"]), whole(order.data["quantity"])
        request = inventory_pb2.ReserveRequest(order_id=order.saga_id, sku=sku, quantity=quantity)
        with self._inventory.stub() as stub:
            reserved = await stub.Reserve(request)
        return {"total_cents": reserved.unit_price_cents * quantity}

    async def release(self, order: SagaContext) -> None:
        """Put the stock back."""
        with self._inventory.stub() as stub:
            await stub.Release(inventory_pb2.ReleaseRequest(order_id=order.saga_id))

    async def charge(self, order: SagaContext) -> None:
        """Take the money."""
        user_id, amount = str(order.data["user_id"]), whole(order.data["total_cents"])
        request = payments_pb2.ChargeRequest(order_id=order.saga_id, user_id=user_id, amount_cents=amount)
        with self._payments.stub() as stub:
            await stub.Charge(request)

    async def refund(self, order: SagaContext) -> None:
        """Give the money back."""
        with self._payments.stub() as stub:
            await stub.Refund(payments_pb2.RefundRequest(order_id=order.saga_id))


def order_saga(steps: OrderSteps) -> Saga:
    """The saga as a list; that the order is confirmed is no step, but part of the saga's end."""
    return Saga(
        "order-saga",
        [
            Step("reserve", steps.reserve, compensation=steps.release),
            Step("charge", steps.charge, compensation=steps.refund),
        ],
    )


class SagaEnd:
    """Confirms or cancels the order, in the transaction that ends its saga."""

    def __init__(self, book: OrderBook) -> None:
        self._book = book

    async def __call__(self, session: AsyncSession, outcome: SagaOutcome) -> None:
        """Close the order as the saga ended."""
        if outcome.state is SagaState.COMPLETED:
            await self._book.confirm(session, outcome.saga_id, whole(outcome.data["total_cents"]))
        else:
            await self._book.refuse(session, outcome.saga_id, outcome.error)
