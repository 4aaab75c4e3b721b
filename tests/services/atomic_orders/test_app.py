"""An order by two-phase commit exists with its stock taken and its money paid, or not at all."""

import asyncio
import uuid

import pytest

from services.atomic_orders.app import build
from services.atomic_orders.settings import AtomicOrdersSettings
from services.contracts import orders_pb2, orders_pb2_grpc
from workbook_lib.kit.errors import Conflict, InvalidRequest
from workbook_lib.kit.postgres import database_url
from workbook_lib.lab.evidence import rows

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def settings(postgres_url):
    return AtomicOrdersSettings(
        postgres_url=postgres_url,
        grpc_port=None,
        database_prefix=f"atomic_{uuid.uuid4().hex[:8]}",
        lock_timeout_seconds=60,  # the last of twelve waits for eleven, each with five writes to the disk
    )


@pytest.fixture
async def client(settings, running):
    async with running(build(settings)) as client:
        yield client


@pytest.fixture
def state(settings, client):
    """Reads all three databases, without the service."""

    async def ask(database, sql):
        url = database_url(settings.postgres_url, f"{settings.database_prefix}_{database}")
        return (await rows(url, sql))[0]

    async def state(sku, user):
        return {
            **await ask("stock", f"SELECT available FROM items WHERE sku = '{sku}'"),
            **await ask("money", f"SELECT balance_cents AS user FROM accounts WHERE id = '{user}'"),
            **await ask("money", "SELECT balance_cents AS shop FROM accounts WHERE id = 'shop'"),
            **await ask("money", "SELECT coalesce(sum(amount_cents), 0) AS entries FROM entries"),
            **await ask("orders", "SELECT count(*) AS orders FROM orders"),
        }

    return state


async def test_an_order_is_there_with_all_that_belongs_to_it(client, state):
    before = await state("keyboard", "user123")
    answer = await client.post("/orders", json={"user_id": "user123", "sku": "keyboard", "quantity": 2})
    assert answer.status_code == 201
    order = answer.json()
    assert order["total_cents"] == 17980
    assert (await client.get(answer.headers["Location"])).json() == order
    after = await state("keyboard", "user123")
    assert {name: after[name] - before[name] for name in after} == {
        "available": -2,
        "user": -17980,
        "shop": 17980,
        "entries": 0,
        "orders": 1,
    }


@pytest.mark.parametrize(
    ("user", "sku", "quantity", "status", "code"),
    [
        ("user123", "keyboard", 1000, 409, 40901),
        ("user130", "keyboard", 1, 409, 40902),
        ("nobody", "keyboard", 1, 404, 40401),
        ("user123", "unicorn", 1, 404, 40401),
    ],
)
async def test_a_refused_order_leaves_no_trace_anywhere(client, state, user, sku, quantity, status, code):
    before = await state("keyboard", "user130")
    answer = await client.post("/orders", json={"user_id": user, "sku": sku, "quantity": quantity})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await state("keyboard", "user130") == before
    assert (await client.get("/orders/unknown")).status_code == 404


async def test_the_order_service_s_contract_is_kept(settings, running, rpc_client, free_port):
    port = free_port()
    request = orders_pb2.PlaceOrderRequest(user_id="user124", sku="mouse", quantity=2)
    service = build(settings.model_copy(update={"grpc_port": port}))
    async with running(service), rpc_client(orders_pb2_grpc.OrderServiceStub, port) as client:
        with client.stub() as orders:
            placed = await orders.PlaceOrder(request)
            found = await orders.GetOrder(orders_pb2.GetOrderRequest(order_id=placed.order_id))
        assert found == placed
        assert (placed.status, placed.total_cents) == (orders_pb2.ORDER_STATUS_CONFIRMED, 6900)
        request.user_id = "user130"
        with pytest.raises(Conflict) as refused, client.stub() as orders:
            await orders.PlaceOrder(request)
        assert refused.value.code == 40902
        request.quantity = 0
        with pytest.raises(InvalidRequest), client.stub() as orders:
            await orders.PlaceOrder(request)


async def test_many_at_once_never_sell_a_piece_twice(client, state):
    """Twelve take one each; and of three that cost more than half of what the user has, one is paid."""
    order = {"user_id": "user123", "sku": "usb-c-cable", "quantity": 1}
    before = await state("usb-c-cable", "user123")
    answers = await asyncio.gather(*(client.post("/orders", json=order) for _ in range(12)))
    assert [answer.status_code for answer in answers] == [201] * 12
    after = await state("usb-c-cable", "user123")
    assert before["available"] - after["available"] == 12
    assert after["shop"] - before["shop"] == before["user"] - after["user"] == 12 * 1290

    order = {"user_id": "user123", "sku": "monitor-27", "quantity": 50}
    answers = await asyncio.gather(*(client.post("/orders", json=order) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
