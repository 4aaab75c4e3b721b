"""The inventory's own database."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.inventory.domain import Item, Reservation, ReservationStatus, TooLate, out_of_stock
from workbook_lib.kit.errors import Conflict, NotFound, Unavailable
from workbook_lib.kit.messaging import Inbox, Outbox
from workbook_lib.kit.storage import Database
from workbook_lib.kit.tcc import Branches

__all__ = ["BRANCHES", "INBOX", "OUTBOX", "Base", "InventoryStore"]


class Base(DeclarativeBase):
    """The inventory's tables."""


OUTBOX = Outbox(Base.metadata)
INBOX = Inbox(Base.metadata)
BRANCHES = Branches(Base.metadata)


class ItemRow(Base):
    """An `Item`."""

    __tablename__ = "items"
    __table_args__ = (CheckConstraint("available >= 0"),)

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    available: Mapped[int]
    unit_price_cents: Mapped[int]


class ReservationRow(Base):
    """A `Reservation`, with the price at which it was made.

    One without a SKU is a tombstone: its order was released before it held anything, and never will.
    """

    __tablename__ = "reservations"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str | None] = mapped_column(ForeignKey("items.sku"))
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]
    status: Mapped[str]


class InventoryStore:
    """Items and reservations. As a resource it fills an empty database from `seed_file` at start.

    What takes a session is part of the caller's transaction. A refusal changes nothing in it, so that the
    caller can go on and write down that it was refused.
    """

    def __init__(self, database: Database, seed_file: Path | None = None) -> None:
        self._database = database
        self._seed_file = seed_file

    async def start(self) -> None:
        """Load the seed when there are no items yet."""
        if self._seed_file is None:
            return
        rows: list[dict[str, Any]] = json.loads(self._seed_file.read_text(encoding="utf-8"))
        try:
            async with self._database.session() as session:
                if await session.scalar(select(ItemRow.sku).limit(1)) is None:
                    await session.execute(insert(ItemRow), rows)
        except IntegrityError:
            pass  # Another instance on the same database was faster.

    async def stop(self) -> None:
        """Nothing is held open."""

    async def item(self, sku: str) -> Item:
        """The item named `sku`. Raises NotFound."""
        async with self._database.session(read_only=True) as session:
            return await _item(session, sku)

    async def reserve(
        self,
        session: AsyncSession,
        wanted: Reservation,
        status: ReservationStatus = ReservationStatus.RESERVED,
    ) -> int:
        """Take stock for an order and return its unit price in cents; asked again for it, take nothing more.

        Raises NotFound for an unknown SKU, `TooLate` when the order was released before, Conflict when too
        little is available or when the order already holds something else.
        """
        held = await session.get(ReservationRow, wanted.order_id, with_for_update=True)
        if held is not None:
            return _again(held, wanted)
        # The check and the subtraction are one statement: of many that ask at once each meets what the one
        # before has left. Reading `available` first and writing afterwards would sell the last piece twice.
        taken = await session.execute(
            update(ItemRow)
            .where(ItemRow.sku == wanted.sku, ItemRow.available >= wanted.quantity)
            .values(available=ItemRow.available - wanted.quantity)
            .returning(ItemRow.unit_price_cents)
            .execution_options(synchronize_session=False)
        )
        price: int | None = taken.scalar_one_or_none()
        if price is None:
            raise out_of_stock(await _item(session, wanted.sku), wanted.quantity)
        session.add(
            ReservationRow(
                order_id=wanted.order_id,
                sku=wanted.sku,
                quantity=wanted.quantity,
                unit_price_cents=price,
                status=status,
            )
        )
        try:
            await session.flush()
        except IntegrityError as error:  # PostgreSQL: the same order asks twice at once
            raise Unavailable(f"order {wanted.order_id} is just being served") from error
        return price

    async def confirm(self, session: AsyncSession, order_id: str) -> None:
        """What was tried for an order is its own now. Raises NotFound when nothing was."""
        held = await session.get(ReservationRow, order_id, with_for_update=True)
        if held is None:
            raise NotFound(f"order {order_id} holds nothing")
        held.status = ReservationStatus.RESERVED

    async def release(self, session: AsyncSession, order_id: str) -> int:
        """Put back what an order holds, and return how many that is: 0 when it holds nothing (any more).

        It is noted in any case, so that a reservation that comes for this order later is refused.
        """
        held = await session.get(ReservationRow, order_id, with_for_update=True)
        if held is None:
            session.add(
                ReservationRow(
                    order_id=order_id, quantity=0, unit_price_cents=0, status=ReservationStatus.RELEASED
                )
            )
            return 0
        if held.status == ReservationStatus.RELEASED:
            return 0
        held.status = ReservationStatus.RELEASED
        await session.execute(
            update(ItemRow)
            .where(ItemRow.sku == held.sku)
            .values(available=ItemRow.available + held.quantity)
            .execution_options(synchronize_session=False)
        )
        return held.quantity


async def _item(session: AsyncSession, sku: str) -> Item:
    row = await session.get(ItemRow, sku)
    if row is None:
        raise NotFound(f"no item {sku!r}")
    return Item(row.sku, row.name, row.available, row.unit_price_cents)


def _again(held: ReservationRow, wanted: Reservation) -> int:
    if held.status == ReservationStatus.RELEASED:
        raise TooLate(f"order {wanted.order_id} was released")
    if (held.sku, held.quantity) != (wanted.sku, wanted.quantity):
        raise Conflict(f"order {wanted.order_id} already holds {held.quantity} x {held.sku}")
    return held.unit_price_cents
