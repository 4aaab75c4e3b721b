"""The inventory's RPC methods: they translate, the rules are in `domain` and the statements in `store`."""

from typing import Any

from grpc.aio import ServicerContext

from services.contracts import inventory_pb2, inventory_pb2_grpc
from services.inventory.domain import Reservation
from services.inventory.settings import InventorySettings
from services.inventory.store import Base, InventoryStore
from workbook_lib.kit.rpc import RpcServer
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database

__all__ = ["InventoryRpc", "build"]


def build(settings: InventorySettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Inventory")
    database = Database(settings.database_url, metadata=Base.metadata)
    store = InventoryStore(database, settings.seed_file)
    service.add_resource(database)
    service.add_resource(store)
    if settings.grpc_port is not None:
        rpc = RpcServer(settings.host, settings.grpc_port)
        rpc.add(
            inventory_pb2_grpc.add_InventoryServiceServicer_to_server,
            InventoryRpc(store),
            inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"].full_name,
        )
        service.add_rpc(rpc)
    return service


class InventoryRpc(inventory_pb2_grpc.InventoryServiceServicer):
    """`workbook.inventory.v1.InventoryService`."""

    def __init__(self, store: InventoryStore) -> None:
        self._store = store

    async def GetStock(  # noqa: N802 (the contract's name)
        self, request: inventory_pb2.StockRequest, _context: ServicerContext[Any, Any]
    ) -> inventory_pb2.StockResponse:
        """What is available of one SKU."""
        item = await self._store.item(request.sku)
        return inventory_pb2.StockResponse(
            sku=item.sku, name=item.name, available=item.available, unit_price_cents=item.unit_price_cents
        )

    async def Reserve(  # noqa: N802
        self, request: inventory_pb2.ReserveRequest, _context: ServicerContext[Any, Any]
    ) -> inventory_pb2.ReserveResponse:
        """Take stock for one order."""
        price = await self._store.reserve(Reservation(request.order_id, request.sku, request.quantity))
        return inventory_pb2.ReserveResponse(unit_price_cents=price)
