"""The edge passes on what the services behind it answer, errors included."""

import json

import pytest

from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.gateway import app as gateway
from services.gateway.settings import GatewaySettings
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab.evidence import rows


async def test_users_are_listed_read_and_registered_through_the_gateway(edge):
    new = await edge.post("/users", json={"name": "Zoe", "email": "zoe@example.com", "age": 20})
    page = (await edge.get("/users", params={"limit": 2, "after": "user124"})).json()
    assert new.status_code == 201
    assert [user["id"] for user in page["users"]] == ["user125", "user126"]
    assert (await edge.get(new.headers["location"])).json()["name"] == "Zoe"


async def test_an_order_goes_through_four_services_and_can_be_followed(edge, tmp_path):
    before = (await edge.get("/inventory/mouse")).json()["available"]
    placed = await edge.post("/users/user123/orders", json={"sku": "mouse", "quantity": 2})
    order = placed.json()
    assert (placed.status_code, order["status"], order["total_cents"]) == (201, "CONFIRMED", 6900)
    read = (await edge.get(f"/orders/{order['order_id']}")).json()
    assert read == {name: value for name, value in order.items() if name != "user_name"}
    assert (await edge.get("/inventory/mouse")).json()["available"] == before - 2
    assert (await edge.get(placed.headers["location"])).json() == order
    told = await rows(tmp_path / "orders.db", "SELECT value FROM outbox")
    assert [json.loads(row["value"])["data"]["order_id"] for row in told] == [order["order_id"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/users/user999", None, 404),
        ("GET", "/orders/nothing", None, 404),
        ("GET", "/inventory/unicorn", None, 404),
        ("POST", "/users/user999/orders", {"sku": "mouse"}, 404),
        ("POST", "/users/user123/orders", {"sku": "unicorn"}, 404),
        ("POST", "/users/user123/orders", {"sku": "standing-desk"}, 409),
        ("POST", "/users/user123/orders", {"sku": "mouse", "quantity": 1001}, 400),
        ("POST", "/users", {"email": "nowhere"}, 400),
        ("POST", "/users", {"name": "Alice", "email": "alice.novak@example.com"}, 409),
    ],
)
async def test_an_error_from_behind_passes_in_the_uniform_shape_with_its_own_status(
    edge, method, path, body, status
):
    answer = await edge.request(method, path, json=body)
    error = answer.json()
    assert (answer.status_code, error["code"]) == (status, status * 100 + 1)
    assert {"code", "message", "timestamp", "traceId"} <= error.keys()


async def test_the_details_of_a_wrong_field_pass_too(edge):
    answer = await edge.post("/users", json={"email": "nowhere"})
    assert {detail["field"] for detail in answer.json()["details"]} == {"name", "email"}


async def test_a_home_comes_through_and_tells_whether_it_is_complete(edge):
    """No recommendations are behind this user service."""
    home = await edge.get("/users/user123/home")
    assert (home.status_code, home.headers["x-suggestions"]) == (200, "fallback")
    assert (home.json()["user"]["id"], home.json()["complete"]) == ("user123", False)


@pytest.mark.parametrize(
    "path", ["/users/..%2Fhealth", "/users/a%3Fb=c", "/users/" + "x" * 65, "/inventory/a%20b"]
)
async def test_what_is_not_an_id_is_not_passed_on(edge, path):
    assert (await edge.get(path)).status_code in (400, 404)


async def test_a_service_that_is_away_is_a_503(running, free_port):
    away = StaticInstances.at(f"127.0.0.1:{free_port()}")
    clients = gateway.Clients(
        HttpClient(away),
        RpcClient(away, OrderServiceStub),
        RpcClient(away, InventoryServiceStub),
        HttpClient(away),
    )
    async with running(gateway.build(GatewaySettings(), clients)) as edge:
        for path in ("/users", "/orders/o1", "/inventory/mouse", "/api/v2/products"):
            answer = await edge.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, 50301)
