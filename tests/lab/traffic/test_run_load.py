"""Load comes from a process of its own, keeps to its plan and bounds, and never outlives who ordered it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import psutil
import pytest
from aiohttp import web

from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.traffic import LoadPlan, TrafficError, connections, hold_connections, run_load

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """An HTTP server in the test's own loop, and what it saw."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self.requests: list[web.Request] = []
        self.answer: Handler = self.ok

    @property
    def url(self) -> str:
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/"

    @property
    def connections(self) -> int:
        return len(self._runner.server.connections)

    async def ok(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    app = web.Application()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    served = Server(runner)

    async def handle(request: web.Request) -> web.StreamResponse:
        served.requests.append(request)
        return await served.answer(request)

    app.router.add_route("*", "/{path:.*}", handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield served
    await runner.cleanup()


def traffic_processes() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "workbook_lib.lab.traffic" in p.cmdline()]


async def test_the_closed_model_keeps_as_many_requests_under_way_as_it_has_clients(server: Server):
    under_way = [0, 0]
    all_there = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        under_way[0] += 1
        under_way[1] = max(under_way)
        if under_way[0] == 7:
            all_there.set()
        await all_there.wait()
        await asyncio.sleep(0.01)
        under_way[0] -= 1
        return web.Response()

    server.answer = answer
    result = await run_load(server.url, concurrency=7, seconds=60, max_requests=100)
    assert under_way[1] == 7
    assert result.requests == len(server.requests) == 100
    assert (result.failures, set(result.statuses)) == (0, {200})
    assert result.percentile(50) >= 10


async def test_the_open_model_sends_at_its_rate_whatever_the_answers_do(server: Server):
    result = await run_load(server.url, rate=50, seconds=0.4)
    assert [sample.start_seconds for sample in result.timeline] == pytest.approx(
        [n / 50 for n in range(20)], abs=1e-5
    )


async def test_a_stall_shows_in_every_request_that_was_due_meanwhile(server: Server):
    """Coordinated omission: a closed client waits the stall out and counts it once; due requests suffer."""
    gate = asyncio.Lock()

    async def one_at_a_time(_: web.Request) -> web.Response:
        number = len(server.requests)
        async with gate:
            await asyncio.sleep(0.4 if number == 10 else 0)
        return web.Response()

    server.answer = one_at_a_time
    due = await run_load(server.url, rate=50, seconds=0.8)
    assert sum(latency > 100 for latency in due.latencies_ms) >= 10
    server.requests.clear()
    closed = await run_load(server.url, concurrency=1, seconds=60, max_requests=100)
    # Once, and perhaps a hiccup of the machine's own.
    assert 1 <= sum(latency >= 400 for latency in closed.latencies_ms) <= 3


async def test_method_body_and_headers_are_sent(server: Server):
    bodies = []

    async def answer(request: web.Request) -> web.Response:
        bodies.append((request.method, request.headers["X-Run"], await request.json()))
        return web.Response(status=201)

    server.answer = answer
    result = await run_load(
        server.url, method="POST", json={"sku": 1}, headers={"X-Run": "a"}, max_requests=1
    )
    assert bodies == [("POST", "a", {"sku": 1})]
    assert result.statuses == {201: 1}


async def test_each_sample_is_labelled_with_the_header_that_was_asked_for(server: Server):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok", headers={"X-Version": "1.2"})

    server.answer = answer
    labelled = await run_load(server.url, concurrency=1, max_requests=2, label_header="x-version")
    assert [sample.label for sample in labelled.timeline] == ["1.2", "1.2"]
    unasked = await run_load(server.url, concurrency=1, max_requests=1)
    assert [sample.label for sample in unasked.timeline] == [""]


async def test_the_number_of_requests_is_bounded(server: Server):
    assert (await run_load(server.url, seconds=30, max_requests=25)).requests == len(server.requests) == 25


async def test_a_warm_up_is_sent_and_not_counted(server: Server):
    result = await run_load(server.url, rate=50, seconds=0.2, warmup_seconds=0.2)
    assert (result.requests, len(server.requests)) == (10, 20)


async def test_answers_of_400_and_above_are_failures_with_their_reason(server: Server):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=503 if len(server.requests) % 2 else 200)

    server.answer = answer
    result = await run_load(server.url, concurrency=1, seconds=5, max_requests=10)
    assert (result.failures, result.statuses) == (5, {200: 5, 503: 5})
    assert result.reasons == {"503 Service Unavailable": 5}


async def test_no_answer_in_time_is_a_failure(server: Server):
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    server.answer = never
    result = await run_load(server.url, concurrency=2, max_requests=2, timeout_seconds=0.1)
    assert (result.failures, result.statuses) == (2, {0: 2})
    assert result.reasons == {"no answer within 0.1 s": 2}


async def test_a_refused_connection_is_a_failure():
    result = await run_load("http://127.0.0.1:9/", max_requests=3)
    assert result.failures == 3
    assert "ClientConnectorError" in next(iter(result.reasons))


@pytest.mark.parametrize(
    "plan", [{"seconds": 0}, {"seconds": 121}, {"rate": -1.0}, {"concurrency": 2001}, {"max_requests": 0}]
)
async def test_a_plan_out_of_bounds_is_refused_before_anything_starts(plan):
    with pytest.raises(ValueError, match=f"{next(iter(plan))} is .*; it must lie above 0 and up to"):
        await run_load("http://127.0.0.1:9/", **plan)


async def test_a_traffic_process_that_dies_is_an_error_that_says_so(server: Server):
    load = asyncio.create_task(run_load(server.url, seconds=60))
    await eventually(lambda: server.requests)
    traffic_processes()[0].kill()
    with pytest.raises(TrafficError, match="the traffic process ended with exit code -9"):
        await asyncio.wait_for(load, 5)


async def test_the_error_ends_with_what_the_process_wrote():
    with pytest.raises(TrafficError, match=r"exit code 1; it wrote\n(.*\n)*.*ValueError: Port out of range"):
        async with hold_connections("http://127.0.0.1:99999/", 1):
            raise AssertionError("nothing can be held there")


async def test_cancelling_ends_the_process(server: Server):
    load = asyncio.create_task(run_load(server.url, seconds=60))
    await eventually(lambda: server.requests)
    load.cancel()
    with pytest.raises(asyncio.CancelledError):
        await load
    assert traffic_processes() == []


def test_the_process_ends_when_its_input_does():
    command = [sys.executable, "-m", "workbook_lib.lab.traffic"]
    order = LoadPlan("http://127.0.0.1:9/", seconds=60, rate=1).to_wire()
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.close()
        assert process.wait(timeout=10) == 0


async def test_held_connections_are_all_there_at_once_and_all_answer(server: Server):
    async with hold_connections(server.url + "health?full=1", 300) as held:
        assert (held.requested, held.open, held.problem) == (300, 300, "")
        await eventually(lambda: server.connections == 300)  # the last ones may still wait to be accepted
        assert server.requests == []
        answers = await held.ask()
        assert (answers.requests, answers.statuses) == (300, {200: 300})
        assert {request.path_qs for request in server.requests} == {"/health?full=1"}
        assert server.connections == 300
        assert (await held.ask()).failures == 0
    await eventually(lambda: server.connections == 0)


async def test_connections_beyond_the_limit_of_open_files_are_not_tried(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "raise_file_limit", lambda: 100)
    holder = connections.ConnectionHolder(server.url, 1000)
    opened = await holder.open()
    assert opened["problem"] == "the limit of open files allows 36"
    assert opened["open"] == 36
    await eventually(lambda: server.connections == 36)
    holder.close()


async def test_connections_that_are_refused_are_reported():
    async with hold_connections("http://127.0.0.1:9/", 5) as held:
        assert held.open == 0
        assert "ConnectionRefusedError" in held.problem


def test_the_sending_process_loads_nothing_of_a_chapter_but_what_it_sends_with():
    """Each load starts one: what it imports, a reader waits for."""
    script = "import sys, workbook_lib.lab.traffic.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True
    ).stdout.split()
    assert "aiohttp" in loaded
    assert not {"sqlalchemy", "grpc", "pydantic", "workbook_lib.lab.lab"} & set(loaded)


@pytest.mark.parametrize("model", [{"rate": 200.0}, {"concurrency": 4}], ids=["open", "closed"])
async def test_a_load_lasts_until_what_it_has_to_outlast_is_over(server, model):
    async def in_no_hurry(_: web.Request) -> web.Response:
        await asyncio.sleep(0.02)
        return web.Response(text="ok")

    server.answer = in_no_hurry
    over = asyncio.Event()
    loading = asyncio.create_task(run_load(server.url, seconds=100, until=over, **model))
    await eventually(lambda: len(server.requests) >= 10)
    over.set()
    load = await asyncio.wait_for(loading, 30)
    assert load.requests == len(server.requests) >= 10
    assert load.failures == 0, "what was under way has got its answer"
    assert load.seconds < 60
