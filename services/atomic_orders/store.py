"""Three databases, and what an order does in each; every function is part of its caller's transaction."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import CheckConstraint, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services.atomic_orders.domain import Order, OutOfStock, PaymentRefused, Wanted
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.storage import Database
from workbook_lib.kit.two_phase import DecisionLog

__all__ = [
    "DECISIONS",
    "MoneyBase",
    "OrdersBase",
    "Seed",
    "StockBase",
    "add_order",
    "get_order",
    "pay",
    "take",
]

SHOP = "shop"


class OrdersBase(DeclarativeBase):
    """The coordinator's own tables."""


class StockBase(DeclarativeBase):
    """The tables of the stock's database."""


class MoneyBase(DeclarativeBase):
    """The tables of the money's database."""


DECISIONS = DecisionLog(OrdersBase.metadata)


class OrderRow(OrdersBase):
    """An `Order`."""

    __tablename__ = "orders"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str]
    sku: Mapped[str]
    quantity: Mapped[int]
    total_cents: Mapped[int]


class ItemRow(StockBase):
    """One article on the shelves."""

    __tablename__ = "items"

    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    available: Mapped[int]
    unit_price_cents: Mapped[int]


class AccountRow(MoneyBase):
    """An account; its balance is the sum of its entries."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("balance_cents >= 0"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    balance_cents: Mapped[int]


class EntryRow(MoneyBase):
    """Half of a transfer: what one account got, or, below zero, gave."""

    __tablename__ = "entries"

    order_id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(primary_key=True)
    amount_cents: Mapped[int]


class Seed:
    """A resource that fills empty databases from files at start."""

    def __init__(self, stock: Database, stock_file: Path, money: Database, accounts_file: Path) -> None:
        self._stock, self._stock_file = stock, stock_file
        self._money, self._accounts_file = money, accounts_file

    async def start(self) -> None:
        """Load what isn't there."""
        accounts = [
            {"id": each["user_id"], "balance_cents": each["balance_cents"]}
            for each in _read(self._accounts_file)
        ]
        await _fill(self._stock, ItemRow, _read(self._stock_file))
        await _fill(self._money, AccountRow, [*accounts, {"id": SHOP, "balance_cents": 0}])

    async def stop(self) -> None:
        """Nothing is held open."""


async def take(stock: AsyncSession, wanted: Wanted) -> int:
    """Take an order's articles off the shelf; their price in cents. Raises NotFound, OutOfStock."""
    taken = await stock.execute(
        update(ItemRow)
        .where(ItemRow.sku == wanted.sku, ItemRow.available >= wanted.quantity)
        .values(available=ItemRow.available - wanted.quantity)
        .returning(ItemRow.unit_price_cents)
        .execution_options(synchronize_session=False)
    )
    price: int | None = taken.scalar_one_or_none()
    if price is None:
        item = await stock.get(ItemRow, wanted.sku)
        if item is None:
            raise NotFound(f"no item {wanted.sku!r}")
        raise OutOfStock(f"{item.name}: {wanted.quantity} wanted, {item.available} available")
    return price * wanted.quantity


async def pay(money: AsyncSession, order: Order) -> None:
    """Transfer the price from the user to the shop. Raises NotFound, PaymentRefused."""
    paid = await money.execute(
        update(AccountRow)
        .where(AccountRow.id == order.user_id, AccountRow.balance_cents >= order.total_cents)
        .values(balance_cents=AccountRow.balance_cents - order.total_cents)
        .returning(AccountRow.id)
        .execution_options(synchronize_session=False)
    )
    if paid.scalar_one_or_none() is None:
        if await money.get(AccountRow, order.user_id) is None:
            raise NotFound(f"no account of user {order.user_id!r}")
        raise PaymentRefused(f"user {order.user_id} has less than {order.total_cents} cents")
    await money.execute(
        update(AccountRow)
        .where(AccountRow.id == SHOP)
        .values(balance_cents=AccountRow.balance_cents + order.total_cents)
        .execution_options(synchronize_session=False)
    )
    halves = {order.user_id: -order.total_cents, SHOP: order.total_cents}
    await money.execute(
        insert(EntryRow),
        [
            {"order_id": order.order_id, "account_id": to, "amount_cents": cents}
            for to, cents in halves.items()
        ],
    )


async def add_order(own: AsyncSession, order: Order) -> None:
    """Store an order."""
    await own.execute(insert(OrderRow).values(order.model_dump()))


async def get_order(own: AsyncSession, order_id: str) -> Order:
    """The order with this id. Raises NotFound."""
    row = await own.get(OrderRow, order_id)
    if row is None:
        raise NotFound(f"no order {order_id!r}")
    return Order(
        order_id=row.order_id,
        user_id=row.user_id,
        sku=row.sku,
        quantity=row.quantity,
        total_cents=row.total_cents,
    )


async def _fill(database: Database, table: type[DeclarativeBase], rows: list[dict[str, Any]]) -> None:
    try:
        async with database.session() as session:
            if await session.scalar(select(table).limit(1)) is None:
                await session.execute(insert(table), rows)
    except IntegrityError:
        pass  # Another instance was faster.


def _read(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return rows
