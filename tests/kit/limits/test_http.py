"""What a caller over its limit is told, and who counts as one caller."""

import asyncio

import pytest
from fastapi import WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import TooManyRequests
from workbook_lib.kit.limits import Quota, TokenBucket
from workbook_lib.kit.limits.http import ConcurrencyLimit, RateLimit, by_address, enforce, rate_limit_headers
from workbook_lib.kit.security.client_address import ForwardedClient, networks
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

QUOTA = Quota("default", 3, 10)


def limited(*, trusted=(), clock=None):
    service = Service(ServiceSettings(service="demo"), title="Demo")
    service.add_middleware(ForwardedClient, trusted=networks(trusted))
    service.add_middleware(RateLimit, limiter=TokenBucket(QUOTA, clock=clock or ManualClock()))

    @service.app.get("/")
    async def root() -> str:
        return "here"

    return service


async def test_a_caller_over_its_limit_is_told_when_to_come_back(calling):
    clock = ManualClock()
    async with calling(limited(clock=clock)) as client:
        answers = [await client.get("/") for _ in range(4)]
        refused = answers.pop()
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert [answer.headers["ratelimit"] for answer in answers] == [
            '"default";r=2;t=4',
            '"default";r=1;t=7',
            '"default";r=0;t=10',
        ]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"default";q=3;w=10'}
        body = refused.json()
        assert (refused.status_code, body["code"], body["details"]) == (
            429,
            42901,
            {"retry_after_seconds": 4},
        )
        assert refused.headers["retry-after"] == "4"  # 3 1/3 seconds, rounded up
        assert refused.headers["ratelimit"] == '"default";r=0;t=10'
        assert "traceId" in body
        await clock.advance(int(refused.headers["retry-after"]))
        assert (await client.get("/")).status_code == 200


async def test_an_overloaded_instance_still_tells_that_it_lives(calling):
    async with calling(limited()) as client:
        assert {
            (await client.get(path)).status_code for path in ("/health", "/metrics") for _ in range(5)
        } == {200}


async def test_rotating_x_forwarded_for_does_not_evade_the_limit(calling):
    async with calling(limited()) as client:
        statuses = [
            (await client.get("/", headers={"X-Forwarded-For": f"203.0.113.{number}"})).status_code
            for number in range(10)
        ]
    assert statuses == [200] * 3 + [429] * 7


async def test_behind_a_trusted_proxy_rotating_it_does_not_evade_the_limit_either(calling):
    """What the caller writes stands left of what the proxy appends."""
    async with calling(limited(trusted=["127.0.0.1"])) as client:
        statuses = [
            (
                await client.get("/", headers={"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.7"})
            ).status_code
            for number in range(10)
        ]
        others = await client.get("/", headers={"X-Forwarded-For": "198.51.100.8"})
    assert statuses == [200] * 3 + [429] * 7
    assert others.status_code == 200  # and the proxy's other callers aren't refused for it


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("unix", "unix"),
    ],
)
def test_a_caller_is_an_address_and_with_ipv6_a_network(host, key):
    assert by_address({"client": (host, 1)}) == key


def test_callers_without_an_address_share_one_quota():
    assert by_address({"client": None}) == by_address({}) == ""


async def test_a_route_can_have_a_limit_of_its_own():
    limiter = TokenBucket(Quota("login", 1, 60), clock=ManualClock())
    assert (await enforce(limiter, "alice")).remaining == 0
    with pytest.raises(TooManyRequests) as refused:
        await enforce(limiter, "alice")
    assert refused.value.headers == {
        "Retry-After": "60",
        "RateLimit-Policy": '"login";q=1;w=60',
        "RateLimit": '"login";r=0;t=60',
    }
    assert rate_limit_headers(await limiter.take("bob"))["RateLimit"] == '"login";r=0;t=60'


def test_the_handshake_of_a_websocket_counts_too():
    service = limited()

    @service.app.websocket("/talk")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    with TestClient(service.app, client=("192.0.2.7", 1)) as client:
        for _ in range(3):
            with client.websocket_connect("/talk"):
                pass
        with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/talk"):
            pass
        assert (refused.value.status_code, refused.value.json()["code"]) == (429, 42901)
        assert client.get("/").status_code == 429


async def test_one_request_too_many_at_the_same_time_is_refused_and_places_are_given_back(calling):
    service = Service(ServiceSettings(service="demo"), title="Demo")
    service.add_middleware(ConcurrencyLimit, limit=2)
    entered, leave = asyncio.Semaphore(0), asyncio.Event()

    @service.app.get("/")
    async def root() -> str:
        entered.release()
        await leave.wait()
        raise TooManyRequests("of another kind")

    async with calling(service) as client, asyncio.timeout(30):
        under_way = [asyncio.create_task(client.get("/")) for _ in range(2)]
        for _ in under_way:
            await entered.acquire()
        refused = await client.get("/")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert (await client.get("/health")).status_code == 200
        under_way[0].cancel()
        await asyncio.gather(under_way[0], return_exceptions=True)
        leave.set()
        await asyncio.gather(under_way[1], client.get("/"))
        answers = await asyncio.gather(client.get("/"), client.get("/"))
        assert [answer.json()["message"] for answer in answers] == ["of another kind"] * 2


async def test_each_caller_has_places_of_its_own():
    async def answer(scope, receive, send):
        await asyncio.Event().wait()

    limit = ConcurrencyLimit(answer, 1)
    scopes = [{"type": "http", "path": "/", "client": (f"192.0.2.{number}", 1)} for number in (1, 2)]
    tasks = [asyncio.create_task(limit(scope, None, None)) for scope in scopes]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests, match="1 at the same time"):
        await limit(scopes[0], None, None)
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
