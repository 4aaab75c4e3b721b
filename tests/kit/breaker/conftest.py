"""Breakers that are as short-tempered as a test likes."""

import asyncio
from collections.abc import Callable

import pytest

from workbook_lib.kit.breaker import Breaker, BreakerSettings
from workbook_lib.kit.clock import ManualClock

MakeBreaker = Callable[..., Breaker]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> Breaker:
    """All defaults, on the test's clock."""
    return Breaker("users", clock=clock)


@pytest.fixture
def touchy(clock: ManualClock) -> Breaker:
    """Opens with the first error."""
    return Breaker("users", BreakerSettings(request_volume_threshold=1), clock=clock)


async def ok() -> str:
    return "ok"


async def fails() -> str:
    raise ConnectionError("the callee is gone")


async def hangs() -> str:
    await asyncio.Event().wait()
    return "never"
