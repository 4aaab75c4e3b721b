"""A chapter can ask a running service for its breakers."""

import asyncio
from types import SimpleNamespace

import pytest
import uvicorn

from workbook_lib.kit.breaker import Breakers, BreakerSettings
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.lab.evidence import EvidenceError, breakers, eventually
from workbook_lib.lab.handle import Handle

TOLD = BreakerSettings(request_volume_threshold=2, sleep_window_seconds=60)


@pytest.fixture
def guarded():
    return Breakers(TOLD)


@pytest.fixture
async def served(guarded):
    service = Service(ServiceSettings(service="demo", operator_token="for-operators"), title="Demo")
    service.add_breakers(guarded)
    config = uvicorn.Config(service.app, host="127.0.0.1", port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started, interval_seconds=0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    alive = SimpleNamespace(alive=True)
    yield Handle(
        "demo", {}, {"http": f"http://127.0.0.1:{port}"}, process=alive, operator_token="for-operators"
    )
    server.should_exit = True
    await serving


async def fail():
    raise Unavailable("gone")


async def test_each_breaker_tells_its_state_its_counts_and_how_it_came_there(served, guarded):
    for _ in range(3):
        assert await guarded.of("prices").call(fail, fallback=lambda _: "old ones") == "old ones"
    guarded.of("users")
    told = await breakers(served)
    assert sorted(told) == ["prices", "users"]
    prices = told["prices"]
    assert (prices.snapshot.state, told["users"].snapshot.state) == ("open", "closed")
    totals = prices.snapshot.totals
    assert (totals.failure, totals.short_circuited, totals.fallback_success) == (2, 1, 3)
    assert [(change.before, change.after) for change in prices.history] == [("closed", "open")]
    assert prices.history[0].at.tzinfo
    assert prices.settings == TOLD


async def test_without_the_token_nothing_is_told(served):
    served.operator_token = "guessed"
    with pytest.raises(EvidenceError, match="demo shows no breakers"):
        await breakers(served)
