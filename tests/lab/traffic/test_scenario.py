"""Several loads share one clock with what is done meanwhile and with what the services held."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace

import psutil
import pytest
from aiohttp import web

from workbook_lib.lab.evidence import ProcessWatch, eventually
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.traffic import LoadPlan, LoadResult, Sample, TrafficError, run_scenario

pytestmark = pytest.mark.alone


class Gate:
    """A server whose answers can be held back; it offers what the kit's services do: requests under way."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.opened.set()
        self.under_way = 0
        self.asked = 0
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.under_way += 1
        self.asked += 1
        try:
            await self.opened.wait()
        finally:
            self.under_way -= 1
        return web.Response()

    async def metrics(self, _: web.Request) -> web.Response:
        text = f"# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight {self.under_way + 1}\n"
        return web.Response(text=text)

    async def close(self) -> None:
        self.opened.clear()

    async def open(self) -> None:
        self.opened.set()


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    held = Gate()
    app = web.Application()
    app.router.add_get("/metrics", held.metrics)
    app.router.add_get("/{path:.*}", held.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    held.url = "http://{}:{}".format(*runner.addresses[0])
    yield held
    held.opened.set()
    await runner.cleanup()


@pytest.fixture
def served(gate: Gate) -> Handle:
    """This process, as the lab holds one."""
    return Handle("served", {}, {"http": gate.url}, process=SimpleNamespace(pid=os.getpid(), alive=True))


async def test_loads_steps_and_services_are_on_one_clock(gate: Gate, served: Handle):
    plans = {
        "steady": LoadPlan(gate.url, rate=20, seconds=3, timeout_seconds=10),
        "burst": LoadPlan(gate.url, rate=100, seconds=0.2, after_seconds=1.5, timeout_seconds=10),
    }
    # Long before the burst comes, and long after it: a step is taken when the machine comes to it.
    steps = {"opened": (2.6, gate.open), "closed": (0.2, gate.close)}
    played = await run_scenario(plans, steps=steps, watch=[served])
    steady, burst = played.loads["steady"], played.loads["burst"]
    assert [sample.start_seconds for sample in burst.timeline] == pytest.approx(
        [1.5 + number / 100 for number in range(20)], abs=1e-5
    )
    assert [round(sample.start_seconds, 2) for sample in steady.timeline][:3] == [0, 0.05, 0.1]
    assert (steady.requests, burst.requests, steady.failures + burst.failures) == (60, 20, 0)
    assert list(played.marks) == ["closed", "opened"]
    assert 0.2 <= played.marks["closed"] < played.marks["opened"]
    # What came while the gate was closed waited for it, and the service says that it held that much.
    freed = played.marks["opened"]
    for sample in burst.timeline:
        if sample.start_seconds > played.marks["closed"]:
            assert sample.start_seconds + sample.latency_ms / 1000 >= freed - 0.1
    assert played.most_under_way("served") > 20
    assert "served: at most" in repr(played)
    first = played.processes["served"][0]
    assert 0 <= played.seconds(first.at) < freed
    assert played.seconds(played.began_at + timedelta(seconds=1.5)) == 1.5


async def test_a_step_that_fails_ends_the_load_and_is_raised(gate: Gate):
    async def fail() -> None:
        raise OSError("no such fault")

    load = {"steady": LoadPlan(gate.url, rate=5, seconds=60)}
    async with asyncio.timeout(20):
        with pytest.raises(OSError, match="no such fault"):
            await run_scenario(load, steps={"fault": (0.1, fail)})
    assert not [p for p in psutil.Process().children() if "workbook_lib.lab.traffic" in p.cmdline()]


async def test_a_plan_out_of_bounds_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match="after_seconds is 121; it must lie above 0 and up to 120"):
        LoadPlan("http://127.0.0.1:9/", after_seconds=121)


async def test_a_traffic_process_that_dies_ends_the_scenario(gate: Gate):
    running = asyncio.create_task(run_scenario({"steady": LoadPlan(gate.url, rate=5, seconds=60)}))
    await eventually(lambda: gate.asked)  # its order was taken
    (traffic,) = [p for p in psutil.Process().children() if "workbook_lib.lab.traffic" in p.cmdline()]
    traffic.kill()
    with pytest.raises(TrafficError, match="exit code -9"):
        await asyncio.wait_for(running, 10)


async def test_a_service_that_dies_is_left_out_from_then_on(gate: Gate, served: Handle):
    async with ProcessWatch(served, interval_seconds=0.01) as watch:
        await eventually(lambda: len(watch.samples["served"]) > 2)
        served.process.alive = False
        seen = await eventually(lambda: len(watch.samples["served"]))
        assert all(sample.under_way == 0 for sample in watch.samples["served"])
        assert all(sample.resident_bytes > 1e6 for sample in watch.samples["served"])
    assert len(watch.samples["served"]) <= seen + 1


async def test_a_service_that_does_not_say_how_much_is_under_way_is_watched_all_the_same(served: Handle):
    served.addresses = {"http": "http://127.0.0.1:9"}
    async with ProcessWatch(served, interval_seconds=0.01) as watch:
        await eventually(lambda: watch.samples["served"])
    assert watch.samples["served"][0].under_way is None


def test_loads_that_were_sent_together_can_be_seen_as_one():
    one = LoadResult("a", 2.0, (Sample(0.0, 1.0, 200), Sample(1.0, 1.0, 429)), {"429": 1})
    two = LoadResult("b", 3.0, (Sample(0.5, 1.0, 429),), {"429": 1})
    both = LoadResult.merged([one, two])
    assert [sample.start_seconds for sample in both.timeline] == [0.0, 0.5, 1.0]
    assert (both.requests, both.failures, both.seconds, both.reasons) == (3, 2, 3.0, {"429": 2})
