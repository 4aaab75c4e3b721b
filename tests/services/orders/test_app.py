"""Placing an order that only reserves, over real gRPC and with a real inventory behind it."""

import json

import pytest

from services.contracts import orders_pb2, topics
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.orders.app import build
from services.orders.settings import OrdersSettings
from workbook_lib.kit.errors import Conflict, InvalidRequest, NotFound, Unavailable
from workbook_lib.lab.evidence import rows


@pytest.fixture
async def stub_of(shop):
    async with shop.inventory(), shop.orders() as orders:
        yield orders.stub


STANDS = "SELECT status, total_cents, error_code FROM orders"


async def test_a_placed_order_is_confirmed_priced_and_can_be_read_again(stub_of, wish):
    with stub_of() as stub:
        order = await stub.PlaceOrder(wish())
        again = await stub.GetOrder(orders_pb2.GetOrderRequest(order_id=order.order_id))
    assert order.status == orders_pb2.ORDER_STATUS_CONFIRMED
    assert order.coordination == orders_pb2.COORDINATION_RESERVE_ONLY
    assert (order.user_id, order.sku, order.quantity, order.total_cents) == ("user123", "mouse", 2, 6900)
    assert order.created_at.endswith("Z")
    assert again == order


async def test_what_others_shall_hear_is_stored_with_the_order_keyed_by_its_user(stub_of, wish, shop):
    with stub_of() as stub:
        order = await stub.PlaceOrder(wish())
    [row] = await shop.rows("orders", "SELECT topic, key, value FROM outbox")
    event = json.loads(row["value"])
    assert (row["topic"], row["key"], event["type"]) == (topics.USER_EVENTS, "user123", "order_placed")
    assert event["data"] == {"order_id": order.order_id, "sku": "mouse", "quantity": 2, "total_cents": 6900}


@pytest.mark.parametrize(
    ("sku", "error", "code"), [("standing-desk", Conflict, 40901), ("unicorn", NotFound, 40401)]
)
async def test_an_order_that_can_not_be_had_is_kept_as_cancelled_and_not_told(
    stub_of, wish, shop, sku, error, code
):
    with pytest.raises(error), stub_of() as stub:
        await stub.PlaceOrder(wish(sku=sku))
    assert await shop.rows("orders", STANDS) == [
        {"status": "CANCELLED", "total_cents": 0, "error_code": code}
    ]
    assert await shop.told() == []


async def test_while_inventory_is_away_an_order_stays_pending(shop, wish):
    async with shop.orders() as orders:
        with pytest.raises(Unavailable), orders.stub() as stub:
            await stub.PlaceOrder(wish())
    assert await shop.rows("orders", STANDS) == [{"status": "PENDING", "total_cents": 0, "error_code": 0}]
    assert await shop.told() == []


async def test_what_is_not_an_order_is_refused_and_not_stored(stub_of, wish, shop):
    with pytest.raises(InvalidRequest), stub_of() as stub:
        await stub.PlaceOrder(wish(quantity=0))
    unknown = orders_pb2.PlaceOrderRequest(user_id="user123", sku="mouse", quantity=1, coordination=99)
    with pytest.raises(InvalidRequest) as raised, stub_of() as stub:
        await stub.PlaceOrder(unknown)
    assert raised.value.details == [{"field": "coordination", "message": "unknown"}]
    assert await shop.rows("orders", STANDS) == []


async def test_an_unknown_order_is_not_found(stub_of):
    with pytest.raises(NotFound), stub_of() as stub:
        await stub.GetOrder(orders_pb2.GetOrderRequest(order_id="nothing"))


class _Lost:
    """A publisher whose broker is gone."""

    async def start(self):
        pass

    async def stop(self):
        pass

    async def send(self, *_):
        raise Unavailable("no broker")


async def test_a_dual_write_sends_what_the_outbox_would_have_kept(shop, wish, recorder):
    async with shop.inventory(), shop.orders(recorder, publish="direct") as orders:
        with orders.stub() as stub:
            order = await stub.PlaceOrder(wish())
    [(topic, key, event)] = recorder.sent
    assert (topic, key, event.data["order_id"]) == (topics.USER_EVENTS, "user123", order.order_id)
    assert await shop.told() == []


async def test_a_dual_write_without_a_broker_leaves_a_confirmed_order_that_nobody_hears_of(shop, wish):
    async with shop.inventory(), shop.orders(_Lost(), publish="direct") as orders:
        with pytest.raises(Unavailable), orders.stub() as stub:
            await stub.PlaceOrder(wish())
    [row] = await shop.rows("orders", STANDS)
    assert row["status"] == "CONFIRMED"
    assert await shop.told() == []


async def test_without_kafka_orders_are_taken_and_what_others_shall_hear_waits(
    running, rpc_client, tmp_path, free_port, shop
):
    """Only an order that nobody would hear of is refused, and nothing of it is stored."""
    port = free_port()
    settings = OrdersSettings(
        database_url=f"sqlite:///{tmp_path}/alone.db",
        grpc_port=port,
        inventory_url=f"127.0.0.1:{shop.inventory_port}",
        reserve_timeout_seconds=30,
    )
    assert settings.kafka_bootstrap_servers is None
    async with (
        shop.inventory(),
        running(build(settings)),
        rpc_client(OrderServiceStub, port) as client,
    ):
        with client.stub() as stub:
            placed = await stub.PlaceOrder(
                orders_pb2.PlaceOrderRequest(user_id="user123", sku="mouse", quantity=2)
            )
        assert placed.status == orders_pb2.ORDER_STATUS_CONFIRMED
        with pytest.raises(InvalidRequest, match="not an order"), client.stub() as stub:
            await stub.PlaceOrder(
                orders_pb2.PlaceOrderRequest(
                    user_id="user123", sku="mouse", quantity=2, coordination="COORDINATION_CHOREOGRAPHY"
                )
            )
    assert await rows(tmp_path / "alone.db", "SELECT topic FROM outbox") == [{"topic": topics.USER_EVENTS}]
    assert await rows(tmp_path / "alone.db", "SELECT status FROM orders") == [{"status": "CONFIRMED"}]


def test_a_dual_write_without_its_second_half_can_not_be_built(tmp_path):
    with pytest.raises(ValueError, match="publish=direct needs kafka_bootstrap_servers"):
        build(OrdersSettings(database_url=f"sqlite:///{tmp_path}/alone.db", publish="direct"))
