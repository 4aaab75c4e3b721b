"""Placing an order: stored first, then in the hands of whoever coordinates it."""

from collections.abc import Mapping
from typing import Protocol
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from services.orders.domain import Coordination, Order, new_order
from services.orders.store import OrderStore
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import InvalidRequest
from workbook_lib.kit.storage import Database

__all__ = ["Coordinator", "OrderDesk"]


class Coordinator(Protocol):
    """One way of getting an order its goods: `reserve_only`, `orchestration`, `choreography`, `tcc`."""

    async def begin(self, session: AsyncSession, order: Order) -> None:
        """Note what is to be done, in the transaction that stores the order: a crash forgets neither."""
        ...

    async def carry_out(self, order: Order) -> None:
        """Return when the order has ended, or when it is no use to wait any longer.

        Raises what it was refused for.
        """
        ...


class OrderDesk:
    """Takes orders."""

    def __init__(
        self,
        database: Database,
        store: OrderStore,
        coordinators: Mapping[Coordination, Coordinator],
        *,
        default: Coordination = Coordination.RESERVE_ONLY,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._database = database
        self._store = store
        self._coordinators = coordinators
        self._default = default
        self._clock = clock

    async def place(
        self, user_id: str, sku: str, quantity: int, coordination: Coordination | None = None
    ) -> Order:
        """Store a pending order, have it carried out, and tell how it stands then: confirmed, or pending yet.

        Raises Conflict or NotFound after storing it as cancelled: stock or money is short, or there is no
        such SKU. Raises InvalidRequest for a coordination that isn't offered.
        """
        way = coordination or self._default
        order = new_order(uuid4().hex, user_id, sku, quantity, self._clock.now(), way)
        coordinator = self._coordinators.get(way)
        if coordinator is None:
            detail = {"field": "coordination", "message": f"{way} isn't offered here"}
            raise InvalidRequest("not an order", details=[detail])
        async with self._database.session() as session:
            await self._store.add(session, order)
            await coordinator.begin(session, order)
        await coordinator.carry_out(order)
        return await self._store.get(order.id)
