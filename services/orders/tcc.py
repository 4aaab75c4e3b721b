"""The order by Try-Confirm-Cancel: stock and money are held, then both are confirmed or both cancelled."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts import inventory_pb2, payments_pb2
from services.orders.book import OrderBook
from services.orders.leading import whole
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.tcc import Participant, TccContext, TccOutcome, TccState

if TYPE_CHECKING:
    from services.contracts.inventory_pb2_grpc import InventoryServiceAsyncStub
    from services.contracts.payments_pb2_grpc import PaymentServiceAsyncStub

__all__ = ["OrderParticipants", "TccEnd"]


class OrderParticipants:
    """Inventory and payments, as they take part. Each call may be repeated: they know it by the order."""

    def __init__(
        self,
        inventory: "RpcClient[InventoryServiceAsyncStub]",
        payments: "RpcClient[PaymentServiceAsyncStub]",
    ) -> None:
        self._inventory = inventory
        self._payments = payments

    def all(self) -> list[Participant]:
        """In the order of their Try: what the stock costs is known before the money is held."""
        return [
            Participant("inventory", self._try_stock, self._confirm_stock, self._cancel_stock),
            Participant("payments", self._try_money, self._confirm_money, self._cancel_money),
        ]

    async def _try_stock(self, order: TccContext) -> Mapping[str, JsonValue]:
        sku, quantity = str(order.data["sku"]), whole(order.data["quantity"])
        request = inventory_pb2.ReserveRequest(order_id=order.tx, sku=sku, quantity=quantity)
        with self._inventory.stub() as stub:
            held = await stub.TryReserve(request)
        return {"total_cents": held.unit_price_cents * quantity}

    async def _confirm_stock(self, order: TccContext) -> None:
        with self._inventory.stub() as stub:
            await stub.ConfirmReserve(inventory_pb2.ConfirmReserveRequest(order_id=order.tx))

    async def _cancel_stock(self, order: TccContext) -> None:
        with self._inventory.stub() as stub:
            await stub.CancelReserve(inventory_pb2.CancelReserveRequest(order_id=order.tx))

    async def _try_money(self, order: TccContext) -> None:
        user_id, amount = str(order.data["user_id"]), whole(order.data["total_cents"])
        request = payments_pb2.ChargeRequest(order_id=order.tx, user_id=user_id, amount_cents=amount)
        with self._payments.stub() as stub:
            await stub.TryCharge(request)

    async def _confirm_money(self, order: TccContext) -> None:
        with self._payments.stub() as stub:
            await stub.ConfirmCharge(payments_pb2.ConfirmChargeRequest(order_id=order.tx))

    async def _cancel_money(self, order: TccContext) -> None:
        with self._payments.stub() as stub:
            await stub.CancelCharge(payments_pb2.CancelChargeRequest(order_id=order.tx))


class TccEnd:
    """Confirms or cancels the order, in the transaction that ends its Try-Confirm-Cancel."""

    def __init__(self, book: OrderBook) -> None:
        self._book = book

    async def __call__(self, session: AsyncSession, outcome: TccOutcome) -> None:
        """Close the order as it ended."""
        if outcome.state is TccState.CONFIRMED:
            await self._book.confirm(session, outcome.tx, whole(outcome.data["total_cents"]))
        else:
            await self._book.refuse(session, outcome.tx, outcome.error)
