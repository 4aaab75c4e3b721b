"""Operators see where a service's time and memory go; nobody else sees anything."""

import asyncio
from collections.abc import Iterator

import httpx2
import pytest
from pydantic import SecretStr

from workbook_lib.kit.clock import ManualClock, SystemClock
from workbook_lib.kit.service import Service, profiling
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.lab.evidence import eventually

TOKEN = "let-me-in"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
ROUTES = ["/debug/profile", "/debug/memory", "/debug/tasks"]


def demo(token: str | None = TOKEN) -> Service:
    service = Service(
        ServiceSettings(service="demo", operator_token=SecretStr(token) if token else None), title="Demo"
    )

    @service.app.get("/wait")
    async def wait() -> None:
        await patiently()

    return service


async def patiently() -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def client(calling):
    async with calling(demo()) as client:
        yield client


async def begun() -> None:
    """In this process requests advance a step a turn of the loop: after these many, one is in its handler."""
    for _ in range(200):
        await asyncio.sleep(0)


def flat(frame: dict) -> Iterator[dict]:
    yield frame
    for child in frame["children"]:
        yield from flat(child)


def self_seconds(frame: dict) -> float:
    return frame["seconds"] - sum(child["seconds"] for child in frame["children"])


@pytest.mark.parametrize("route", ROUTES)
async def test_without_a_configured_token_there_are_no_such_routes(calling, route):
    async with calling(demo(token=None)) as client:
        assert (await client.get(route, headers=OPERATOR)).status_code == 404


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer something-else"}])
async def test_no_token_and_a_wrong_one_are_refused(client, route, headers):
    answer = await client.get(route, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, 40101)


@pytest.mark.parametrize("route", ROUTES)
async def test_the_token_is_no_use_on_another_machine(route):
    transport = httpx2.ASGITransport(demo().app, client=("192.0.2.7", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://demo") as client:
        assert (await client.get(route, headers=OPERATOR)).status_code == 403


def test_none_of_it_is_in_the_openapi_document():
    assert "/debug" not in str(demo().app.openapi())


async def test_one_profile_at_a_time(client, monkeypatch):
    clock = ManualClock()
    with monkeypatch.context() as standing_still:
        standing_still.setattr(profiling, "SYSTEM_CLOCK", clock)
        first = asyncio.create_task(client.get("/debug/profile?seconds=0.3", headers=OPERATOR))
        await begun()
        second = await client.get("/debug/profile?seconds=0.1", headers=OPERATOR)
    assert (second.status_code, second.json()["code"]) == (409, 40901)
    await clock.advance(0.3)
    assert (await first).status_code == 200
    assert (await client.get("/debug/profile?seconds=0.1", headers=OPERATOR)).status_code == 200


async def test_a_profile_that_nobody_waits_for_any_more_frees_its_place(client):
    asked = asyncio.create_task(client.get("/debug/profile?seconds=30", headers=OPERATOR))
    await begun()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert (await client.get("/debug/profile?seconds=0.1", headers=OPERATOR)).status_code == 200


@pytest.mark.parametrize("seconds", ["0.01", "31", "nan", "inf", "many"])
async def test_how_long_is_bounded(client, seconds):
    for route in ROUTES[:2]:
        assert (await client.get(f"{route}?seconds={seconds}", headers=OPERATOR)).status_code == 400


async def test_a_profile_is_a_tree_in_which_no_function_takes_longer_than_its_caller(client):
    async def work() -> None:
        while True:
            sum(range(2_000))
            await asyncio.sleep(0)

    async def measured() -> dict:
        profile = (await client.get("/debug/profile?seconds=0.3", headers=OPERATOR)).json()
        assert profile["samples"] > 10
        assert 0.3 <= profile["seconds"] < 3
        assert 0 < profile["cpu_seconds"] <= profile["seconds"]
        return profile

    working = asyncio.create_task(work())
    profile = await eventually(measured)  # a machine that stands still spoils a profile
    working.cancel()
    for frame in flat(profile["root"]):
        assert self_seconds(frame) > -0.001
    assert "work" in {frame["function"].split(".")[-1] for frame in flat(profile["root"])}


async def test_a_profile_can_be_had_for_speedscope(client):
    profile = (await client.get("/debug/profile?seconds=0.1&format=speedscope", headers=OPERATOR)).json()
    assert profile["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert profile["profiles"][0]["events"]


async def test_the_busy_function_of_a_service_under_load_is_found_on_top(process):
    await process.start(DEMO_OPERATOR_TOKEN=TOKEN)
    await process.ready()
    async with httpx2.AsyncClient(base_url=process.url, timeout=10) as client:

        async def load() -> None:
            while True:
                await client.get("/busy")

        async def on_top() -> dict:
            profile = (await client.get("/debug/profile?seconds=1", headers=OPERATOR)).json()
            busiest = max(flat(profile["root"]), key=self_seconds)
            assert busiest["function"] == "count_on_the_loop"
            assert self_seconds(busiest) > profile["seconds"] / 3
            return busiest

        loading = [asyncio.create_task(load()) for _ in range(4)]
        busiest = await eventually(on_top)  # while this process stands still, there is no load
        for task in loading:
            task.cancel()
        await asyncio.gather(*loading, return_exceptions=True)
    assert busiest["file"].endswith("demo_service.py")


async def test_memory_names_the_line_that_keeps_what_it_allocates(client, monkeypatch):
    kept = []

    class Leaking(SystemClock):
        async def sleep(self, seconds: float) -> None:
            kept.extend(bytes(1000) for _ in range(2_000))
            await super().sleep(seconds)

    monkeypatch.setattr(profiling, "SYSTEM_CLOCK", Leaking())
    memory = (await client.get("/debug/memory?seconds=0.3&top=3", headers=OPERATOR)).json()
    assert len(memory["allocated"]) == 3
    most = memory["allocated"][0]
    assert most["file"] == __file__
    assert most["bytes"] > 2_000_000
    assert memory["peak_resident_bytes"] > 10_000_000


async def test_tasks_tell_the_whole_chain_of_awaits_and_every_thread(client):
    waiting = asyncio.create_task(client.get("/wait"), name="somebody waits")
    await begun()
    dump = (await client.get("/debug/tasks", headers=OPERATOR)).json()
    waiting.cancel()
    (task,) = [task for task in dump["tasks"] if task["name"] == "somebody waits"]
    places = [place.split(" ")[0] for place in task["stack"]]
    assert places.index("demo.<locals>.wait") < places.index("patiently") < places.index("Event.wait")
    assert "MainThread" in {thread["name"] for thread in dump["threads"]}
    assert any("dump" in place for thread in dump["threads"] for place in thread["stack"])
