"""The orders' own database."""

from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import DateTime, insert, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.orders.domain import Coordination, Order, OrderStatus
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.messaging import Inbox, Outbox
from workbook_lib.kit.saga import SagaLog
from workbook_lib.kit.storage import Database
from workbook_lib.kit.tcc import TccLog

__all__ = ["INBOX", "OUTBOX", "SAGAS", "TRANSACTIONS", "Base", "OrderStore"]


class Base(DeclarativeBase):
    """The orders' tables."""


OUTBOX = Outbox(Base.metadata)
INBOX = Inbox(Base.metadata)
SAGAS = SagaLog(Base.metadata)
TRANSACTIONS = TccLog(Base.metadata)


class OrderRow(Base):
    """An `Order`."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    sku: Mapped[str]
    quantity: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    coordination: Mapped[str]
    status: Mapped[str]
    total_cents: Mapped[int]
    error_code: Mapped[int]
    error_message: Mapped[str]


class OrderStore:
    """Orders, as they stand. What takes a session is part of the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: AsyncSession, order: Order) -> None:
        """Store a new order."""
        await session.execute(insert(OrderRow).values(asdict(order)))

    async def settle(self, session: AsyncSession, order: Order) -> None:
        """Store how a pending order ended."""
        await session.execute(
            update(OrderRow)
            .where(OrderRow.id == order.id)
            .values(
                status=order.status,
                total_cents=order.total_cents,
                error_code=order.error_code,
                error_message=order.error_message,
            )
            .execution_options(synchronize_session=False)
        )

    async def get(self, order_id: str) -> Order:
        """The order with this id. Raises NotFound."""
        async with self._database.session(read_only=True) as session:
            return await self.find(session, order_id)

    async def find(self, session: AsyncSession, order_id: str) -> Order:
        """The order with this id, as the transaction sees it. Raises NotFound."""
        row = await session.get(OrderRow, order_id)
        if row is None:
            raise NotFound(f"no order {order_id!r}")
        return Order(
            row.id,
            row.user_id,
            row.sku,
            row.quantity,
            row.created_at.replace(tzinfo=UTC),  # SQLite keeps no time zone; all of ours are UTC.
            Coordination(row.coordination),
            OrderStatus(row.status),
            row.total_cents,
            row.error_code,
            row.error_message,
        )
