"""The payments' part in an order that nobody leads: what was reserved is charged, and the answer told."""

from uuid import uuid4

from services.contracts import events, names, topics
from services.payments.cashier import Cashier
from services.payments.domain import Payment
from services.payments.store import INBOX, OUTBOX
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.messaging import Message
from workbook_lib.kit.storage import Database

__all__ = ["Biller"]


class Biller:
    """Handles the messages of `topics.STOCK_EVENTS`; its answers go to `topics.PAYMENT_EVENTS`.

    That the event was heard, the money it moved and the answer are one transaction: a crash leaves all of it
    or nothing, and a repeated event finds that it was heard.
    """

    def __init__(self, database: Database, cashier: Cashier, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._database = database
        self._cashier = cashier
        self._clock = clock

    async def __call__(self, message: Message) -> None:
        """Charge. Raises ValueError for what isn't an event."""
        heard = events.StockEvent.model_validate_json(message.value)
        if heard.type != events.STOCK_RESERVED:
            return
        async with self._database.session() as session:
            if not await INBOX.first_time(session, heard.event_id, consumer=names.PAYMENTS):
                return
            outcome: dict[str, str | int] = {
                "type": events.PAYMENT_CHARGED,
                "amount_cents": heard.total_cents,
            }
            try:
                await self._cashier.charge(session, Payment(heard.order_id, heard.user_id, heard.total_cents))
            except Conflict as refusal:
                outcome = {
                    "type": events.PAYMENT_REFUSED,
                    "error_code": refusal.code,
                    "error_message": refusal.message,
                }
            answer = events.PaymentEvent.model_validate(
                {
                    "event_id": uuid4().hex,
                    "order_id": heard.order_id,
                    "user_id": heard.user_id,
                    "at": self._clock.now(),
                    **outcome,
                }
            )
            await OUTBOX.add(session, topics.PAYMENT_EVENTS, answer.order_id, answer)
