"""An order that only reserves: one call, and nobody who'd know what to do when its answer is lost."""

from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts import inventory_pb2, topics
from services.orders.book import OrderBook
from services.orders.domain import Order
from services.orders.store import OrderStore
from workbook_lib.kit.errors import Conflict, NotFound
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.storage import Database

if TYPE_CHECKING:
    from services.contracts.inventory_pb2_grpc import InventoryServiceAsyncStub

__all__ = ["DualWrite", "Publisher", "ReserveOnly"]


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


class ReserveOnly:
    """Reserves stock while the caller waits; `placing.Coordinator`.

    When inventory can't be reached or doesn't answer in time nobody knows whether the stock is held, so the
    order stays pending and the error goes to the caller. A saga resolves what this leaves open.
    """

    def __init__(
        self,
        database: Database,
        book: OrderBook,
        inventory: "RpcClient[InventoryServiceAsyncStub]",
    ) -> None:
        self._database = database
        self._book = book
        self._inventory = inventory

    async def begin(self, session: AsyncSession, order: Order) -> None:
        """Nothing is noted: what the caller doesn't see through is left as it is."""

    async def carry_out(self, order: Order) -> None:
        """Reserve and confirm. Raises Conflict or NotFound for what can't be had."""
        request = inventory_pb2.ReserveRequest(order_id=order.id, sku=order.sku, quantity=order.quantity)
        try:
            with self._inventory.stub() as stub:
                answer = await stub.Reserve(request)
        except (Conflict, NotFound) as refusal:
            async with self._database.session() as session:
                await self._book.refuse(session, order.id, refusal)
            raise
        await self._confirm(order, answer.unit_price_cents * order.quantity)

    async def _confirm(self, order: Order, total_cents: int) -> None:
        async with self._database.session() as session:
            await self._book.confirm(session, order.id, total_cents)


class DualWrite(ReserveOnly):
    """The same without an outbox: the database is written, then Kafka, and no transaction spans both."""

    def __init__(
        self,
        database: Database,
        store: OrderStore,
        book: OrderBook,
        inventory: "RpcClient[InventoryServiceAsyncStub]",
        publisher: Publisher,
    ) -> None:
        super().__init__(database, book, inventory)
        self._store = store
        self._publisher = publisher

    async def _confirm(self, order: Order, total_cents: int) -> None:
        confirmed = order.confirmed(total_cents)
        async with self._database.session() as session:
            await self._store.settle(session, confirmed)
        # A crash here, or a lost broker, leaves a confirmed order that nobody hears of.
        failpoint("order.confirmed")
        await self._publisher.send(topics.USER_EVENTS, order.user_id, self._book.placed(confirmed))
