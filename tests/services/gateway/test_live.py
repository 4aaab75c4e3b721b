"""What the gateway passes on to a service that is deployed blue-green, here at its fixed address."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from aiohttp import web

from services.gateway.app import build
from services.gateway.settings import GatewaySettings


@pytest.fixture
async def shop() -> AsyncIterator[web.AppRunner]:
    """A real HTTP server that answers with what it was asked."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/missing":
            body = {"code": 40402, "message": "none", "timestamp": "", "traceId": ""}
            return web.json_response(body, status=404)
        asked = {
            "method": request.method,
            "path": request.raw_path,
            "type": request.content_type,
            "body": await request.text(),
        }
        return web.json_response(asked, headers={"X-Version": "1.0.0+abc", "X-Inside": "secret"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    await runner.cleanup()


@pytest.fixture
async def edge(shop, running) -> AsyncIterator[httpx2.AsyncClient]:
    url = f"http://127.0.0.1:{shop.addresses[0][1]}"
    async with running(build(GatewaySettings(shop_url=url))) as client:
        yield client


async def test_method_path_query_and_body_reach_the_service(edge):
    assert (await edge.get("/shop/prices/mouse", params={"quantity": 2})).json() == {
        "method": "GET",
        "path": "/prices/mouse?quantity=2",
        "type": "application/octet-stream",
        "body": "",
    }
    posted = (await edge.post("/shop/orders", json={"sku": "mouse"})).json()
    assert (posted["method"], posted["type"], posted["body"]) == (
        "POST",
        "application/json",
        '{"sku":"mouse"}',
    )


async def test_the_version_is_passed_on_and_no_other_header_of_the_inside(edge):
    answer = await edge.get("/shop/")
    assert answer.headers["x-version"] == "1.0.0+abc"
    assert "x-inside" not in answer.headers


async def test_the_services_error_is_the_gateways(edge):
    answer = await edge.get("/shop/missing")
    assert (answer.status_code, answer.json()["code"]) == (404, 40402)


@pytest.mark.parametrize(
    "path", ["/shop/a%3Fb=c", "/shop/..%2Fetc", "/shop/a%0d%0aHost:x", "/shop/" + "a" * 300]
)
async def test_a_path_that_could_become_something_else_is_refused(edge, path):
    assert (await edge.get(path)).status_code in (400, 404)


async def test_without_consul_there_is_no_deployment_to_choose(edge):
    assert (await edge.get("/deployments/shop")).json() == {"service": "shop", "live": None, "wanted": None}
