"""The orders' RPC methods: they translate, `placing` holds the steps and `domain` the rules."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from grpc.aio import ServicerContext

from services.contracts import names, orders_pb2, orders_pb2_grpc, topics
from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.orders.domain import Order
from services.orders.placing import OrderDesk, Publisher
from services.orders.settings import OrdersSettings
from services.orders.store import Base, OrderStore
from workbook_lib.kit.boundary import logged
from workbook_lib.kit.discovery import Directory
from workbook_lib.kit.messaging import Producer, Topics
from workbook_lib.kit.rpc import RpcClient, RpcServer
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database

if TYPE_CHECKING:
    from services.contracts.inventory_pb2_grpc import InventoryServiceAsyncStub

__all__ = ["Clients", "OrdersRpc", "Place", "build"]

Place = Callable[[str, str, int], Awaitable[Order]]
"""Places an order of a user for some of a SKU: `OrderDesk.place`, and whatever is put around it."""


class Clients(NamedTuple):
    """What orders calls."""

    inventory: "RpcClient[InventoryServiceAsyncStub]"
    events: Publisher


def connect(settings: OrdersSettings, directory: Directory) -> Clients:
    """The clients of the running system."""
    inventory = directory.find(names.INVENTORY, settings.inventory_url)
    return Clients(
        RpcClient(inventory, InventoryServiceStub, timeout_seconds=settings.reserve_timeout_seconds),
        Producer(settings.kafka_bootstrap_servers, client_id=settings.instance),
    )


def build(settings: OrdersSettings, clients: Clients | None = None) -> Service:
    """The service, not started."""
    service = Service(settings, title="Orders")
    if clients is None:
        directory = Directory(settings.consul_http_addr, token=settings.consul_token)
        service.add_resource(directory)
        service.add_resource(Topics(settings.kafka_bootstrap_servers, topics.PARTITIONS))
        clients = connect(settings, directory)
    for client in clients:
        service.add_resource(client)
    database = Database(settings.database_url, metadata=Base.metadata)
    service.add_resource(database)
    store = OrderStore(database)
    desk = OrderDesk(store, clients.inventory, clients.events)
    # What the desk does is logged around it, so that it holds nothing but its steps.
    place = logged("place order", fields=("user_id", "sku", "quantity"))(desk.place)
    if settings.grpc_port is not None:
        rpc = RpcServer(settings.host, settings.grpc_port)
        rpc.add(
            orders_pb2_grpc.add_OrderServiceServicer_to_server,
            OrdersRpc(place, store),
            orders_pb2.DESCRIPTOR.services_by_name["OrderService"].full_name,
        )
        service.add_rpc(rpc)
    return service


class OrdersRpc(orders_pb2_grpc.OrderServiceServicer):
    """`workbook.orders.v1.OrderService`."""

    def __init__(self, place: Place, store: OrderStore) -> None:
        self._place = place
        self._store = store

    async def PlaceOrder(  # noqa: N802 (the contract's name)
        self, request: orders_pb2.PlaceOrderRequest, _context: ServicerContext[Any, Any]
    ) -> orders_pb2.Order:
        """Place an order; the answer is confirmed."""
        return _message(await self._place(request.user_id, request.sku, request.quantity))

    async def GetOrder(  # noqa: N802
        self, request: orders_pb2.GetOrderRequest, _context: ServicerContext[Any, Any]
    ) -> orders_pb2.Order:
        """One order, as it stands."""
        return _message(await self._store.get(request.order_id))


def _message(order: Order) -> orders_pb2.Order:
    return orders_pb2.Order(
        order_id=order.id,
        user_id=order.user_id,
        sku=order.sku,
        quantity=order.quantity,
        status=f"ORDER_STATUS_{order.status}",
        total_cents=order.total_cents,
        created_at=order.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
