"""The recommendations' own database: who took to what, and which things go together."""

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from services.contracts import names
from services.contracts.events import UserEvent
from services.recommendations.domain import Neighbour, Suggestion, interest, suggest
from workbook_lib.kit.messaging import Inbox
from workbook_lib.kit.storage import Database
from workbook_lib.kit.upserts import count

__all__ = ["Base", "RecommendationStore"]


class Base(DeclarativeBase):
    """The recommendations' tables."""


class InterestRow(Base):
    """That a user viewed or ordered something, how often, and when first (seconds since 1970)."""

    __tablename__ = "interests"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int]
    first_at: Mapped[float]


class ItemRow(Base):
    """How many users took to an item, and how often they did in all."""

    __tablename__ = "items"

    sku: Mapped[str] = mapped_column(primary_key=True)
    users: Mapped[int]
    times: Mapped[int]


class PairRow(Base):
    """How many users took to both; each pair is there twice, so that it is found from either side."""

    __tablename__ = "pairs"

    sku: Mapped[str] = mapped_column(primary_key=True)
    other: Mapped[str] = mapped_column(primary_key=True)
    users: Mapped[int]


inbox = Inbox(Base.metadata)


class RecommendationStore:
    """Learns from events, one transaction each, and suggests."""

    def __init__(self, database: Database, *, history_items: int) -> None:
        self._database = database
        self._history_items = history_items

    async def learn(self, event: UserEvent) -> bool:
        """Count what an event shows; False, and nothing counted, when it was counted before or shows nothing.

        Raises InvalidRequest for a view or an order without a SKU.
        """
        sku = interest(event)
        if sku is None:
            return False
        async with self._database.session() as session:
            if not await inbox.first_time(session, event.event_id, consumer=names.RECOMMENDATIONS):
                return False
            history = await session.scalars(self._history(event.user_id))
            others = sorted(set(history) - {sku})
            known = await session.get(InterestRow, (event.user_id, sku)) is not None
            first = {"first_at": event.at.timestamp()}
            of_user = {"user_id": event.user_id, "sku": sku}
            await count(session, InterestRow.__table__, of_user, {"times": 1}, first=first)
            await count(session, ItemRow.__table__, {"sku": sku}, {"users": int(not known), "times": 1})
            if not known:
                for one, other in sorted([(sku, other) for other in others] + [(o, sku) for o in others]):
                    await count(session, PairRow.__table__, {"sku": one, "other": other}, {"users": 1})
        return True

    async def suggestions(self, user_id: str, limit: int) -> list[Suggestion]:
        """What goes with the user's history; for one without, what is popular, for no reason of their own."""
        async with self._database.session(read_only=True) as session:
            history = list(await session.scalars(self._history(user_id)))
            if not history:
                return await _popular(session, limit)
            return suggest(await _neighbours(session, user_id, history), limit)

    def _history(self, user_id: str) -> Select[Any]:
        """The SKUs that the user took to most recently."""
        newest = InterestRow.first_at.desc()
        of_user = select(InterestRow.sku).where(InterestRow.user_id == user_id)
        return of_user.order_by(newest, InterestRow.sku).limit(self._history_items)


async def _neighbours(session: AsyncSession, user_id: str, history: list[str]) -> list[Neighbour]:
    known, other = aliased(ItemRow), aliased(ItemRow)
    seen = select(InterestRow.sku).where(InterestRow.user_id == user_id)
    query = (
        select(PairRow.sku, PairRow.other, PairRow.users, known.users, other.users)
        .join(known, known.sku == PairRow.sku)
        .join(other, other.sku == PairRow.other)
        .where(PairRow.sku.in_(history), PairRow.other.not_in(seen))
    )
    return [Neighbour(*row) for row in await session.execute(query)]


async def _popular(session: AsyncSession, limit: int) -> list[Suggestion]:
    query = select(ItemRow.sku, ItemRow.times).order_by(ItemRow.times.desc(), ItemRow.sku).limit(limit)
    return [Suggestion(sku, float(times), ()) for sku, times in await session.execute(query)]
