"""Logging in through the gateway, before the real user service and a real Redis."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from pydantic import ValidationError

from services.contracts.inventory_pb2_grpc import InventoryServiceStub
from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.gateway import app as gateway
from services.gateway.settings import GatewaySettings
from workbook_lib.kit import logs
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.security.tokens import SigningKey

ALICE = {"email": "alice.novak@example.com", "password": "only-for-the-demo-1"}
BOB = {"email": "bob.okafor@example.com", "password": "only-for-the-demo-1"}
WRONG = ALICE | {"password": "only-for-the-demo-2"}
COOKIE = "__Host-session"
NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
async def gates(running, tmp_path, people):
    """Makes gateways before the same user service."""
    away = StaticInstances.at("127.0.0.1:1")
    async with AsyncExitStack() as opened:

        async def make(**settings):
            clients = gateway.Clients(
                HttpClient(people),
                RpcClient(away, OrderServiceStub),
                RpcClient(away, InventoryServiceStub),
                HttpClient(away),
            )
            defaults = {"upload_folder": tmp_path / "uploads", "redis_url": NO_REDIS}
            given = GatewaySettings(**{**defaults, **settings})
            return await opened.enter_async_context(running(gateway.build(given, clients)))

        yield make


def sent(answer):
    """The session's id in the answer's cookie."""
    return answer.headers["set-cookie"].partition(";")[0].removeprefix(f"{COOKIE}=")


def cookie(session_id):
    return {"Cookie": f"{COOKIE}={session_id}"}


async def test_a_login_gives_a_token_with_which_one_sees_oneself(gates):
    edge = await gates()
    answer = await edge.post("/login", json=ALICE)
    token = answer.json()
    me = await edge.get("/me", headers={"Authorization": f"{token['token_type']} {token['access_token']}"})
    assert (answer.status_code, token["expires_in"]) == (200, 900)
    assert answer.headers["cache-control"] == "no-store"
    assert (me.status_code, me.json()["id"], me.json()["name"]) == (200, "user123", "Alice Novak")


async def test_without_authorization_one_is_nobody(gates):
    answer = await (await gates()).get("/me")
    assert (answer.status_code, answer.json()["code"]) == (401, 40101)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("login", [WRONG, BOB | {"email": "nobody@example.com"}])
@pytest.mark.parametrize("path", ["/login", "/session"])
async def test_a_wrong_password_and_an_unknown_address_are_refused_alike(gates, path, login):
    answer = await (await gates()).post(path, json=login)
    assert (answer.status_code, answer.json()["code"]) == (401, 40102)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "login",
    [
        {},
        {"email": "a@b.c"},
        {"email": "a@b.c", "password": ""},
        {"email": "a@b.c", "password": "x" * 129},
        {"email": ["a"], "password": {"$ne": ""}},
        ALICE | {"email": "x" * 300},
    ],
)
async def test_what_is_no_login_is_a_400_that_repeats_no_password(gates, login):
    answer = await (await gates()).post("/login", json=login)
    assert (answer.status_code, answer.json()["code"]) == (400, 40001)
    assert "x" * 100 not in answer.text


async def test_whoever_registers_with_a_password_can_log_in(gates):
    edge = await gates()
    zoe = {"name": "Zoe", "email": "zoe@example.com", "password": "a long and quiet river"}
    new = await edge.post("/accounts", json=zoe)
    assert (new.status_code, new.json()["name"]) == (201, "Zoe")
    assert (
        await edge.post("/login", json={"email": zoe["email"], "password": zoe["password"]})
    ).status_code == 200
    weak = await edge.post("/accounts", json=zoe | {"password": "short"})
    assert (weak.status_code, weak.json()["details"][0]["field"]) == (400, "password")


async def test_two_instances_with_the_same_keys_know_each_others_tokens_and_others_do_not(gates):
    old, new = SigningKey.new("2026-10"), SigningKey.new("2026-11")
    texts = [key.text().get_secret_value() for key in (new, old)]
    one, rotated = await gates(token_keys=texts[1]), await gates(token_keys=", ".join(texts))
    stranger = await gates()
    token = (await one.post("/login", json=ALICE)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert [(await edge.get("/me", headers=headers)).status_code for edge in (one, rotated, stranger)] == [
        200,
        200,
        401,
    ]
    published = (await rotated.get("/.well-known/jwks.json")).json()["keys"]
    assert [key["kid"] for key in published] == ["2026-11", "2026-10"]


async def test_outside_of_dev_there_are_no_tokens_without_configured_keys(gates):
    edge = await gates(environment="prod")
    assert (await edge.post("/login", json=ALICE)).status_code == 404
    assert (await edge.get("/.well-known/jwks.json")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_keys": "secret"},
        {"cors_origins": ["*"], "cors_credentials": True},
        {"cors_origins": ["null"]},
        {"trusted_proxies": ["*"]},
        {"rate_limit": "many"},
        {"login_limit": "0/60s"},
    ],
)
def test_settings_that_would_open_a_hole_are_refused_at_the_start(wrong):
    with pytest.raises(ValidationError) as refused:
        GatewaySettings(**wrong)
    assert "secret" not in str(refused.value.errors(include_input=False))


async def test_only_so_many_logins_are_tried_from_one_address(gates, capsys):
    logs.configure("gateway", "gateway-1")
    edge = await gates(login_limit="3/3600s")
    answers = [
        await edge.post("/login", json=WRONG, headers={"X-Forwarded-For": f"203.0.113.{number}"})
        for number in range(5)
    ]
    refused = answers[-1]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert refused.json()["code"] == 42901
    assert 3000 < int(refused.headers["retry-after"]) <= 3600
    assert (await edge.post("/session", json=BOB)).status_code == 429  # the address, whoever it tries
    assert (await edge.get("/users", params={"limit": 1})).status_code == 200


async def test_only_so_many_logins_are_tried_for_one_account_from_any_address(gates):
    edge = await gates(login_limit="3/3600s", trusted_proxies=["127.0.0.1"])

    async def attempt(login, number):
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        return (await edge.post("/login", json=login, headers=headers)).status_code

    assert [await attempt(WRONG, number) for number in range(5)] == [401, 401, 401, 429, 429]
    assert await attempt(ALICE, 6) == 429
    assert await attempt(BOB, 7) == 200


async def test_the_general_limit_is_off_unless_set(gates):
    edge = await gates()
    answers = [await edge.get("/nowhere") for _ in range(50)]
    assert {answer.status_code for answer in answers} == {404}
    limited = await gates(rate_limit="5/3600s")
    answers = [await limited.get("/nowhere") for _ in range(8)]
    assert [answer.status_code for answer in answers] == [404] * 5 + [429] * 3
    assert answers[0].headers["ratelimit-policy"] == '"default";q=5;w=3600'


async def test_how_the_general_limit_counts_can_be_chosen(gates):
    """One of four an hour: its token is back after a quarter of it, a window forgets it after all of it."""
    whole_again = {}
    for kind in ("token_bucket", "sliding_window"):
        edge = await gates(rate_limit="4/3600s", rate_limit_by=kind)
        whole_again[kind] = (await edge.get("/nowhere")).headers["ratelimit"]
    assert whole_again == {
        "token_bucket": '"default";r=3;t=900',
        "sliding_window": '"default";r=3;t=3600',
    }


async def test_so_many_requests_of_one_address_are_under_way_at_most(gates):
    edge = await gates(concurrency_limit=1)
    answers = await asyncio.gather(*(edge.get("/users/user123") for _ in range(5)))
    statuses = sorted(answer.status_code for answer in answers)
    assert (statuses[0], statuses[-1]) == (200, 429)
    assert (await edge.get("/users/user123")).status_code == 200


async def test_other_origins_may_do_what_the_settings_say(gates):
    closed, opened = await gates(), await gates(cors_origins=["https://shop.example"])
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    assert (await closed.options("/login", headers=asked)).status_code == 405
    answer = await opened.options("/login", headers=asked)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert (
        await opened.options("/login", headers=asked | {"Origin": "https://evil.test"})
    ).status_code == 403


async def test_an_answer_is_data_and_nothing_else(gates):
    headers = (await (await gates()).get("/me")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_without_redis_nobody_has_a_session_and_the_rest_goes_on(gates):
    edge = await gates(limits_shared=True, rate_limit="1000/60s")
    answer = await edge.post("/session", json=ALICE)
    assert (answer.status_code, answer.json()["code"]) == (503, 50301)
    assert (await edge.post("/login", json=ALICE)).status_code == 200
    assert (await edge.get("/health")).status_code == 200


@pytest.mark.server
async def test_a_session_lasts_from_login_to_logout(gates, redis_url):
    edge = await gates(redis_url=redis_url)
    login = await edge.post("/session", json=ALICE)
    session_id = sent(login)
    assert (login.status_code, login.json()) == (201, {"user_id": "user123", "elevated": False})
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(login.headers["set-cookie"].split("; "))
    assert (await edge.get("/session", headers=cookie(session_id))).json()["user_id"] == "user123"
    logout = await edge.delete("/session", headers=cookie(session_id))
    assert (logout.status_code, "Max-Age=0" in logout.headers["set-cookie"]) == (204, True)
    for _ in range(2):
        assert (await edge.get("/session", headers=cookie(session_id))).status_code == 401


@pytest.mark.server
async def test_a_planted_session_id_is_worth_nothing_after_the_login(gates, redis_url):
    """Session fixation, with an id that was made up and with one that the attacker got for itself."""
    edge = await gates(redis_url=redis_url)
    for planted in ("planted-by-the-attacker", sent(await edge.post("/session", json=BOB))):
        victims = sent(await edge.post("/session", json=ALICE, headers=cookie(planted)))
        assert victims != planted
        assert (await edge.get("/session", headers=cookie(planted))).status_code == 401
        assert (await edge.get("/session", headers=cookie(victims))).json()["user_id"] == "user123"


@pytest.mark.server
async def test_more_rights_mean_a_new_id(gates, redis_url):
    edge = await gates(redis_url=redis_url)
    before = sent(await edge.post("/session", json=ALICE))
    wrong = await edge.post(
        "/session/confirmation", json={"password": "not this one"}, headers=cookie(before)
    )
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    right = await edge.post(
        "/session/confirmation", json={"password": ALICE["password"]}, headers=cookie(before)
    )
    after = sent(right)
    assert right.json() == {"user_id": "user123", "elevated": True}
    assert (await edge.get("/session", headers=cookie(before))).status_code == 401
    assert (await edge.get("/session", headers=cookie(after))).json()["elevated"] is True


@pytest.mark.server
async def test_a_page_elsewhere_can_not_write_with_the_visitors_cookie(gates, redis_url):
    edge = await gates(redis_url=redis_url, cors_origins=["https://shop.example"], cors_credentials=True)
    session_id = sent(await edge.post("/session", json=ALICE))
    evil = {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}
    forged = await edge.delete("/session", headers=cookie(session_id) | evil)
    assert (forged.status_code, forged.json()["code"]) == (403, 40301)
    assert (await edge.post("/session", json=BOB, headers=evil)).status_code == 403
    assert (await edge.get("/session", headers=cookie(session_id))).status_code == 200
    shop = {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}
    assert (await edge.delete("/session", headers=cookie(session_id) | shop)).status_code == 204


@pytest.mark.server
async def test_two_instances_share_sessions_and_limits_through_redis(gates, redis_url):
    settings = {"redis_url": redis_url, "limits_shared": True, "login_limit": "3/3600s"}
    trusted = {"trusted_proxies": ["127.0.0.1"]}
    one, two = [await gates(**settings, **trusted) for _ in range(2)]
    caller = {"X-Forwarded-For": "198.51.100.99"}
    session_id = sent(await one.post("/session", json=ALICE, headers=caller))
    assert (await two.get("/session", headers=cookie(session_id))).json()["user_id"] == "user123"
    statuses = [
        (await edge.post("/login", json=BOB, headers=caller)).status_code for edge in (two, one, two, one)
    ]
    assert statuses == [200, 200, 429, 429]


async def test_neither_answers_nor_logs_hold_passwords_or_tokens(gates, capsys):
    logs.configure("gateway", "gateway-1", "DEBUG")
    edge = await gates()
    token = (await edge.post("/login", json=ALICE)).json()["access_token"]
    await edge.get("/me", headers={"Authorization": f"Bearer {token}"})
    await edge.post("/login", json=WRONG)
    logged = capsys.readouterr().out
    assert [line for line in map(json.loads, logged.splitlines()) if line["event"] == "login refused"]
    for secret in (ALICE["password"], WRONG["password"], token, token.rpartition(".")[2]):
        assert secret not in logged
