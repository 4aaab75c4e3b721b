"""How an order ends: its row and what others hear of it, in one transaction."""

from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts import events, topics
from services.orders.domain import Order
from services.orders.store import OUTBOX, OrderStore
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import ServiceError

__all__ = ["OrderBook"]


class OrderBook:
    """Closes orders, in the transaction of whoever coordinates them. An order that is closed stays so."""

    def __init__(self, store: OrderStore, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._store = store
        self._clock = clock

    async def confirm(self, session: AsyncSession, order_id: str, total_cents: int) -> None:
        """The order is had, and everybody shall hear of it. Raises Conflict unless it is pending."""
        order = (await self._store.find(session, order_id)).confirmed(total_cents)
        await self._store.settle(session, order)
        await OUTBOX.add(session, topics.USER_EVENTS, order.user_id, self.placed(order))

    async def cancel(self, session: AsyncSession, order_id: str, code: int, message: str) -> None:
        """The order can't be had; that is no event for others. Raises Conflict unless it is pending."""
        order = (await self._store.find(session, order_id)).cancelled(code, message)
        await self._store.settle(session, order)

    async def refuse(self, session: AsyncSession, order_id: str, error: ServiceError | None) -> None:
        """Cancel because of an error, in the words that a caller may read."""
        code = 0 if error is None else error.code
        message = "" if error is None else error.public_message or error.message
        await self.cancel(session, order_id, code, message)

    def placed(self, order: Order) -> events.UserEvent:
        """What others hear of a confirmed order."""
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
