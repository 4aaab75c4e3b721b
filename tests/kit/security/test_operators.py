"""Operator routes: nobody gets in without the token, from elsewhere, or through a proxy."""

import httpx2
import pytest
from fastapi import Depends
from pydantic import SecretStr

from workbook_lib.kit.security.operators import OperatorGuard
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

TOKEN = "let-me-in"
GOOD = {"Authorization": f"Bearer {TOKEN}"}


def guarded(token: str | None) -> Service:
    service = Service(ServiceSettings(service="demo"), title="Demo")
    guard = OperatorGuard(SecretStr(token) if token is not None else None)

    @service.app.get("/operator", dependencies=[Depends(guard)])
    async def operator() -> str:
        return "inside"

    return service


async def ask(token: str | None, headers: dict[str, str], peer: str = "127.0.0.1") -> httpx2.Response:
    transport = httpx2.ASGITransport(guarded(token).app, client=(peer, 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://demo") as client:
        return await client.get("/operator", headers=headers)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_the_token_opens_the_route_to_a_caller_on_this_machine(peer: str) -> None:
    answer = await ask(TOKEN, GOOD, peer)
    assert (answer.status_code, answer.json()) == (200, "inside")


@pytest.mark.parametrize(
    "authorization",
    ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer let-me-i", f"Bearer {TOKEN}n", "Bearer \xe9"],
)
async def test_anything_but_the_token_is_a_401_that_says_how_to_do_better(authorization: str) -> None:
    headers = {"Authorization": authorization.encode("latin-1")} if authorization else {}
    answer = await ask(TOKEN, headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (401, 40101)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", [None, ""])
async def test_without_a_configured_token_nobody_gets_in(token: str | None) -> None:
    for headers in ({}, GOOD, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        answer = await ask(token, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, 40301)


@pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.7", "testclient"])
async def test_another_machine_is_refused_even_with_the_token(peer: str) -> None:
    assert (await ask(TOKEN, GOOD, peer)).status_code == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_a_proxy_on_this_machine_does_not_make_its_callers_local(header: str) -> None:
    assert (await ask(TOKEN, GOOD | {header: "127.0.0.1"})).status_code == 403


def test_the_openapi_document_says_that_the_route_needs_a_bearer_token() -> None:
    document = guarded(TOKEN).app.openapi()
    assert document["paths"]["/operator"]["get"]["security"] == [{"operator token": []}]
    assert document["components"]["securitySchemes"]["operator token"]["scheme"] == "bearer"
