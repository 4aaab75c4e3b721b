"""Placing an order: its steps across the database, the inventory and Kafka."""

from typing import Protocol
from uuid import uuid4

from pydantic import BaseModel

from services.contracts import events, inventory_pb2, inventory_pb2_grpc, topics
from services.orders.domain import Order, new_order
from services.orders.store import OrderStore
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.rpc import RpcClient

__all__ = ["OrderDesk", "Publisher"]


class Publisher(Protocol):
    """Sends events, and returns when the broker has them: `kit.messaging.Producer`."""

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Send what is left, disconnect."""
        ...

    async def send(self, topic: str, key: str, value: BaseModel) -> object:
        """Publish `value`."""
        ...


class OrderDesk:
    """Takes orders."""

    def __init__(
        self,
        store: OrderStore,
        inventory: "RpcClient[inventory_pb2_grpc.InventoryServiceAsyncStub]",
        publisher: Publisher,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._publisher = publisher
        self._clock = clock

    async def place(self, user_id: str, sku: str, quantity: int) -> Order:
        """Store a pending order, reserve its stock, confirm it, tell the others.

        Raises Conflict (stock short) or NotFound (no such SKU) after storing it as cancelled. When inventory
        can't be reached or doesn't answer in time nobody knows whether the stock is held, so the order stays
        pending and the error goes to the caller; a saga (chapter 3) resolves what is left like that.
        """
        order = new_order(uuid4().hex, user_id, sku, quantity, self._clock.now())
        await self._store.add(order)
        try:
            unit_price_cents = await self._reserve(order)
        except (Conflict, NotFound):
            await self._store.settle(order.cancelled())
            raise
        order = order.confirmed(unit_price_cents)
        await self._store.settle(order)
        # A dual write: the database has the order, Kafka doesn't have the event yet, and no transaction spans
        # both. A crash or a lost broker between the two lines leaves a confirmed order that nobody hears of,
        # while the caller gets an error for it. The outbox of chapter 3 closes this gap.
        await self._publisher.send(topics.USER_EVENTS, order.user_id, self._placed(order))
        return order

    async def _reserve(self, order: Order) -> int:
        request = inventory_pb2.ReserveRequest(order_id=order.id, sku=order.sku, quantity=order.quantity)
        with self._inventory.stub() as stub:
            answer = await stub.Reserve(request)
        return answer.unit_price_cents

    def _placed(self, order: Order) -> events.UserEvent:
        return events.UserEvent(
            event_id=uuid4().hex,
            type=events.ORDER_PLACED,
            user_id=order.user_id,
            at=self._clock.now(),
            data={
                "order_id": order.id,
                "sku": order.sku,
                "quantity": order.quantity,
                "total_cents": order.total_cents,
            },
        )
