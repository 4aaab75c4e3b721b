"""REST read from the contracts: what inventory's and orders' `.proto` annotate is served as they say."""

from typing import TYPE_CHECKING

from fastapi import APIRouter

from services.contracts import inventory_pb2, orders_pb2
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.rpc.transcoding import transcoded_routes

if TYPE_CHECKING:
    from services.contracts.inventory_pb2_grpc import InventoryServiceAsyncStub
    from services.contracts.orders_pb2_grpc import OrderServiceAsyncStub

__all__ = ["contract_routes"]


def contract_routes(
    orders: "RpcClient[OrderServiceAsyncStub]", inventory: "RpcClient[InventoryServiceAsyncStub]"
) -> APIRouter:
    """`/v1/…` as the contracts annotate it."""
    router = APIRouter()
    router.include_router(transcoded_routes(orders_pb2.DESCRIPTOR.services_by_name["OrderService"], orders))
    router.include_router(
        transcoded_routes(inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"], inventory)
    )
    return router
