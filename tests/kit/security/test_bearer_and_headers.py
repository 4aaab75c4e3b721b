"""Routes that need a token, and the headers that go with every answer."""

from typing import Annotated

import pytest
from fastapi import Depends
from fastapi.responses import HTMLResponse

from workbook_lib.kit.security.bearer import BearerToken
from workbook_lib.kit.security.headers import SecurityHeaders
from workbook_lib.kit.security.tokens import Claims, SigningKey, Tokens
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

TOKENS = Tokens([SigningKey.new("k1")], issuer="demo", audience="demo")


@pytest.fixture
def service():
    service = Service(ServiceSettings(service="demo"), title="Demo")
    service.add_middleware(SecurityHeaders)
    bearer = BearerToken(TOKENS)

    @service.app.get("/me")
    async def me(claims: Annotated[Claims, Depends(bearer)]) -> str:
        return claims.subject

    @service.app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("<p>", headers={"X-Content-Type-Options": "nosniff"})

    return service


async def test_the_caller_of_a_route_is_the_subject_of_the_token(service, calling):
    async with calling(service) as client:
        answer = await client.get("/me", headers={"Authorization": f"Bearer {TOKENS.issue('user123')}"})
    assert (answer.status_code, answer.json()) == (200, "user123")


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, "Bearer"),
        ("Basic dXNlcjpwYXNz", "Bearer"),
        ("Bearer", "Bearer"),
        ("Bearer nonsense", 'Bearer error="invalid_token"'),
    ],
)
async def test_without_a_valid_token_a_route_answers_401_and_says_what_it_wants(
    service, calling, authorization, challenge
):
    """RFC 6750, 3.1: no error code when there was no token at all."""
    headers = {"Authorization": authorization} if authorization else {}
    async with calling(service) as client:
        answer = await client.get("/me", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, 40101)
    assert answer.headers["www-authenticate"] == challenge


async def test_a_token_in_the_address_does_not_count(service, calling):
    """It would stand in logs and histories."""
    async with calling(service) as client:
        answer = await client.get("/me", params={"access_token": TOKENS.issue("user123")})
    assert answer.status_code == 401


async def test_json_is_neither_sniffed_nor_framed_and_pages_keep_their_scripts(service, calling):
    async with calling(service) as client:
        for path in ("/me", "/nowhere"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        page = (await client.get("/page")).headers
    assert "content-security-policy" not in page
    assert page.get_list("x-content-type-options") == ["nosniff"]
