"""The inventory's RPC methods: they translate, and make each call one transaction."""

from typing import Any

from grpc.aio import ServicerContext

from services.contracts import inventory_pb2, inventory_pb2_grpc
from services.inventory.domain import Reservation, ReservationStatus
from services.inventory.store import BRANCHES, InventoryStore
from workbook_lib.kit.storage import Database

__all__ = ["InventoryRpc"]

Context = ServicerContext[Any, Any]


class InventoryRpc(inventory_pb2_grpc.InventoryServiceServicer):
    """`workbook.inventory.v1.InventoryService`."""

    def __init__(self, database: Database, store: InventoryStore) -> None:
        self._database = database
        self._store = store

    async def GetStock(  # noqa: N802 (the contract's name)
        self, request: inventory_pb2.StockRequest, _context: Context
    ) -> inventory_pb2.StockResponse:
        """What is available of one SKU."""
        item = await self._store.item(request.sku)
        return inventory_pb2.StockResponse(
            sku=item.sku, name=item.name, available=item.available, unit_price_cents=item.unit_price_cents
        )

    async def Reserve(  # noqa: N802
        self, request: inventory_pb2.ReserveRequest, _context: Context
    ) -> inventory_pb2.ReserveResponse:
        """Take stock for one order."""
        async with self._database.session() as session:
            price = await self._store.reserve(session, _wanted(request))
        return inventory_pb2.ReserveResponse(unit_price_cents=price)

    async def Release(  # noqa: N802
        self, request: inventory_pb2.ReleaseRequest, _context: Context
    ) -> inventory_pb2.ReleaseResponse:
        """Put back what an order holds."""
        async with self._database.session() as session:
            quantity = await self._store.release(session, request.order_id)
        return inventory_pb2.ReleaseResponse(quantity=quantity)

    async def TryReserve(  # noqa: N802
        self, request: inventory_pb2.ReserveRequest, _context: Context
    ) -> inventory_pb2.ReserveResponse:
        """Hold stock until it is confirmed or cancelled."""
        wanted = _wanted(request)
        async with self._database.session() as session:
            await BRANCHES.tried(session, wanted.order_id)  # refuses a Try that comes after its Cancel
            price = await self._store.reserve(session, wanted, ReservationStatus.TRIED)
        return inventory_pb2.ReserveResponse(unit_price_cents=price)

    async def ConfirmReserve(  # noqa: N802
        self, request: inventory_pb2.ConfirmReserveRequest, _context: Context
    ) -> inventory_pb2.ConfirmReserveResponse:
        """Make what was tried the order's own."""
        async with self._database.session() as session:
            if await BRANCHES.confirmed(session, request.order_id):
                await self._store.confirm(session, request.order_id)
        return inventory_pb2.ConfirmReserveResponse()

    async def CancelReserve(  # noqa: N802
        self, request: inventory_pb2.CancelReserveRequest, _context: Context
    ) -> inventory_pb2.CancelReserveResponse:
        """Put back what was tried."""
        async with self._database.session() as session:
            if await BRANCHES.cancelled(session, request.order_id):
                await self._store.release(session, request.order_id)
        return inventory_pb2.CancelReserveResponse()


def _wanted(request: inventory_pb2.ReserveRequest) -> Reservation:
    return Reservation(request.order_id, request.sku, request.quantity)
