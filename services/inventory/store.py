"""The inventory's own database."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.inventory.domain import Item, Reservation, out_of_stock
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.storage import Database

__all__ = ["Base", "InventoryStore"]


class Base(DeclarativeBase):
    """The inventory's tables."""


class ItemRow(Base):
    """An `Item`."""

    __tablename__ = "items"

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    available: Mapped[int]
    unit_price_cents: Mapped[int]


class ReservationRow(Base):
    """A `Reservation`, with the price at which it was made."""

    __tablename__ = "reservations"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("items.sku"))
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]


class InventoryStore:
    """Items and reservations. As a resource it fills an empty database from `seed_file` at start."""

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

    async def reserve(self, wanted: Reservation) -> int:
        """Take stock for an order and return its unit price in cents; asked again for it, take nothing more.

        Raises NotFound for an unknown SKU, Conflict when too little is available or when the order already
        holds something else.
        """
        try:
            async with self._database.session() as session:
                return await _take(session, wanted)
        except IntegrityError:
            async with self._database.session() as session:
                return await _already_taken(session, wanted)


async def _item(session: AsyncSession, sku: str) -> Item:
    row = await session.get(ItemRow, sku)
    if row is None:
        raise NotFound(f"no item {sku!r}")
    return Item(row.sku, row.name, row.available, row.unit_price_cents)


async def _take(session: AsyncSession, wanted: Reservation) -> int:
    # The order is the primary key: a second reservation for it ends here, before anything is subtracted.
    item = select(literal(wanted.order_id), ItemRow.sku, literal(wanted.quantity), ItemRow.unit_price_cents)
    columns = ["order_id", "sku", "quantity", "unit_price_cents"]
    await session.execute(insert(ReservationRow).from_select(columns, item.where(ItemRow.sku == wanted.sku)))
    # The check and the subtraction are one statement: of many that ask at once each meets what the one before
    # has left. Reading `available` first and writing afterwards would sell the last piece twice.
    taken = await session.execute(
        update(ItemRow)
        .where(ItemRow.sku == wanted.sku, ItemRow.available >= wanted.quantity)
        .values(available=ItemRow.available - wanted.quantity)
        .returning(ItemRow.unit_price_cents)
        .execution_options(synchronize_session=False)
    )
    price: int | None = taken.scalar_one_or_none()
    if price is None:  # Raising rolls the reservation back.
        raise out_of_stock(await _item(session, wanted.sku), wanted.quantity)
    return price


async def _already_taken(session: AsyncSession, wanted: Reservation) -> int:
    row = await session.get_one(ReservationRow, wanted.order_id)
    if (row.sku, row.quantity) != (wanted.sku, wanted.quantity):
        raise Conflict(f"order {wanted.order_id} already holds {row.quantity} x {row.sku}")
    return row.unit_price_cents
