"""Placing an order, over real gRPC and with a real inventory behind it."""

import sqlite3

import pytest

from services.contracts import orders_pb2, topics
from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.inventory import app as inventory
from services.inventory.settings import InventorySettings
from services.orders import app as orders
from services.orders.settings import OrdersSettings
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.errors import Conflict, InvalidRequest, NotFound, Unavailable
from workbook_lib.kit.rpc import RpcClient


@pytest.fixture
def inventory_port(free_port):
    return free_port()


@pytest.fixture
async def shelves(running, tmp_path, inventory_port):
    settings = InventorySettings(database_url=f"sqlite:///{tmp_path}/inventory.db", grpc_port=inventory_port)
    async with running(inventory.build(settings)):
        yield


@pytest.fixture
async def stub_of(running, rpc_client, database_url, free_port, inventory_port, recorder):
    settings = OrdersSettings(database_url=database_url, grpc_port=free_port())
    instances = StaticInstances.at(f"127.0.0.1:{inventory_port}")
    clients = orders.Clients(RpcClient(instances, InventoryServiceStub, timeout_seconds=2), recorder)
    async with (
        running(orders.build(settings, clients)),
        rpc_client(OrderServiceStub, settings.grpc_port) as client,
    ):
        yield client.stub


def _stored(tmp_path):
    with sqlite3.connect(tmp_path / "service.db") as database:
        return database.execute("SELECT status, total_cents FROM orders").fetchall()


def _wish(sku="mouse", quantity=2):
    return orders_pb2.PlaceOrderRequest(user_id="user123", sku=sku, quantity=quantity)


async def test_a_placed_order_is_confirmed_priced_and_can_be_read_again(shelves, stub_of):
    with stub_of() as stub:
        order = await stub.PlaceOrder(_wish())
        again = await stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order.order_id))
    assert order.status == orders_pb2.ORDER_STATUS_CONFIRMED
    assert (order.user_id, order.sku, order.quantity, order.total_cents) == ("user123", "mouse", 2, 6900)
    assert order.created_at.endswith("Z")
    assert again == order


async def test_a_placed_order_is_told_to_others_keyed_by_its_user(shelves, stub_of, recorder):
    with stub_of() as stub:
        order = await stub.PlaceOrder(_wish())
    [(topic, key, event)] = recorder.sent
    assert (topic, key, event.type, event.user_id) == (
        topics.USER_EVENTS,
        "user123",
        "order_placed",
        "user123",
    )
    assert event.data == {"order_id": order.order_id, "sku": "mouse", "quantity": 2, "total_cents": 6900}


@pytest.mark.parametrize(("sku", "error"), [("standing-desk", Conflict), ("unicorn", NotFound)])
async def test_an_order_that_can_not_be_had_is_kept_as_cancelled_and_not_told(
    shelves, stub_of, recorder, tmp_path, sku, error
):
    with pytest.raises(error), stub_of() as stub:
        await stub.PlaceOrder(_wish(sku))
    assert _stored(tmp_path) == [("CANCELLED", 0)]
    assert recorder.sent == []


async def test_while_inventory_is_away_an_order_stays_pending(stub_of, recorder, tmp_path):
    with pytest.raises(Unavailable), stub_of() as stub:
        await stub.PlaceOrder(_wish())
    assert _stored(tmp_path) == [("PENDING", 0)]
    assert recorder.sent == []


async def test_what_is_not_an_order_is_refused_and_not_stored(stub_of, tmp_path):
    with pytest.raises(InvalidRequest), stub_of() as stub:
        await stub.PlaceOrder(_wish(quantity=0))
    assert _stored(tmp_path) == []


async def test_an_unknown_order_is_not_found(stub_of):
    with pytest.raises(NotFound), stub_of() as stub:
        await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="nothing"))
