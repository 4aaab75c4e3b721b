"""The whole system: each service a process, found through Consul, told of through Kafka, traced in Jaeger."""

import asyncio
from collections.abc import Iterator

import httpx2
import pytest

from workbook_lib.lab import Lab
from workbook_lib.lab.evidence import Jaeger, eventually, healthy_instances, rows

pytestmark = pytest.mark.server

SERVICES = ("inventory", "orders", "users", "audit_log", "gateway")
SERVERS = ("consul", "kafka", "redis", "jaeger")


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    lab = Lab("system-test", root=tmp_path_factory.mktemp("system"))

    async def start() -> None:
        await lab.start(*SERVERS, *SERVICES)

    asyncio.run(start())
    yield lab
    asyncio.run(lab.stop())


@pytest.fixture
async def edge(lab):
    async with httpx2.AsyncClient(base_url=lab["gateway"].url, timeout=10, trust_env=False) as client:
        # Started is registered, but the gateway's and the services' watches may be a moment behind.
        await eventually(lambda: _answers(client), timeout_seconds=15)
        yield client


async def _answers(client):
    users = await client.get("/users", params={"limit": 1})
    stock = await client.get("/inventory/mouse")
    order = await client.get("/orders/nothing")
    placed = await client.post("/users/user999/orders", json={"sku": "mouse"})
    return (users.status_code, stock.status_code, order.status_code, placed.status_code) == (
        200,
        200,
        404,
        404,
    )


async def _entry_of(lab, order_id):
    async with httpx2.AsyncClient(base_url=lab["audit_log"].url, trust_env=False) as client:

        async def there():
            entries = (await client.get("/entries", params={"user_id": "user123"})).json()["entries"]
            return next((entry for entry in entries if entry["data"]["order_id"] == order_id), None)

        return await eventually(there, timeout_seconds=20)


async def test_every_service_is_registered_and_passing(lab):
    consul_url = lab["consul"].url
    for service in ("gateway", "user-service", "order-service", "inventory-service", "audit-log"):
        assert await eventually(lambda name=service: healthy_instances(consul_url, name), timeout_seconds=15)


async def test_an_order_crosses_all_services_and_leaves_its_row_in_each_database(lab, edge):
    before = (await edge.get("/inventory/mouse")).json()["available"]
    placed = await edge.post("/users/user123/orders", json={"sku": "mouse", "quantity": 2})
    order = placed.json()
    assert (placed.status_code, order["status"], order["total_cents"]) == (201, "CONFIRMED", 6900)
    assert (await edge.get("/inventory/mouse")).json()["available"] == before - 2
    entry = await _entry_of(lab, order["order_id"])
    assert (entry["type"], entry["data"]["sku"], entry["data"]["quantity"]) == ("order_placed", "mouse", 2)
    for service, sql in (
        ("orders", "SELECT status AS found FROM orders WHERE id = ?"),
        ("inventory", "SELECT sku AS found FROM reservations WHERE order_id = ?"),
    ):
        found = await rows(lab.folder / service / f"{service}.db", sql, [order["order_id"]])
        assert len(found) == 1


async def test_one_trace_holds_the_way_from_the_gateway_to_the_audit_log(lab, edge):
    placed = await edge.post("/users/user123/orders", json={"sku": "webcam", "quantity": 1})
    entry = await _entry_of(lab, placed.json()["order_id"])
    trace = await Jaeger(lab["jaeger"].url).trace(
        entry["trace_id"], until=lambda trace: len(set(trace.services)) >= 5, timeout_seconds=20
    )
    assert set(trace.services) == {
        "gateway",
        "user-service",
        "order-service",
        "inventory-service",
        "audit-log",
    }


async def test_an_unknown_user_is_a_404_whose_trace_id_is_the_callers(edge):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = await edge.get("/users/user999", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    body = answer.json()
    assert (answer.status_code, body["code"], body["traceId"]) == (404, 40401, trace_id)


async def test_a_shortage_is_a_409_in_the_uniform_shape(lab, edge):
    answer = await edge.post("/users/user123/orders", json={"sku": "standing-desk", "quantity": 1})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, 40901)
    assert body["message"] == "Standing desk, 160 cm: 1 wanted, 0 available"
    assert {"timestamp", "traceId"} <= body.keys()


async def test_a_profile_is_read_from_the_cache_the_second_time(edge):
    sources = [(await edge.get("/users/user130")).json()["source"] for _ in range(2)]
    assert sources == ["database", "cache"]
