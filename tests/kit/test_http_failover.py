"""Which HTTP calls go to another instance, against servers on real sockets that fail as they are told."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.kit.test_http import server, started
from workbook_lib.kit import errors
from workbook_lib.kit.breaker import Breakers, BreakerSettings
from workbook_lib.kit.discovery import StaticInstances


class Broken(Exception):
    """Makes the test's server close the connection instead of answering."""


class Answers:
    """Answers with a status, breaks the connection, or hangs; counts what arrived."""

    def __init__(self, status: int = 200, body: str = "{}", *, breaks: bool = False, hangs: bool = False):
        self.arrived = 0
        self._status, self._body, self._breaks, self._hangs = status, body, breaks, hangs

    async def __call__(self, _: list[str]) -> tuple[int, str]:
        self.arrived += 1
        if self._breaks:
            raise asyncio.IncompleteReadError(b"", 1)  # what the server takes for the end of a connection
        if self._hangs:
            await asyncio.Event().wait()
        return self._status, self._body


async def called(
    first: Answers | None, method: str = "GET", *, idempotent: bool | None = None, **options
) -> tuple[int, int]:
    """How many requests arrived at the failing instance and at the good one behind it; None refuses."""
    good = Answers()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(server(first)) if first else "http://127.0.0.1:1"
        two = await stack.enter_async_context(server(good))
        client = await stack.enter_async_context(started(StaticInstances.at(one, two), **options))
        await client.request(method, "/", idempotent=idempotent)
    return first.arrived if first else 0, good.arrived


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_a_refused_connection_sends_any_call_elsewhere_since_nothing_was_sent(method):
    assert await called(None, method, retries=1) == (0, 1)


@pytest.mark.parametrize("first", [Answers(breaks=True), Answers(503)], ids=["broken", "503"])
async def test_an_idempotent_call_is_sent_again_after_it_may_have_arrived(first):
    """Methods: RFC 9110, 9.2.2; or the caller says so, as of a POST with an idempotency key."""
    for method, idempotent in [("GET", None), ("PUT", None), ("DELETE", None), ("POST", True)]:
        first.arrived = 0
        assert await called(first, method, idempotent=idempotent, retries=1) == (1, 1)


@pytest.mark.parametrize("first", [Answers(breaks=True), Answers(503)], ids=["broken", "503"])
@pytest.mark.parametrize(("method", "idempotent"), [("POST", None), ("GET", False)])
async def test_one_that_is_not_idempotent_is_sent_once(first, method, idempotent):
    first.arrived = 0
    with pytest.raises(errors.Unavailable):
        await called(first, method, idempotent=idempotent, retries=2)
    assert first.arrived == 1


@pytest.mark.parametrize("status", [400, 404, 409, 429, 500, 502, 504])
async def test_an_answer_that_another_instance_would_give_too_is_not_asked_for_again(status):
    first = Answers(status)
    with pytest.raises(errors.ServiceError) as raised:
        await called(first, retries=2)
    assert (raised.value.status, first.arrived) == (status, 1)


async def test_without_retries_a_failure_is_the_callers():
    with pytest.raises(errors.Unavailable):
        await called(None)


async def test_the_whole_call_with_its_retries_ends_with_its_time():
    first = Answers(hangs=True)
    async with asyncio.timeout(15):
        with pytest.raises(errors.DeadlineExceeded, match="no answer in 2 s"):
            await called(first, retries=5, timeout_seconds=2)
    assert first.arrived == 1


async def test_an_instance_that_hangs_is_left_when_its_breakers_time_is_over():
    breakers = Breakers(BreakerSettings(timeout_seconds=2))
    assert await called(Answers(hangs=True), retries=1, breakers=breakers) == (1, 1)


async def test_a_redirect_is_an_answer_like_any_other():
    async with server(Answers(304, "")) as url, started(url, retries=1) as client:
        assert (await client.get("/")).status_code == 304
