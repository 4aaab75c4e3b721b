"""The shop's tables. One database can hold what no two services can: that an order's user exists."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.inventory.domain import Item
from services.orders.domain import Coordination, Order, OrderStatus
from services.products.domain import Product
from services.users.domain import User
from workbook_lib.kit.messaging import Outbox
from workbook_lib.kit.storage import Database

__all__ = ["OUTBOX", "Base", "ItemRow", "OrderRow", "ProductRow", "ReservationRow", "Seed", "UserRow"]


class Base(DeclarativeBase):
    """The shop's tables."""


OUTBOX = Outbox(Base.metadata)


class UserRow(Base):
    """A `User`."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    age: Mapped[int | None]

    def user(self) -> User:
        """The user that this row stores."""
        return User(id=self.id, name=self.name, email=self.email, age=self.age)


class ProductRow(Base):
    """A `Product`."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    category: Mapped[str] = mapped_column(index=True)
    price_cents: Mapped[int] = mapped_column(index=True)
    currency: Mapped[str]

    def product(self) -> Product:
        """The product that this row stores."""
        return Product(
            sku=self.sku,
            name=self.name,
            category=self.category,
            price_cents=self.price_cents,
            currency=self.currency,
        )


class ItemRow(Base):
    """An `Item` of the stock."""

    __tablename__ = "items"
    __table_args__ = (CheckConstraint("available >= 0"),)

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    available: Mapped[int]
    unit_price_cents: Mapped[int]

    def item(self) -> Item:
        """The item that this row stores."""
        return Item(self.sku, self.name, self.available, self.unit_price_cents)


class OrderRow(Base):
    """An `Order`."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    sku: Mapped[str]
    quantity: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    coordination: Mapped[str]
    status: Mapped[str]
    total_cents: Mapped[int]
    error_code: Mapped[int]
    error_message: Mapped[str]

    def order(self) -> Order:
        """The order that this row stores."""
        return Order(
            self.id,
            self.user_id,
            self.sku,
            self.quantity,
            self.created_at.replace(tzinfo=UTC),  # SQLite keeps no time zone; all of ours are UTC.
            Coordination(self.coordination),
            OrderStatus(self.status),
            self.total_cents,
            self.error_code,
            self.error_message,
        )


class ReservationRow(Base):
    """A `Reservation`, with the price at which it was made."""

    __tablename__ = "reservations"

    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("items.sku"))
    quantity: Mapped[int]
    unit_price_cents: Mapped[int]
    status: Mapped[str]


class Seed:
    """Fills an empty database at start; a resource."""

    def __init__(
        self, database: Database, *, users: Path | None, stock: Path | None, products: Path | None
    ) -> None:
        self._database = database
        self._users, self._stock, self._products = users, stock, products

    async def start(self) -> None:
        """Load users, stock and products, unless there are users already."""
        seed = {
            UserRow: [User.model_validate(each).model_dump() for each in _read(self._users)],
            ItemRow: _read(self._stock),
            ProductRow: [Product.model_validate(each).model_dump() for each in _read(self._products)],
        }
        try:
            async with self._database.session() as session:
                for row, rows in seed.items():
                    if rows and await session.scalar(select(row).limit(1)) is None:
                        await session.execute(insert(row), rows)
        except IntegrityError:
            pass  # Another instance on the same database was faster.

    async def stop(self) -> None:
        """Nothing is held open."""


def _read(file: Path | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file else []
    return rows
