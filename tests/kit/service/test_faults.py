"""A running service dies, stands still or fails at a failpoint that an operator armed, and nobody else."""

import asyncio
import signal

import httpx2
import psutil
import pytest
from pydantic import SecretStr

from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.lab.evidence import eventually

TOKEN = "let-me-in"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
STEP = "/debug/failpoints/demo.step"


@pytest.fixture
async def client(process):
    """Of the demo, running, whose operator routes are on."""
    await process.start(OPERATOR_TOKEN=TOKEN)
    await process.ready()
    async with httpx2.AsyncClient(base_url=process.url, headers=OPERATOR, timeout=20) as client:
        yield client


async def test_a_service_told_to_die_at_a_step_is_killed_there(process, client):
    armed = await client.put(STEP, json={"action": "kill", "count": 2})
    assert armed.status_code == 204
    assert (await client.get("/step")).json() == "past the step"
    listed = (await client.get("/debug/failpoints")).json()
    assert listed == {"passed": {"demo.step": 1}, "armed": {"demo.step": "kill"}}
    with pytest.raises(httpx2.TransportError):
        await client.get("/step")
    assert await process.ended() == -signal.SIGKILL
    assert "failpoint reached" in process.log


async def test_a_service_told_to_stop_stands_still_until_it_is_continued(process, client):
    await client.put(STEP, json={"action": "stop"})
    answer = asyncio.create_task(client.get("/step"))
    stopped = psutil.Process(process.pid)
    await eventually(lambda: stopped.status() == psutil.STATUS_STOPPED)
    assert not answer.done()
    process.signal(signal.SIGCONT)
    assert (await answer).json() == "past the step"
    assert (await client.get("/step")).json() == "past the step"


async def test_an_error_is_an_answer_that_can_be_retried_and_a_disarmed_step_is_passed(client):
    await client.put(STEP, json={"action": "error"})
    failed = await client.get("/step")
    assert (failed.status_code, failed.json()["code"]) == (503, 50301)
    await client.put(STEP, json={"action": "error"})
    assert (await client.delete(STEP)).status_code == 204
    assert (await client.get("/step")).status_code == 200


@pytest.mark.parametrize("body", [{}, {"action": "explode"}, {"action": "kill", "count": 0}])
async def test_what_is_no_fault_is_refused(client, body):
    assert (await client.put(STEP, json=body)).status_code == 400


async def test_the_setting_arms_from_the_start(process):
    await process.start(SERVICE_FAILPOINTS="demo.step=kill")
    await process.ready()
    async with httpx2.AsyncClient(base_url=process.url) as client:
        with pytest.raises(httpx2.TransportError):
            await client.get("/step")
    assert await process.ended() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("environment", "token", "headers", "status"),
    [
        ("dev", None, OPERATOR, 404),
        ("prod", TOKEN, OPERATOR, 404),
        ("dev", TOKEN, {}, 401),
        ("dev", TOKEN, {"Authorization": "Bearer other"}, 401),
        ("dev", TOKEN, OPERATOR, 200),
    ],
)
async def test_only_an_operator_reaches_the_routes_and_nobody_in_prod(
    calling, environment, token, headers, status
):
    settings = ServiceSettings(environment=environment, operator_token=SecretStr(token) if token else None)
    async with calling(Service(settings, title="Demo")) as client:
        for answer in (
            await client.get("/debug/failpoints", headers=headers),
            await client.put(STEP, json={"action": "error"}, headers=headers),
            await client.delete(STEP, headers=headers),
        ):
            assert answer.status_code in {status, 204} if status == 200 else answer.status_code == status
