"""The consumer's half of delivery without loss: an event that comes again has no second effect."""

from datetime import timedelta

from sqlalchemy import DateTime, MetaData, String, Table, delete, event, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import Column

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.messaging.model import EVENT_ID, Message, header
from workbook_lib.kit.upserts import insert_if_absent

__all__ = ["Inbox", "event_id_of"]

_PRUNE_EVERY = 1000
_PRUNE_ROWS = 2000  # at once, so that no message waits long for it


def event_id_of(message: Message) -> str:
    """What tells a redelivery from a new event: the outbox's header `event-id`, else where it lies."""
    return header(message, EVENT_ID) or f"{message.topic}/{message.partition}/{message.offset}"


class Inbox:
    """The ids of the events that have had their effect, in table `inbox` of a service's own database.

    An id is kept for `keep`, which must be longer than Kafka, or a relay that stood still, may take to
    deliver an event once more. The inbox prunes itself.
    """

    def __init__(
        self, metadata: MetaData, *, keep: timedelta = timedelta(days=7), clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.table = Table(
            "inbox",
            metadata,
            Column("consumer", String, primary_key=True),
            Column("event_id", String, primary_key=True),
            Column("seen_at", DateTime(timezone=True), nullable=False, index=True),
        )
        self._keep = keep
        self._clock = clock
        self._since_pruned = 0

    async def first_time(self, session: AsyncSession, event_id: str, *, consumer: str) -> bool:
        """Whether `consumer` hasn't seen the event yet; call it in the transaction of the effect.

        Event and effect are stored together or not at all, so a message that comes again after a crash finds
        neither or both. Two deliveries at the same time: the second waits for the first one's transaction.
        """
        now = self._clock.now()
        values = {"consumer": consumer, "event_id": event_id, "seen_at": now}
        first = await insert_if_absent(session, self.table, values)
        if self not in session.info:
            session.info[self] = True
            event.listen(session.sync_session, "before_commit", _before_commit)
        self._since_pruned += 1
        if self._since_pruned >= _PRUNE_EVERY:
            self._since_pruned = 0
            await self.prune(session)
        return first

    async def prune(self, session: AsyncSession) -> None:
        """Forget some events older than `keep`."""
        key = self.table.c.consumer, self.table.c.event_id
        old = select(*key).where(self.table.c.seen_at < self._clock.now() - self._keep).limit(_PRUNE_ROWS)
        await session.execute(delete(self.table).where(tuple_(*key).in_(old)))


def _before_commit(_session: object) -> None:
    failpoint("inbox.before_commit")
