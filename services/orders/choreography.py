"""The order as a saga that nobody leads: it says what it wants, and hears what became of it."""

from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts import events, names, topics
from services.orders.book import OrderBook
from services.orders.domain import Order, OrderStatus
from services.orders.store import INBOX, OUTBOX, OrderStore
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.messaging import Message
from workbook_lib.kit.storage import Database

__all__ = ["Choreographed", "OrderListener"]


class Choreographed:
    """Asks for the stock by an event, and waits for nothing; `placing.Coordinator`."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock

    async def begin(self, session: AsyncSession, order: Order) -> None:
        """Publish ReserveStock."""
        await _tell(session, events.RESERVE_STOCK, order, self._clock)

    async def carry_out(self, order: Order) -> None:
        """The others do."""


class OrderListener:
    """Handles the messages of `topics.STOCK_EVENTS` and `topics.PAYMENT_EVENTS`.

    That the event was heard, how the order ends and what is told of it are one transaction.
    """

    def __init__(
        self, database: Database, store: OrderStore, book: OrderBook, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._database = database
        self._store = store
        self._book = book
        self._clock = clock

    async def __call__(self, message: Message) -> None:
        """Confirm or cancel. Raises ValueError for what isn't an event, NotFound for an unknown order."""
        kind = events.StockEvent if message.topic == topics.STOCK_EVENTS else events.PaymentEvent
        heard = kind.model_validate_json(message.value)
        if heard.type not in (events.STOCK_REFUSED, events.PAYMENT_CHARGED, events.PAYMENT_REFUSED):
            return
        async with self._database.session() as session:
            if not await INBOX.first_time(session, heard.event_id, consumer=names.ORDERS):
                return
            order = await self._store.find(session, heard.order_id)
            if order.status is not OrderStatus.PENDING:
                return
            if isinstance(heard, events.PaymentEvent) and heard.type == events.PAYMENT_CHARGED:
                await self._book.confirm(session, order.id, heard.amount_cents)
                return
            await self._book.cancel(session, order.id, heard.error_code, heard.error_message)
            if heard.type == events.PAYMENT_REFUSED:  # the compensation: the stock is held, but not paid
                await _tell(session, events.RELEASE_STOCK, order, self._clock)


async def _tell(session: AsyncSession, kind: str, order: Order, clock: Clock) -> None:
    event = events.OrderEvent(
        event_id=uuid4().hex,
        type=kind,
        order_id=order.id,
        user_id=order.user_id,
        sku=order.sku,
        quantity=order.quantity,
        at=clock.now(),
    )
    await OUTBOX.add(session, topics.ORDER_EVENTS, event.order_id, event)
