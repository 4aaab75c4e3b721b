"""Users, stock and orders in the shop's one database. What takes a session is part of its transaction."""

from dataclasses import asdict

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from services.inventory.domain import Item, Reservation, ReservationStatus, out_of_stock
from services.monolith.tables import ItemRow, OrderRow, ReservationRow, UserRow
from services.orders.domain import Order
from services.users.domain import User
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.storage import Database

__all__ = ["ShopStore"]


class ShopStore:
    """The tables that an order is about, together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def user(self, user_id: str) -> User:
        """The user with this id. Raises NotFound."""
        async with self._database.session(read_only=True) as session:
            return await self.find_user(session, user_id)

    async def find_user(self, session: AsyncSession, user_id: str) -> User:
        """The user with this id, as the transaction sees it. Raises NotFound."""
        row = await session.get(UserRow, user_id)
        if row is None:
            raise NotFound(f"no user {user_id!r}")
        return row.user()

    async def users(self, limit: int, after: str = "") -> list[User]:
        """Up to `limit` users whose id comes after `after`, in the order of their ids."""
        query = select(UserRow).where(UserRow.id > after).order_by(UserRow.id).limit(limit)
        async with self._database.session(read_only=True) as session:
            return [row.user() for row in await session.scalars(query)]

    async def add_user(self, user: User) -> None:
        """Store a new user. Raises Conflict when the address is taken."""
        try:
            async with self._database.session() as session:
                await session.execute(insert(UserRow).values(user.model_dump()))
        except IntegrityError as error:
            raise Conflict(f"{user.email} is registered already") from error

    async def item(self, sku: str) -> Item:
        """The item named `sku`. Raises NotFound."""
        async with self._database.session(read_only=True) as session:
            return await _item(session, sku)

    async def take(self, session: AsyncSession, wanted: Reservation) -> int:
        """Take stock off the shelves and return its unit price in cents.

        Raises NotFound for an unknown SKU and Conflict when too little is available; then nothing is changed.
        """
        # The check and the subtraction are one statement, so that the last piece isn't sold twice.
        price: int | None = await session.scalar(
            update(ItemRow)
            .where(ItemRow.sku == wanted.sku, ItemRow.available >= wanted.quantity)
            .values(available=ItemRow.available - wanted.quantity)
            .returning(ItemRow.unit_price_cents)
            .execution_options(synchronize_session=False)
        )
        if price is None:
            raise out_of_stock(await _item(session, wanted.sku), wanted.quantity)
        return price

    async def hold(self, session: AsyncSession, taken: Reservation, unit_price_cents: int) -> None:
        """Note for which stored order the stock was taken."""
        row = {**asdict(taken), "unit_price_cents": unit_price_cents, "status": ReservationStatus.RESERVED}
        await session.execute(insert(ReservationRow).values(row))

    async def add_order(self, session: AsyncSession, order: Order) -> None:
        """Store an order as it ended."""
        await session.execute(insert(OrderRow).values(asdict(order)))

    async def order(self, order_id: str) -> Order:
        """The order with this id. Raises NotFound."""
        async with self._database.session(read_only=True) as session:
            row = await session.get(OrderRow, order_id)
            if row is None:
                raise NotFound(f"no order {order_id!r}")
            return row.order()


async def _item(session: AsyncSession, sku: str) -> Item:
    row = await session.get(ItemRow, sku)
    if row is None:
        raise NotFound(f"no item {sku!r}")
    return row.item()
