"""CORS: what an allowed origin gets, what another doesn't, and policies that nobody can configure."""

import pytest

from workbook_lib.kit.security.cors import Cors, CorsPolicy
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

SHOP = "https://shop.example"
POLICY = CorsPolicy(origins=[SHOP], credentials=True)
OTHERS = [
    "https://evil.test",
    "null",
    "https://shop.example.evil.test",
    "https://evilshop.example",
    "http://shop.example",
    "https://shop.example:8443",
    "https://shop.example/",
    "https://SHOP.example",
    "",
]


@pytest.fixture
def asking(calling):
    def ask(policy=POLICY):
        service = Service(ServiceSettings(service="demo"), title="Demo")
        service.add_middleware(Cors, policy=policy)

        @service.app.put("/things")
        async def put() -> str:
            return "put"

        @service.app.get("/bug")
        async def bug() -> str:
            raise RuntimeError

        return calling(service)

    return ask


def preflight(origin, method="PUT", headers="content-type"):
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


async def test_an_allowed_origin_may_ask_and_read(asking):
    async with asking() as client:
        asked = await client.options("/things", headers=preflight(SHOP))
        answer = await client.put("/things", headers={"Origin": SHOP})
    assert asked.status_code == 200
    assert "PUT" in asked.headers["access-control-allow-methods"]
    for given in (asked, answer):
        assert given.headers["access-control-allow-origin"] == SHOP
        assert given.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in given.headers["vary"]


@pytest.mark.parametrize("origin", OTHERS)
async def test_no_other_origin_is_reflected_or_given_anything(asking, origin):
    async with asking() as client:
        asked = await client.options("/things", headers=preflight(origin))
        answer = await client.put("/things", headers={"Origin": origin})
    assert (asked.status_code, asked.json()["code"]) == (403, 40301)
    assert answer.status_code == 200  # the browser keeps it from the page
    for given in (asked, answer):
        assert "access-control-allow-origin" not in given.headers
        assert "Origin" in given.headers["vary"]  # a cache must not hand it to the allowed origin


@pytest.mark.parametrize("part", [{"method": "BREW"}, {"headers": "x-secret"}])
async def test_what_the_policy_does_not_list_is_refused_to_an_allowed_origin_too(asking, part):
    async with asking() as client:
        assert (await client.options("/things", headers=preflight(SHOP, **part))).status_code == 403


async def test_an_allowed_origin_can_read_failures_too(asking):
    async with asking() as client:
        for path in ("/bug", "/nowhere"):
            answer = await client.get(path, headers={"Origin": SHOP})
            assert answer.headers["access-control-allow-origin"] == SHOP


async def test_by_default_no_origin_is_allowed(asking):
    async with asking(CorsPolicy()) as client:
        assert (await client.options("/things", headers=preflight(SHOP))).status_code == 403


async def test_everybody_may_read_what_is_public_and_nobody_with_credentials(asking):
    async with asking(CorsPolicy(origins=["*"])) as client:
        answer = await client.put("/things", headers={"Origin": "https://any.test", "Cookie": "session=1"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_a_wildcard_with_credentials_is_refused():
    with pytest.raises(ValueError, match="with credentials"):
        CorsPolicy(origins=["*"], credentials=True)


@pytest.mark.parametrize(
    "origin", ["null", "https://*.example", "shop.example", f"{SHOP}/", f"{SHOP}/a", "https://"]
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(ValueError, match="is no origin"):
        CorsPolicy(origins=[origin])


@pytest.mark.parametrize("origin", [SHOP, "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"])
def test_an_origin_is_scheme_host_and_port(origin):
    assert CorsPolicy(origins=[origin]).allows(origin)
