"""Placing an order: one transaction over three databases, as if they were one."""

from uuid import uuid4

from services.atomic_orders.domain import Order, Wanted
from services.atomic_orders.store import add_order, get_order, pay, take
from workbook_lib.kit.storage import Database
from workbook_lib.kit.two_phase import TwoPhaseCoordinator

__all__ = ["OrderDesk"]


class OrderDesk:
    """Takes orders."""

    def __init__(self, coordinator: TwoPhaseCoordinator, own: Database) -> None:
        self._coordinator = coordinator
        self._own = own

    async def place(self, wanted: Wanted) -> Order:
        """Place an order. Raises OutOfStock, PaymentRefused, NotFound; then nothing has happened anywhere.

        `RowsLocked` when another order holds the same rows for too long.
        """
        order_id = uuid4().hex
        async with self._coordinator.transaction(order_id) as transaction:
            total_cents = await take(transaction["stock"], wanted)
            order = Order(**wanted.model_dump(), order_id=order_id, total_cents=total_cents)
            await pay(transaction["money"], order)
            await add_order(transaction.own, order)
        return order

    async def find(self, order_id: str) -> Order:
        """The order with this id. Raises NotFound."""
        async with self._own.session(read_only=True) as session:
            return await get_order(session, order_id)
