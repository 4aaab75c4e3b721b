"""A service stands still or dies exactly where it is told to, and at no other step."""

import asyncio

import httpx2
import pytest

from workbook_lib.lab import Lab, LabError, faults

SERVICE = """
from workbook_lib.kit.failpoints import failpoint
from workbook_lib.kit.service import Service, main
from workbook_lib.kit.settings import ServiceSettings

class Settings(ServiceSettings):
    model_config = {"env_prefix": "STEPS_"}
    service: str = "steps-service"

def build(settings):
    service = Service(settings, title="Steps")
    @service.app.get("/step")
    async def step() -> str:
        failpoint("steps.one")
        return "past it"
    return service

main(Settings, build)
"""


@pytest.fixture
async def steps(tmp_path):
    """A lab in which a service of the kit runs; GET /step passes its one failpoint."""
    folder = tmp_path / "services" / "steps"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(SERVICE)
    (folder / "service.toml").write_text('service = "steps-service"\nport = 8085\n')
    async with Lab("3.3", root=tmp_path) as lab:
        await lab.start("steps")
        yield lab


async def _step(handle):
    async with httpx2.AsyncClient(timeout=30) as client:
        return (await client.get(f"{handle.url}/step")).content


async def test_a_service_is_held_at_the_step_and_goes_on_after_the_block(steps):
    handle = steps["steps"]
    async with faults.held_at(handle, "steps.one", count=2) as held:
        assert b"past it" in await _step(handle)
        asking = asyncio.create_task(_step(handle))
        await held.reached()
        assert not asking.done()
    assert b"past it" in await asking
    assert await faults.passed(handle) == {"steps.one": 2}


async def test_a_step_that_is_not_come_to_is_an_error_and_nothing_stays_armed(steps):
    handle = steps["steps"]
    async with faults.held_at(handle, "steps.never") as held:
        with pytest.raises(LabError, match=r"steps.never wasn't reached"):
            await held.reached(0.1)
    async with faults.held_at(handle, "steps.one"):
        pass
    assert b"past it" in await _step(handle)


async def test_a_service_told_to_die_there_is_no_loss_and_can_be_started_again(steps):
    handle = steps["steps"]
    await faults.kill_at(handle, "steps.one")
    await faults.disarm(handle, "steps.one")
    assert b"past it" in await _step(handle)
    await faults.kill_at(handle, "steps.one")
    with pytest.raises(httpx2.TransportError):
        await _step(handle)
    assert await faults.died(handle) == -9
    steps.check()
    await steps.start("steps")
    assert b"past it" in await _step(steps["steps"])


async def test_what_has_no_operator_routes_is_refused_by_name(steps):
    await steps.start("redis")
    with pytest.raises(LabError, match="redis"):
        await faults.kill_at(steps["redis"], "steps.one")
