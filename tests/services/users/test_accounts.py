"""Accounts on a real database: which passwords are good, and what a login tells a stranger."""

import json
import unicodedata

import pytest

from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.users.app import Clients, build
from services.users.settings import UsersSettings
from workbook_lib.kit import logs
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab.evidence import rows

NO_REDIS = "redis://127.0.0.1:1/0"
DEMO_PASSWORD = "only-for-the-demo-1"
ZOE = {"name": "Zoe", "email": "zoe@example.com", "password": "a long and quiet river"}


@pytest.fixture
def settings(database_url, free_port):
    return UsersSettings(database_url=database_url, grpc_port=free_port(), redis_url=NO_REDIS)


@pytest.fixture
def users(running, settings):
    return running(
        build(
            settings,
            Clients(
                RpcClient(StaticInstances.at("127.0.0.1:1"), OrderServiceStub),
                HttpClient("http://127.0.0.1:1"),
            ),
        )
    )


async def verify(client, email, password):
    return await client.post("/accounts/verify", json={"email": email, "password": password})


async def test_whoever_registers_with_a_password_can_prove_who_they_are(users):
    async with users as client:
        new = await client.post("/accounts", json=ZOE)
        answer = await verify(client, " Zoe@Example.com ", ZOE["password"])
    assert new.status_code == 201
    assert new.json().keys() == {"id", "name", "email", "age"}
    assert (answer.status_code, answer.json()) == (200, new.json())


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("alice.novak@example.com", "only-for-the-demo-2"),
        ("alice.novak@example.com", DEMO_PASSWORD + " "),
        ("nobody@example.com", DEMO_PASSWORD),
        ("carmen.ruiz@example.com", DEMO_PASSWORD),  # registered, without a password
        ("' OR 1=1 --", DEMO_PASSWORD),
    ],
)
async def test_what_was_wrong_is_not_told(users, email, password):
    async with users as client:
        answer = await verify(client, email, password)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (401, 40102)
    assert body["message"] == "The e-mail address or the password is wrong."


@pytest.mark.parametrize(
    "password",
    [
        "too short, sir",
        "x" * 129,
        "aaaaaaaaaaaaaaaaaaaa",
        "zoe@example.com",
        "ZOE@example.com",
        "",
        None,
        15 * [1],
        123456789012345,
    ],
)
async def test_a_password_that_is_no_good_is_refused_without_being_repeated(users, password):
    body = ZOE | {"email": "zoe@example.com", "password": password}
    async with users as client:
        answer = await client.post("/accounts", json=body)
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["details"]] == ["password"]
    assert password is None or str(password) not in answer.text or password == ""


async def test_a_password_of_many_bytes_and_few_characters_is_fine(users):
    password = "🐢 слон 大象 éléphant"
    async with users as client:
        assert (await client.post("/accounts", json=ZOE | {"password": password})).status_code == 201
        for form in ("NFC", "NFD"):  # as another keyboard sends it
            answer = await verify(client, ZOE["email"], unicodedata.normalize(form, password))
            assert answer.status_code == 200


async def test_an_address_registers_once_and_the_first_password_stays(users):
    async with users as client:
        await client.post("/accounts", json=ZOE)
        again = await client.post("/accounts", json=ZOE | {"password": "another long password"})
        assert (again.status_code, again.json()["code"]) == (409, 40901)
        assert (await verify(client, ZOE["email"], ZOE["password"])).status_code == 200


async def test_a_hash_from_cheaper_times_is_replaced_at_the_next_login(users, database_url):
    sql = "SELECT password_hash FROM credentials WHERE user_id = 'user124'"
    file = database_url.removeprefix("sqlite:///")
    async with users as client:
        (before,) = await rows(file, sql)
        wrong = await verify(client, "bob.okafor@example.com", "not his password at all")
        (untouched,) = await rows(file, sql)
        right = await verify(client, "bob.okafor@example.com", DEMO_PASSWORD)
        (after,) = await rows(file, sql)
        again = await verify(client, "bob.okafor@example.com", DEMO_PASSWORD)
        (settled,) = await rows(file, sql)
    assert (wrong.status_code, right.status_code, again.status_code) == (401, 200, 200)
    assert before["password_hash"].startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert untouched == before
    assert after["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert settled == after


async def test_neither_answers_nor_logs_hold_a_password_or_a_hash(users, capsys):
    logs.configure("users", "users-1", "DEBUG")
    async with users as client:
        answers = [
            await client.post("/accounts", json=ZOE),
            await verify(client, ZOE["email"], ZOE["password"]),
            await verify(client, ZOE["email"], "a wrong but secret one"),
            await client.get("/users/user123"),
            await client.get("/users"),
        ]
    told = "".join(answer.text for answer in answers) + capsys.readouterr().out
    for secret in (ZOE["password"], "a wrong but secret one", "argon2id"):
        assert secret not in told


async def test_a_refused_login_is_logged_with_who_was_meant_but_not_what_was_typed(users, capsys):
    logs.configure("users", "users-1")
    async with users as client:
        await verify(client, "alice.novak@example.com", "a wrong but secret one")
        await verify(client, "my-password-typed-as-name", "x")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    refused = [line for line in lines if line["event"] == "login refused"]
    assert [line["user_id"] for line in refused] == ["user123", None]
    assert "my-password" not in json.dumps(refused)


async def test_the_demos_passwords_do_not_exist_in_production(running, settings):
    production = settings.model_copy(update={"environment": "prod"})
    clients = Clients(
        RpcClient(StaticInstances.at("127.0.0.1:1"), OrderServiceStub), HttpClient("http://127.0.0.1:1")
    )
    async with running(build(production, clients)) as client:
        assert (await verify(client, "alice.novak@example.com", DEMO_PASSWORD)).status_code == 401
        assert (await client.get("/users/user123")).status_code == 200
