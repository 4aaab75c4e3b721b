"""The whole system: each service a process, found through Consul, told of through Kafka, traced in Jaeger."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from services.contracts import topics
from workbook_lib.lab import Lab
from workbook_lib.lab.evidence import (
    Jaeger,
    check_history,
    eventually,
    healthy_instances,
    rows,
    topic_records,
)

pytestmark = pytest.mark.server

SERVICES = ("inventory", "payments", "orders", "users", "audit_log", "gateway")
STOCK = Path(__file__).resolve().parents[2] / "data" / "stock.json"
TOPICS = (topics.ORDER_EVENTS, topics.STOCK_EVENTS, topics.PAYMENT_EVENTS, topics.USER_EVENTS)
SERVERS = ("consul", "kafka", "redis", "jaeger")
# The tests aren't about deadlines, which a busy machine may miss; nor about checks that do.
PATIENT = {
    "GATEWAY_TIMEOUT_SECONDS": "30",
    "USERS_ORDER_TIMEOUT_SECONDS": "30",
    "ORDERS_RESERVE_TIMEOUT_SECONDS": "30",
    "ORDERS_CHARGE_TIMEOUT_SECONDS": "30",
    "CHECK_INTERVAL_SECONDS": "600",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    lab = Lab("system-test", root=tmp_path_factory.mktemp("system"))

    async def start() -> None:
        await lab.start(*SERVERS, *SERVICES, env=PATIENT)

    asyncio.run(start())
    yield lab
    asyncio.run(lab.stop())


@pytest.fixture
async def edge(lab):
    async with httpx2.AsyncClient(base_url=lab["gateway"].url, timeout=10, trust_env=False) as client:
        # Started is registered, but the gateway's and the services' watches may be a moment behind.
        await eventually(lambda: _answers(client), timeout_seconds=60)
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

        return await eventually(there, timeout_seconds=60)


async def test_every_service_is_registered_and_passing(lab):
    consul_url = lab["consul"].url
    for service in ("gateway", "user-service", "order-service", "inventory-service", "audit-log"):
        assert await eventually(lambda name=service: healthy_instances(consul_url, name), timeout_seconds=60)


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


async def _ended(edge, answer):
    """The order behind an answer, once it is no longer pending; an error says itself how it ended."""

    async def there():
        order = (await edge.get(answer.headers["location"])).json()
        return order if order["status"] != "PENDING" else None

    if answer.is_error:
        return {"status": "CANCELLED", "error": answer.json()}
    return await eventually(there, timeout_seconds=60)


@pytest.mark.parametrize("way", ["ORCHESTRATION", "CHOREOGRAPHY", "TCC"])
async def test_stock_and_money_go_together_or_not_at_all_however_an_order_is_coordinated(lab, edge, way):
    async def place(user_id, sku):
        wanted = {"sku": sku, "coordination": way}
        return await _ended(edge, await edge.post(f"/users/{user_id}/orders", json=wanted))

    fine, poor, none_left = await asyncio.gather(
        place("user124", "headset"), place("user130", "monitor-27"), place("user124", "standing-desk")
    )
    assert (fine["status"], fine["total_cents"], fine["error"]) == ("CONFIRMED", 7495, None)
    assert (poor["status"], poor["error"]["code"]) == ("CANCELLED", 40902)
    assert (none_left["status"], none_left["error"]["code"]) == ("CANCELLED", 40901)


async def test_whatever_was_ordered_the_databases_and_topics_do_not_contradict_each_other(lab, edge):
    files = {name: lab.folder / name / f"{name}.db" for name in ("orders", "inventory", "payments")}
    stock = {each["sku"]: each["available"] for each in json.loads(STOCK.read_text())}
    kafka = lab.environment["KAFKA_BOOTSTRAP_SERVERS"]

    async def at_rest():
        records = [record for topic in TOPICS for record in await topic_records(kafka, topic)]
        history = await check_history(files, records, stock=stock)
        assert history.holds, history.findings
        return history

    assert (await eventually(at_rest, timeout_seconds=60)).orders["CONFIRMED"] >= 3


async def test_one_trace_holds_the_way_from_the_gateway_to_the_audit_log(lab, edge):
    placed = await edge.post("/users/user123/orders", json={"sku": "webcam", "quantity": 1})
    entry = await _entry_of(lab, placed.json()["order_id"])
    trace = await Jaeger(lab["jaeger"].url).trace(
        entry["trace_id"], until=lambda trace: len(set(trace.services)) >= 5, timeout_seconds=60
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
    sources = [(await edge.get("/users/user131")).json()["source"] for _ in range(2)]
    assert sources == ["database", "cache"]
