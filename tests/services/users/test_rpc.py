"""The users' RPC methods: one of each kind, over a real port and a real database."""

import asyncio
import contextlib

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from pydantic import SecretStr

from services.contracts import orders_pb2_grpc, users_pb2
from services.contracts.users_pb2_grpc import UserServiceStub
from services.users.app import Clients, build
from services.users.settings import UsersSettings
from workbook_lib.kit import failpoints
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import REQUEST_ID, RpcClient, sending_bearer, service_config

TOKEN = SecretStr("for-operators")
NO_REDIS = "redis://127.0.0.1:1/0"
NOBODY = "http://127.0.0.1:1"
SERVICE = users_pb2.DESCRIPTOR.services_by_name["UserService"]


@pytest.fixture
def settings(database_url, free_port):
    return UsersSettings(
        database_url=database_url, grpc_port=free_port(), redis_url=NO_REDIS, operator_token=TOKEN
    )


@pytest.fixture
async def users(running, settings):
    """The service's HTTP side; its gRPC side is at `settings.grpc_port`."""
    nobody = RpcClient(StaticInstances.at("127.0.0.1:1"), orders_pb2_grpc.OrderServiceStub)
    async with running(build(settings, Clients(nobody, HttpClient(NOBODY)))) as client:
        yield client


@contextlib.asynccontextmanager
async def _calling(settings, **options):
    instances = StaticInstances.at(f"127.0.0.1:{settings.grpc_port}")
    client = RpcClient(instances, UserServiceStub, timeout_seconds=10, **options)
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def rpc(users, settings):
    async with _calling(settings) as client:
        yield client


@pytest.fixture
async def operator(users, settings):
    async with _calling(settings, interceptors=sending_bearer(TOKEN)) as client:
        yield client


async def _pages(client, **request):
    with client.stub() as stub:
        return [list(page.users) async for page in stub.ListUsers(users_pb2.ListUsersRequest(**request))]


async def _import(client, rows, **options):
    async def stream():
        for row in rows:
            yield users_pb2.NewUser(**row)

    with client.stub() as stub:
        return await stub.ImportUsers(stream(), **options)


async def _look_up(client, ids):
    async def questions():
        for user_id in ids:
            yield users_pb2.UserRequest(user_id=user_id)

    with client.stub() as stub:
        return [answer async for answer in stub.LookUp(questions())]


def _rows(number, first=0):
    return [
        {"name": f"Reader {each}", "email": f"reader{each}@example.com", "age": 20 + each % 50}
        for each in range(first, first + number)
    ]


async def test_a_user_is_found_by_id_and_an_unknown_id_is_an_error(rpc):
    with rpc.stub() as stub:
        alice = await stub.GetUser(users_pb2.UserRequest(user_id="user123"))
        assert alice == users_pb2.UserResponse(name="Alice Novak", age=30)
    with pytest.raises(NotFound) as caught, rpc.stub() as stub:
        await stub.GetUser(users_pb2.UserRequest(user_id="nobody"))
    assert caught.value.code == 40401


@pytest.mark.parametrize(
    ("request_", "sizes"),
    [
        ({}, [12]),
        ({"page_size": 5}, [5, 5, 2]),
        ({"page_size": 6}, [6, 6]),
        ({"page_size": 5, "limit": 7}, [5, 2]),
        ({"limit": 1}, [1]),
        ({"after": "user132"}, [2]),
        ({"after": "zzz"}, []),
    ],
)
async def test_everybody_comes_once_in_the_order_of_ids_a_page_a_message(rpc, request_, sizes):
    pages = await _pages(rpc, **request_)
    ids = [user.id for page in pages for user in page]
    assert [len(page) for page in pages] == sizes
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("wrong", [{"limit": -1}, {"page_size": -1}, {"page_size": 1001}])
async def test_a_listing_that_makes_no_sense_is_refused(rpc, wrong):
    with pytest.raises(InvalidRequest):
        await _pages(rpc, **wrong)


async def test_rest_and_grpc_tell_the_same_of_the_same_users(users, rpc):
    over_rest = (await users.get("/users", params={"limit": 100})).json()["users"]
    (over_grpc,) = await _pages(rpc)
    assert over_rest == [
        {"id": user.id, "name": user.name, "email": user.email, "age": user.age} for user in over_grpc
    ]


async def test_a_stream_of_users_is_imported_and_each_refusal_tells_its_row_and_fields(operator):
    rows = _rows(250)
    rows[17] = {"name": " ", "email": "nowhere"}
    rows[120]["email"] = "ALICE.NOVAK@example.com"
    rows[249]["email"] = rows[0]["email"]
    del rows[3]["age"]
    summary = await _import(operator, rows)
    assert (summary.imported, summary.refused) == (247, 3)
    assert [refusal.place for refusal in summary.refusals] == [17, 120, 249]
    wrong, taken, again = (refusal.error for refusal in summary.refusals)
    assert grpc.StatusCode.INVALID_ARGUMENT.value[0] == wrong.code
    assert {grpc.StatusCode.ALREADY_EXISTS.value[0]} == {taken.code, again.code}
    info, faults = ErrorInfo(), BadRequest()
    assert wrong.details[0].Unpack(info)
    assert wrong.details[1].Unpack(faults)
    assert info.metadata["code"] == "40001"
    assert {fault.field for fault in faults.field_violations} == {"name", "email"}

    stored = [user for page in await _pages(operator) for user in page]
    assert len(stored) == 12 + 247
    by_email = {user.email: user for user in stored}
    assert by_email["reader1@example.com"].age == 21
    assert not by_email["reader3@example.com"].HasField("age")


async def test_an_import_that_is_sent_again_changes_nothing_and_says_so(operator):
    assert (await _import(operator, _rows(30))).imported == 30
    again = await _import(operator, _rows(30))
    assert (again.imported, again.refused) == (0, 30)
    assert (await _import(operator, [])) == users_pb2.ImportSummary()


async def test_of_many_refusals_the_first_hundred_are_told(operator):
    summary = await _import(operator, [{"name": "x", "email": "nowhere"}] * 130)
    assert (summary.refused, len(summary.refusals)) == (130, 100)


async def test_only_operators_import_and_a_refused_stream_stores_nothing(users, rpc, settings):
    with pytest.raises(Unauthenticated):
        await _import(rpc, _rows(1))
    async with _calling(settings, interceptors=sending_bearer(SecretStr("a guess"))) as guessing:
        with pytest.raises(Unauthenticated):
            await _import(guessing, _rows(1))
    assert sum(map(len, await _pages(rpc))) == 12


async def test_a_service_without_an_operator_token_imports_from_nobody(running, database_url, free_port):
    closed = UsersSettings(database_url=database_url, grpc_port=free_port(), redis_url=NO_REDIS)
    nobody = RpcClient(StaticInstances.at("127.0.0.1:1"), orders_pb2_grpc.OrderServiceStub)
    async with (
        running(build(closed, Clients(nobody, HttpClient(NOBODY)))),
        _calling(closed) as client,
    ):
        with pytest.raises(Forbidden):
            await _import(client, _rows(1))


async def test_answers_come_in_the_order_of_the_questions_and_an_unknown_id_ends_nothing(rpc):
    ids = ["user125", "nobody", "user123", "user125"]
    answers = await _look_up(rpc, ids)
    assert [answer.user_id for answer in answers] == ids
    assert [answer.WhichOneof("outcome") for answer in answers] == ["user", "error", "user", "user"]
    assert answers[1].error.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answers[2].user.name == "Alice Novak"


async def test_an_answer_is_there_before_the_next_question_is_asked(users, settings):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel:
        talk = UserServiceStub(channel).LookUp(timeout=10)
        for user_id, name in (("user123", "Alice Novak"), ("user124", "Bob Okafor")):
            await talk.write(users_pb2.UserRequest(user_id=user_id))
            assert (await talk.read()).user.name == name
        await talk.done_writing()
        assert await talk.read() is grpc.aio.EOF


async def test_a_request_id_comes_back_and_one_is_made_where_there_is_none(rpc):
    with rpc.stub() as stub:
        named = stub.GetUser(users_pb2.UserRequest(user_id="user123"), metadata=[(REQUEST_ID, "mine-7")])
        unnamed = stub.GetUser(users_pb2.UserRequest(user_id="user123"))
        assert dict(await named.trailing_metadata())[REQUEST_ID] == "mine-7"
        assert len(dict(await unnamed.trailing_metadata())[REQUEST_ID]) == 32


async def test_what_has_no_effect_may_be_tried_again_and_an_import_may_not(users, settings):
    async with _calling(settings, service_config=service_config(SERVICE, first_seconds=0.01)) as client:
        failpoints.arm("users.get-user", "error")
        before = failpoints.passed().get("users.get-user", 0)
        with client.stub() as stub:
            assert (await stub.GetUser(users_pb2.UserRequest(user_id="user123"))).name == "Alice Novak"
        assert failpoints.passed()["users.get-user"] == before + 2
    assert "ImportUsers" not in service_config(SERVICE)


async def test_pages_keep_their_size_over_more_rows_than_a_query_reads(operator):
    await _import(operator, _rows(1100))
    sizes = [len(page) for page in await _pages(operator, page_size=300)]
    assert sizes == [300, 300, 300, 212]
    pages = await _pages(operator, page_size=7, limit=1003)
    ids = [user.id for page in pages for user in page]
    assert (len(ids), [len(page) for page in pages]) == (1003, [7] * 143 + [2])
    assert ids == sorted(set(ids))


async def test_a_reader_who_leaves_stops_the_listing(users, operator, settings):
    await _import(operator, _rows(300))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel:
        stub = UserServiceStub(channel)
        listing = stub.ListUsers(users_pb2.ListUsersRequest(page_size=1))
        await listing.read()
        listing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listing.read()
        assert await listing.code() is grpc.StatusCode.CANCELLED
        assert (await stub.GetUser(users_pb2.UserRequest(user_id="user123"))).name == "Alice Novak"
