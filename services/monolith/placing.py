"""Placing an order where user, stock and order lie side by side: one transaction, and nobody coordinates."""

from uuid import uuid4

from services.contracts import events, topics
from services.inventory.domain import Reservation
from services.monolith.store import ShopStore
from services.monolith.tables import OUTBOX
from services.orders.domain import Order, new_order
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.storage import Database

__all__ = ["OrderDesk"]


class OrderDesk:
    """Takes orders."""

    def __init__(self, database: Database, store: ShopStore, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._database = database
        self._store = store
        self._clock = clock

    async def place(self, user_id: str, sku: str, quantity: int) -> Order:
        """Take the stock, store the confirmed order and what others shall hear of it: all of it or nothing.

        Raises Conflict or NotFound after storing it as cancelled: stock is short, or there is no such SKU.
        """
        pending = new_order(uuid4().hex, user_id, sku, quantity, self._clock.now())
        wanted = Reservation(pending.id, sku, quantity)
        refusal: Conflict | NotFound | None = None
        async with self._database.session() as session:
            await self._store.find_user(session, user_id)
            try:
                price = await self._store.take(session, wanted)
            except (Conflict, NotFound) as error:
                refusal = error
                message = error.public_message or error.message
                await self._store.add_order(session, pending.cancelled(error.code, message))
            else:
                order = pending.confirmed(price * quantity)
                await self._store.add_order(session, order)
                await self._store.hold(session, wanted, price)
                await OUTBOX.add(session, topics.USER_EVENTS, user_id, self._placed(order))
        if refusal is not None:
            raise refusal
        return order

    def _placed(self, order: Order) -> events.UserEvent:
        return events.UserEvent(
            event_id=uuid4().hex,
            type=events.ORDER_PLACED,
            user_id=order.user_id,
            at=self._clock.now(),
            data={
                "order_id": order.id,
                "sku": order.sku,
                "quantity": order.quantity,
                "total_cents": order.total_cents,
            },
        )
