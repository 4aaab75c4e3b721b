"""The user service, on a real database, a real Redis and real gRPC."""

import json

import pytest

from services.contracts import orders_pb2, orders_pb2_grpc
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.users.app import Clients, build
from services.users.settings import UsersSettings
from workbook_lib.kit.cache import Cache
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient, RpcServer

NO_REDIS = "redis://127.0.0.1:1/0"
NOBODY = "http://127.0.0.1:1"


class Orders(orders_pb2_grpc.OrderServiceServicer):
    """Order service that has everything but standing desks; what is choreographed takes it longer."""

    async def PlaceOrder(self, request, context):  # noqa: N802
        if request.sku == "standing-desk":
            raise Conflict("none left")
        settled = request.coordination != orders_pb2.COORDINATION_CHOREOGRAPHY
        return orders_pb2.Order(
            order_id="o1",
            user_id=request.user_id,
            sku=request.sku,
            quantity=request.quantity,
            status=orders_pb2.ORDER_STATUS_CONFIRMED if settled else orders_pb2.ORDER_STATUS_PENDING,
            total_cents=6900,
            created_at="2026-11-24T04:00:00.000Z",
            coordination=request.coordination,
        )

    async def GetOrder(self, request, context):  # noqa: N802
        return orders_pb2.Order(
            order_id=request.order_id,
            user_id="user123",
            status=orders_pb2.ORDER_STATUS_CANCELLED,
            error_code=40902,
            error_message="too little money",
        )


@pytest.fixture
async def orders(free_port):
    server = RpcServer("127.0.0.1", free_port())
    server.add(
        orders_pb2_grpc.add_OrderServiceServicer_to_server, Orders(), "workbook.orders.v1.OrderService"
    )
    await server.start()
    yield RpcClient(StaticInstances.at(f"127.0.0.1:{server.port}"), OrderServiceStub, timeout_seconds=30)
    await server.stop()


@pytest.fixture
def settings(database_url, free_port):
    return UsersSettings(database_url=database_url, grpc_port=free_port(), redis_url=NO_REDIS)


@pytest.fixture
async def users(running, settings, orders):
    async with running(build(settings, Clients(orders, HttpClient(NOBODY)))) as client:
        yield client


async def test_users_come_in_pages(users):
    first = (await users.get("/users", params={"limit": 5})).json()
    rest = (await users.get("/users", params={"limit": 100, "after": first["next"]})).json()
    ids = [user["id"] for user in first["users"] + rest["users"]]
    assert (len(first["users"]), rest["next"]) == (5, None)
    assert ids == sorted(set(ids))
    assert first["users"][0] == {
        "id": "user123",
        "name": "Alice Novak",
        "email": "alice.novak@example.com",
        "age": 30,
    }


async def test_the_last_page_says_that_it_is_the_last(users):
    page = (await users.get("/users", params={"limit": 12})).json()
    assert (len(page["users"]), page["next"]) == (12, None)


@pytest.mark.parametrize("limit", [0, 101, "many"])
async def test_the_size_of_a_page_has_bounds(users, limit):
    answer = await users.get("/users", params={"limit": limit})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "limit")


async def test_an_unknown_user_is_a_404_in_the_uniform_shape(users):
    answer = await users.get("/users/user999")
    body = answer.json()
    assert (answer.status_code, body["code"], body["message"]) == (404, 40401, "no user 'user999'")
    assert len(body["traceId"]) == 32


async def test_a_registered_user_can_be_read(users):
    answer = await users.post("/users", json={"name": "Zoe", "email": "Zoe@example.com"})
    assert answer.status_code == 201
    user = answer.json()
    assert (await users.get(f"/users/{user['id']}")).json() == user | {"source": "database"}


async def test_a_user_without_name_and_with_a_wrong_address_is_told_both(users):
    answer = await users.post("/users", json={"email": "nowhere"})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, 40001)
    assert {detail["field"] for detail in body["details"]} == {"name", "email"}


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"name": "a\x00b"}, {"name": "\ud800"}, {"age": "42"}, {"age": 2**70}]
)
async def test_a_wrong_value_is_a_400_that_names_its_field(users, wrong):
    answer = await users.post(
        "/users",
        content=json.dumps({"name": "Zoe", "email": "zoe@example.com"} | wrong),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, [each["field"] for each in answer.json()["details"]]) == (400, list(wrong))


async def test_a_form_registers_a_user_by_the_same_rules(users):
    form = {"name": "Zoe", "email": "Zoe@example.com", "age": "42"}
    created = await users.post("/users/form", data=form)
    assert (created.status_code, created.json()["age"]) == (201, 42)
    assert (await users.get(created.headers["location"])).json()["email"] == "zoe@example.com"
    refused = await users.post("/users/form", data={"email": "nowhere", "age": "old"})
    assert {each["field"] for each in refused.json()["details"]} == {"name", "email", "age"}


async def test_a_form_can_not_be_posted_to_what_reads_json_and_json_not_to_what_reads_forms(users):
    """A foreign page can post a form without asking; it can't post JSON without a preflight."""
    form = await users.post("/users", data={"name": "Zoe", "email": "zoe@example.com"})
    as_json = await users.post("/users/form", json={"name": "Zoe", "email": "zoe@example.com"})
    assert (form.status_code, as_json.status_code) == (415, 415)


async def test_who_prefers_a_minimal_answer_gets_the_place_and_no_body(users):
    """RFC 7240, 4.2."""
    answer = await users.post(
        "/users", json={"name": "Zoe", "email": "zoe@example.com"}, headers={"Prefer": "return=minimal"}
    )
    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["preference-applied"] == "return=minimal"
    assert (await users.get(answer.headers["location"])).json()["name"] == "Zoe"


@pytest.mark.parametrize(("cookie", "params", "shown"), [("3", {}, 3), ("3", {"limit": 5}, 5), ("", {}, 12)])
async def test_a_cookie_holds_the_size_of_a_page_and_the_query_wins(users, cookie, params, shown):
    headers = {"Cookie": f"page_size={cookie}"} if cookie else {}
    page = (await users.get("/users", params=params, headers=headers)).json()
    assert len(page["users"]) == shown


async def test_a_cookie_that_is_no_number_is_a_400_that_names_it(users):
    answer = await users.get("/users", headers={"Cookie": "page_size=many"})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "page_size")


async def test_an_address_registers_once(users):
    answer = await users.post("/users", json={"name": "Alice", "email": "ALICE.NOVAK@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (409, 40901)


async def test_an_order_is_placed_in_the_users_name(users):
    answer = await users.post("/users/user123/orders", json={"sku": "mouse", "quantity": 2})
    assert answer.status_code == 201
    order = answer.json()
    assert (order["user_id"], order["user_name"], order["status"]) == ("user123", "Alice Novak", "CONFIRMED")
    assert (order["sku"], order["quantity"], order["total_cents"]) == ("mouse", 2, 6900)


async def test_an_order_that_is_pending_yet_is_a_202_that_says_where_to_ask(users):
    wanted = {"sku": "mouse", "coordination": "CHOREOGRAPHY"}
    answer = await users.post("/users/user123/orders", json=wanted)
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    there = await users.get(answer.headers["Location"])
    assert (there.status_code, there.json()["status"]) == (200, "CANCELLED")
    assert there.json()["error"] == {"code": 40902, "message": "too little money"}


async def test_nobody_reads_an_order_as_somebody_elses(users):
    answer = await users.get("/users/user124/orders/o1")
    assert (answer.status_code, answer.json()["code"]) == (404, 40401)


async def test_a_coordination_that_there_is_not_is_refused(users):
    answer = await users.post("/users/user123/orders", json={"sku": "mouse", "coordination": "HOPE"})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "coordination")


async def test_nobody_orders_in_the_name_of_an_unknown_user(users):
    answer = await users.post("/users/user999/orders", json={"sku": "mouse"})
    assert (answer.status_code, answer.json()["code"]) == (404, 40401)


async def test_a_shortage_reaches_the_caller_as_a_conflict(users):
    answer = await users.post("/users/user123/orders", json={"sku": "standing-desk"})
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (409, 40901, "none left")


@pytest.mark.usefixtures("patience")
async def test_without_its_cache_the_service_is_slower_but_healthy(users):
    for _ in range(2):
        assert (await users.get("/users/user123")).json()["source"] == "database"
    assert (await users.get("/health")).status_code == 200


@pytest.mark.server
@pytest.mark.usefixtures("patience")
async def test_a_profile_comes_from_the_database_once_and_then_from_the_cache(
    running, database_url, free_port, orders, redis_url
):
    cache = Cache(redis_url, namespace="users")
    await cache.start()
    await cache.delete("user123")
    settings = UsersSettings(database_url=database_url, grpc_port=free_port(), redis_url=redis_url)
    async with running(build(settings, Clients(orders, HttpClient(NOBODY)))) as users:
        answers = [(await users.get("/users/user123")).json() for _ in range(3)]
    await cache.delete("user123")
    await cache.stop()
    assert [answer.pop("source") for answer in answers] == ["database", "cache", "cache"]
    assert answers[0] == answers[1] == answers[2]
