"""The shop in one process is the shop of the services: the same requests get the same answers."""

import json
import re
from contextlib import AsyncExitStack

import pytest

from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.contracts.payments_pb2_grpc import PaymentServiceStub
from services.gateway import app as gateway
from services.gateway.activity import Listeners
from services.gateway.settings import GatewaySettings
from services.inventory import app as inventory
from services.inventory.settings import InventorySettings
from services.monolith import app as monolith
from services.monolith.settings import MonolithSettings
from services.orders import app as orders
from services.orders.settings import OrdersSettings
from services.products import app as products
from services.products.settings import ProductsSettings
from services.users import app as users
from services.users.settings import UsersSettings
from tests.services.fakes import InProcess, Silent
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab.evidence import rows

pytestmark = pytest.mark.server

NOBODY = "http://127.0.0.1:1"
ADA = {"name": "Ada", "email": "ada@example.com", "age": 36}

THROUGH_THE_GATEWAY = [
    ("GET", "/users", None),
    ("GET", "/users?limit=2", None),
    ("GET", "/users?limit=0", None),
    ("GET", "/users/user123", None),
    ("GET", "/users/nobody", None),
    ("GET", "/users/no.body", None),
    ("GET", "/users/user123/home", None),
    ("POST", "/users", ADA),
    ("POST", "/users", ADA),
    ("POST", "/users", {"name": "Ada", "email": "ada", "age": -1}),
    ("POST", "/users/user123/orders", {"sku": "mouse", "quantity": 2}),
    ("POST", "/users/user123/orders", {"sku": "standing-desk"}),
    ("POST", "/users/user123/orders", {"sku": "unicorn"}),
    ("POST", "/users/user123/orders", {"sku": "mouse", "quantity": 0}),
    ("POST", "/users/user123/orders", {"sku": "mouse", "quantity": 1001}),
    ("POST", "/users/nobody/orders", {"sku": "mouse"}),
    ("GET", "/users/user123/orders/{order}", None),
    ("GET", "/users/user124/orders/{order}", None),
    ("GET", "/orders/{order}", None),
    ("GET", "/orders/none", None),
    ("GET", "/inventory/mouse", None),
    ("GET", "/inventory/unicorn", None),
]
PRODUCT = {"sku": "lamp", "name": "Lamp", "category": "light", "price_cents": 990}
OF_THE_PRODUCT_SERVICE = [
    ("GET", "/products?limit=2&sort=-price_cents", None),
    ("GET", "/products?limit=1000", None),
    ("GET", "/products?cursor=nonsense", None),
    ("GET", "/products/mouse", None),
    ("POST", "/products", PRODUCT),
    ("POST", "/products", PRODUCT),
    ("PUT", "/products/lamp", {"name": "Lamp 2", "category": "light", "price_cents": 1090}),
    ("PATCH", "/products/lamp", {"price_cents": 1}),
    ("DELETE", "/products/lamp", None),
    ("DELETE", "/products/lamp", None),
    ("GET", "/products/lamp", None),
]


@pytest.fixture
async def both(running, free_port, tmp_path, redis_url, patience):
    """Clients: of the gateway with all services behind it, of the product service, of the monolith."""

    def url(name):
        return f"sqlite:///{tmp_path}/{name}.db"

    def rpc(stub, port):
        return RpcClient(StaticInstances.at(f"127.0.0.1:{port}"), stub, timeout_seconds=30)

    stock_port, orders_port = free_port(), free_port()
    async with AsyncExitStack() as stack:
        stock = inventory.build(InventorySettings(database_url=url("stock"), grpc_port=stock_port))
        await stack.enter_async_context(running(stock))
        desk = orders.build(
            OrdersSettings(database_url=url("orders"), grpc_port=orders_port),
            orders.Clients(rpc(InventoryServiceStub, stock_port), rpc(PaymentServiceStub, free_port())),
        )
        await stack.enter_async_context(running(desk))
        accounts = users.build(
            UsersSettings(database_url=url("users"), redis_url=redis_url, grpc_port=None),
            users.Clients(rpc(OrderServiceStub, orders_port), HttpClient(NOBODY)),
        )
        catalogue = products.build(ProductsSettings(database_url=url("products")))
        edge = gateway.build(
            GatewaySettings(upload_folder=tmp_path / "uploads", redis_url=redis_url),
            gateway.Clients(
                InProcess(accounts),
                rpc(OrderServiceStub, orders_port),
                rpc(InventoryServiceStub, stock_port),
                InProcess(catalogue),
            ),
            Listeners({}, Silent()),
        )
        shop = monolith.build(MonolithSettings(database_url=url("shop")), HttpClient(NOBODY))
        services = await stack.enter_async_context(running(edge))
        listed = await stack.enter_async_context(
            running(products.build(ProductsSettings(database_url=url("p2"))))
        )
        yield services, listed, await stack.enter_async_context(running(shop))


# What is another for each: ids, times, and where a profile was read.
PASSING = re.compile(
    r'user[0-9a-f]{12}|[0-9a-f]{32}|(?<="source":")\w+|(?<="created_at":")[^"]*|(?<="timestamp":")[^"]*'
)


async def _answers(client, requests):
    order, answers = "none", []
    for method, path, body in requests:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        sent = {"content": json.dumps(body), "headers": {"content-type": kind}} if body else {}
        answer = await client.request(method, path.format(order=order), **sent)
        order = answer.json().get("order_id", order) if answer.content else order
        body = json.loads(PASSING.sub("…", answer.text) or "null")
        answers.append((method, path, answer.status_code, body))
    return answers


async def test_the_same_requests_get_the_same_answers(both):
    services, _, shop = both
    theirs, ours = [await _answers(client, THROUGH_THE_GATEWAY) for client in (services, shop)]
    assert {status for _, _, status, _ in ours} >= {200, 201, 400, 404, 409}
    for expected, answer in zip(theirs, ours, strict=True):
        assert answer == expected


async def test_products_are_those_of_the_product_service(both):
    _, listed, shop = both
    assert await _answers(shop, OF_THE_PRODUCT_SERVICE) == await _answers(listed, OF_THE_PRODUCT_SERVICE)


async def test_an_order_leaves_the_same_rows_in_one_database_as_in_two(both, tmp_path):
    services, _, shop = both
    for client in (services, shop):
        await client.post("/users/user123/orders", json={"sku": "mouse", "quantity": 2})
        await client.post("/users/user123/orders", json={"sku": "standing-desk"})

    async def same(query, theirs):
        found = [await rows(f"sqlite:///{tmp_path}/{name}.db", query) for name in ("shop", theirs)]
        assert found[0] == found[1] != []

    await same("SELECT user_id, sku, quantity, status, total_cents FROM orders ORDER BY status", "orders")
    await same("SELECT sku, quantity, unit_price_cents, status FROM reservations", "stock")
    await same("SELECT topic, key FROM outbox", "orders")
