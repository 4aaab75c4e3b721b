"""The inventory's part in an order that nobody leads: it hears what orders want, and tells what it did."""

from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts import events, names, topics
from services.inventory.domain import Reservation
from services.inventory.store import INBOX, OUTBOX, InventoryStore
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.messaging import Message
from workbook_lib.kit.storage import Database

__all__ = ["StockKeeper"]


class StockKeeper:
    """Handles the messages of `topics.ORDER_EVENTS`; its answers go to `topics.STOCK_EVENTS`.

    That the event was heard, what it changed and the answer are one transaction: a crash leaves all of it or
    nothing, and a repeated event finds that it was heard.
    """

    def __init__(self, database: Database, store: InventoryStore, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._database = database
        self._store = store
        self._clock = clock

    async def __call__(self, message: Message) -> None:
        """Reserve or release. Raises ValueError for what isn't an event."""
        heard = events.OrderEvent.model_validate_json(message.value)
        async with self._database.session() as session:
            if not await INBOX.first_time(session, heard.event_id, consumer=names.INVENTORY):
                return
            if heard.type == events.RESERVE_STOCK:
                answer = await self._reserve(session, heard)
            elif heard.type == events.RELEASE_STOCK:
                await self._store.release(session, heard.order_id)
                answer = self._answer(heard, events.STOCK_RELEASED)
            else:  # a type that is newer than this service
                return
            await OUTBOX.add(session, topics.STOCK_EVENTS, answer.order_id, answer)

    async def _reserve(self, session: AsyncSession, heard: events.OrderEvent) -> events.StockEvent:
        try:
            wanted = Reservation(heard.order_id, heard.sku, heard.quantity)
            price = await self._store.reserve(session, wanted)
        except (Conflict, NotFound) as refusal:
            refused = self._answer(heard, events.STOCK_REFUSED)
            return refused.model_copy(update={"error_code": refusal.code, "error_message": refusal.message})
        reserved = self._answer(heard, events.STOCK_RESERVED)
        return reserved.model_copy(update={"total_cents": price * heard.quantity})

    def _answer(self, heard: events.OrderEvent, kind: str) -> events.StockEvent:
        return events.StockEvent(
            event_id=uuid4().hex,
            type=kind,
            order_id=heard.order_id,
            user_id=heard.user_id,
            at=self._clock.now(),
        )
