"""The REST edge: one address for callers; users are behind it over HTTP, orders and inventory over gRPC.

It translates and passes on, errors included; the rules are where the data is.
"""

from typing import TYPE_CHECKING, Annotated, NamedTuple

import httpx2
from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel

from services.contracts import inventory_pb2, names, orders_pb2
from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.gateway.access import Access
from services.gateway.activity import Listeners, activity_routes, listeners_of
from services.gateway.chat import Chatbot, chat_routes
from services.gateway.greetings import greeting_routes
from services.gateway.live import LiveService, live_routes
from services.gateway.login import login_routes
from services.gateway.products import product_routes
from services.gateway.rooms import add_rooms
from services.gateway.settings import GatewaySettings
from services.gateway.stock import StockCache, stock_routes
from services.gateway.tenants import TenantKeys
from services.gateway.transcoded import contract_routes
from services.gateway.uploads import add_uploads
from workbook_lib.kit.discovery import Directory
from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.fields import JsonObject
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.i18n import Catalogues, Languages
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.service import Service, error_answers
from workbook_lib.kit.service.compression import Compression

if TYPE_CHECKING:
    from services.contracts.inventory_pb2_grpc import InventoryServiceAsyncStub
    from services.contracts.orders_pb2_grpc import OrderServiceAsyncStub

__all__ = ["Clients", "build"]

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]  # Goes into the path of another request.
_PASSED_ON = ("content-type", "location", "x-suggestions")


class Clients(NamedTuple):
    """What is behind the gateway."""

    users: HttpClient
    orders: "RpcClient[OrderServiceAsyncStub]"
    inventory: "RpcClient[InventoryServiceAsyncStub]"
    products: HttpClient


class OrderError(BaseModel):
    """Why an order was cancelled."""

    code: int
    message: str


class OrderView(BaseModel):
    """An order. Money in cents."""

    order_id: str
    user_id: str
    sku: str
    quantity: int
    status: str
    total_cents: int
    created_at: str
    coordination: str
    error: OrderError | None


class StockView(BaseModel):
    """What is available of one SKU. Money in cents."""

    sku: str
    name: str
    available: int
    unit_price_cents: int


def user_routes(users: HttpClient, stock: StockCache) -> APIRouter:
    """What the user service answers, passed on."""
    router = APIRouter(prefix="/users")

    @router.get("")
    async def list_users(limit: Annotated[int, Query(ge=1, le=100)] = 20, after: str = "") -> Response:
        return _passed_on(await users.get("/users", params={"limit": limit, "after": after}))

    @router.get("/{user_id}")
    async def get_user(user_id: Name) -> Response:
        return _passed_on(await users.get(f"/users/{user_id}"))

    @router.get("/{user_id}/home")
    async def get_home(user_id: Name) -> Response:
        return _passed_on(await users.get(f"/users/{user_id}/home"))

    @router.post("", status_code=201, responses=error_answers(Conflict))
    async def register(new: Annotated[JsonObject, Body()]) -> Response:
        return _passed_on(await users.post("/users", json=new))

    @router.post(
        "/{user_id}/orders",
        status_code=201,
        responses={
            202: {"description": "Pending yet; Location tells where to ask"},
            **error_answers(Conflict),
        },
    )
    async def place_order(user_id: Name, new: Annotated[JsonObject, Body()]) -> Response:
        placed = await users.post(f"/users/{user_id}/orders", json=new)
        await stock.sold(new.get("sku"))
        return _passed_on(placed)

    @router.get("/{user_id}/orders/{order_id}")
    async def get_order(user_id: Name, order_id: Name) -> Response:
        return _passed_on(await users.get(f"/users/{user_id}/orders/{order_id}"))

    return router


def _passed_on(answer: httpx2.Response) -> Response:
    kept = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    return Response(answer.content, answer.status_code, kept)


def order_routes(orders: "RpcClient[OrderServiceAsyncStub]") -> APIRouter:
    """Orders, as JSON."""
    router = APIRouter(prefix="/orders")

    @router.get("/{order_id}")
    async def get_order(order_id: Name) -> OrderView:
        with orders.stub() as stub:
            order = await stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order_id))
        failed = order.error_code != 0
        return OrderView(
            order_id=order.order_id,
            user_id=order.user_id,
            sku=order.sku,
            quantity=order.quantity,
            status=orders_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_"),
            total_cents=order.total_cents,
            created_at=order.created_at,
            coordination=orders_pb2.Coordination.Name(order.coordination).removeprefix("COORDINATION_"),
            error=OrderError(code=order.error_code, message=order.error_message) if failed else None,
        )

    return router


def inventory_routes(inventory: "RpcClient[InventoryServiceAsyncStub]") -> APIRouter:
    """Stock, as JSON."""
    router = APIRouter(prefix="/inventory")

    @router.get("/{sku}")
    async def get_stock(sku: Name) -> StockView:
        with inventory.stub() as stub:
            stock = await stub.GetStock(inventory_pb2.StockRequest(sku=sku))
        return StockView(
            sku=stock.sku,
            name=stock.name,
            available=stock.available,
            unit_price_cents=stock.unit_price_cents,
        )

    return router


def connect(settings: GatewaySettings, directory: Directory) -> Clients:
    """The clients of the running system."""
    users = directory.find(names.USERS, settings.users_url)
    orders = directory.find(names.ORDERS, settings.orders_url)
    inventory = directory.find(names.INVENTORY, settings.inventory_url)
    products = directory.find(names.PRODUCTS, settings.products_url)
    timeout, retries = settings.timeout_seconds, settings.retries
    return Clients(
        HttpClient(users, timeout_seconds=timeout, retries=retries),
        RpcClient(orders, OrderServiceStub, timeout_seconds=timeout, retries=retries),
        RpcClient(inventory, InventoryServiceStub, timeout_seconds=timeout, retries=retries),
        HttpClient(products, timeout_seconds=timeout, retries=retries),
    )


def build(
    settings: GatewaySettings,
    clients: Clients | None = None,
    listeners: Listeners | None = None,
    chatbot: HttpClient | None = None,
) -> Service:
    """The service, not started."""
    service = Service(settings, title="Gateway")
    directory = Directory(settings.consul_http_addr, token=settings.consul_token)
    service.add_resource(directory)
    listeners = listeners or listeners_of(settings, directory)
    chat = Chatbot(settings, directory, chatbot)
    service.add_resource(listeners)
    service.add_resource(chat)
    clients = clients or connect(settings, directory)
    for client in clients:
        service.add_resource(client)
    access = Access(settings)
    access.guard(service)
    service.add_middleware(TenantKeys, tenants=settings.tenant_keys)
    service.add_resource(access)
    if settings.gzip_minimum_bytes:
        service.add_middleware(Compression, minimum_bytes=settings.gzip_minimum_bytes)
    service.add_middleware(Languages, catalogues=Catalogues(settings.locale_folder, service.metrics.registry))
    shop, stock = LiveService(settings, names.SHOP, settings.shop_url), StockCache(settings, service)
    service.add_resource(shop)
    service.add_resource(stock)
    for router in (live_routes(shop), activity_routes(listeners), chat_routes(chat)):
        service.app.include_router(router)
    service.app.include_router(login_routes(clients.users, access))
    service.app.include_router(user_routes(clients.users, stock))
    service.app.include_router(order_routes(clients.orders))
    service.app.include_router(inventory_routes(clients.inventory))
    service.app.include_router(product_routes(clients.products))
    service.app.include_router(contract_routes(clients.orders, clients.inventory))
    add_uploads(service, settings)
    add_rooms(service, settings)
    service.app.include_router(greeting_routes())
    service.app.include_router(stock_routes(clients.inventory, stock))
    return service
