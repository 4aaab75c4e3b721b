"""The orders' own database."""

from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import DateTime, insert, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.orders.domain import Order, OrderStatus
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.storage import Database

__all__ = ["Base", "OrderStore"]


class Base(DeclarativeBase):
    """The orders' tables."""


class OrderRow(Base):
    """An `Order`."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    sku: Mapped[str]
    quantity: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    status: Mapped[str]
    total_cents: Mapped[int]


class OrderStore:
    """Orders, as they stand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, order: Order) -> None:
        """Store a new order."""
        async with self._database.session() as session:
            await session.execute(insert(OrderRow).values(asdict(order)))

    async def settle(self, order: Order) -> None:
        """Store how a pending order ended."""
        async with self._database.session() as session:
            await session.execute(
                update(OrderRow)
                .where(OrderRow.id == order.id)
                .values(status=order.status, total_cents=order.total_cents)
            )

    async def get(self, order_id: str) -> Order:
        """The order with this id. Raises NotFound."""
        async with self._database.session() as session:
            row = await session.get(OrderRow, order_id)
            if row is None:
                raise NotFound(f"no order {order_id!r}")
            created_at = row.created_at.replace(tzinfo=UTC)  # SQLite keeps no time zone; all of ours are UTC.
            return Order(
                row.id,
                row.user_id,
                row.sku,
                row.quantity,
                created_at,
                OrderStatus(row.status),
                row.total_cents,
            )
