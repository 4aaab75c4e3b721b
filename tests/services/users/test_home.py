"""A user's home does without its suggestions, and doesn't wait for them either."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from services.contracts.orders_pb2_grpc import OrderServiceStub
from services.users.app import Clients, build
from services.users.settings import UsersSettings
from workbook_lib.kit.breaker import BreakerSettings
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab.evidence import eventually

OPERATOR = {"Authorization": "Bearer for-operators"}


class Recommendations:
    """Answers, fails or hangs, as told; counts who asks."""

    def __init__(self) -> None:
        self.status = 200
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = 0
        self.url = ""

    async def recommend(self, request: web.Request) -> web.Response:
        self.asked += 1
        await self.answers.wait()
        user = request.match_info["user"]
        items = [{"sku": "mouse", "score": 1.0, "because": []}]
        return web.json_response({"user_id": user, "items": items}, status=self.status)


@pytest.fixture
async def recommendations() -> AsyncIterator[Recommendations]:
    told = Recommendations()
    app = web.Application()
    app.router.add_get("/recommendations/{user}", told.recommend)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told.url = "http://{}:{}".format(*runner.addresses[0])
    yield told
    await runner.cleanup()


@pytest.fixture
def users(running, recommendations, database_url, tmp_path):
    def make(**settings):
        told = UsersSettings(
            database_url=database_url,
            grpc_port=None,
            redis_url="redis://127.0.0.1:1/0",
            operator_token="for-operators",
            **settings,
        )
        orders = RpcClient(StaticInstances.at("127.0.0.1:1"), OrderServiceStub)
        timeout = told.recommendations_timeout_seconds
        client = HttpClient(recommendations.url, timeout_seconds=timeout)
        return running(build(told, Clients(orders, client)))

    return make


async def test_a_home_has_the_user_and_what_they_may_like(users, recommendations):
    async with users(
        breaker=BreakerSettings(timeout_seconds=60), recommendations_timeout_seconds=60
    ) as client:
        answer = await client.get("/users/user123/home")
    assert answer.headers["x-suggestions"] == "asked"
    home = answer.json()
    assert home["user"]["id"] == "user123"
    assert [item["sku"] for item in home["suggestions"]] == ["mouse"]
    assert home["complete"]


async def test_a_user_who_is_not_there_has_no_home_and_nobody_is_asked(users, recommendations):
    async with users() as client:
        assert (await client.get("/users/nobody/home")).status_code == 404
    assert recommendations.asked == 0


async def test_without_recommendations_the_rest_of_the_home_is_there(users, recommendations):
    recommendations.status = 500
    async with users() as client:
        answer = await client.get("/users/user123/home")
    assert (answer.status_code, answer.headers["x-suggestions"]) == (200, "fallback")
    home = answer.json()
    assert (home["user"]["id"], home["suggestions"], home["complete"]) == ("user123", [], False)


async def test_one_that_hangs_is_soon_asked_no_more_and_once_it_answers_again_it_is(users, recommendations):
    recommendations.answers.clear()
    told = BreakerSettings(
        timeout_seconds=0.2, request_volume_threshold=4, sleep_window_seconds=0.3, window_seconds=60
    )
    async with users(breaker=told, recommendations_timeout_seconds=60) as client:
        async with asyncio.timeout(30):
            for _ in range(4):
                assert (await client.get("/users/user123/home")).headers["x-suggestions"] == "fallback"
        assert recommendations.asked <= 4  # a call's time may be over before it is sent
        state = "breaker_state"
        assert f'{state}{{breaker="recommendations",state="open"}} 1.0' in (await client.get("/metrics")).text
        recommendations.answers.set()

        async def asked_again() -> bool:
            return (await client.get("/users/user123/home")).headers["x-suggestions"] == "asked"

        await eventually(asked_again, interval_seconds=0.02)
        report = (await client.get("/debug/breakers", headers=OPERATOR)).json()
    (breaker,) = report
    assert breaker["snapshot"]["state"] == "closed"
    assert breaker["snapshot"]["totals"]["timeout"] >= 4
    assert breaker["settings"] == told.model_dump()
    walked = [(change["before"], change["after"]) for change in breaker["history"]]
    assert walked[0] == ("closed", "open")
    assert walked[-2:] == [("open", "half-open"), ("half-open", "closed")]


async def test_more_than_are_allowed_at_a_time_do_not_wait(users, recommendations):
    recommendations.answers.clear()
    told = BreakerSettings(timeout_seconds=60, max_concurrent=3, request_volume_threshold=1000)
    async with users(breaker=told, recommendations_timeout_seconds=60) as client, asyncio.timeout(30):
        waiting = [asyncio.create_task(client.get("/users/user123/home")) for _ in range(3)]
        await eventually(lambda: recommendations.asked == 3, interval_seconds=0.01)
        assert (await client.get("/users/user123/home")).headers["x-suggestions"] == "fallback"
        recommendations.answers.set()
        served = await asyncio.gather(*waiting)
    assert [answer.headers["x-suggestions"] for answer in served] == ["asked"] * 3


async def test_unprotected_it_fails_as_recommendations_does(users, recommendations):
    recommendations.status = 500
    async with users(home_protected=False) as client:
        assert (await client.get("/users/user123/home")).status_code >= 500
        assert (await client.get("/debug/breakers", headers=OPERATOR)).json() == []


async def test_its_breakers_are_for_operators_only(users):
    async with users() as client:
        assert (await client.get("/debug/breakers")).status_code in (401, 403)


def test_the_breaker_is_set_by_one_variable(monkeypatch):
    """What it doesn't name keeps its default."""
    monkeypatch.setenv("USERS_BREAKER", '{"sleep_window_seconds": 2}')
    assert UsersSettings().breaker == BreakerSettings(sleep_window_seconds=2)
