"""A service as a process: its start, its drained end, and its exit status."""

import asyncio
import json
import signal
import socket
import sys

import httpx2
import pytest

from workbook_lib.kit.consul import Consul, Instance
from workbook_lib.lab.evidence import eventually


async def test_a_ready_service_names_itself_and_sigterm_ends_it_with_0(process):
    await process.start()
    health = await process.ready()
    assert health.status_code == 200
    assert health.json() == {
        "status": "ok",
        "service": "demo",
        "instance": f"demo-{process.port}",
        "checks": {},
    }
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    assert "resource stopped" in process.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_request_under_way_is_finished_and_a_later_one_is_refused(process, number):
    await process.start()
    await process.ready()
    async with httpx2.AsyncClient(base_url=process.url, timeout=10) as client:
        slow = asyncio.create_task(client.get("/slow", params={"seconds": 1.5}))
        await printed(process, "slow began")
        process.signal(number)
        await printed(process, "Shutting down")
        with pytest.raises(httpx2.NetworkError):  # reset, in the moment before the listener is closed
            await httpx2.AsyncClient().get(f"{process.url}/health")
        answer = await slow
    assert (answer.status_code, answer.json()) == (200, "finished")
    assert await process.ended() == 0
    assert process.log.index('"path":"/slow"') < process.log.index("resource stopped")


async def test_a_request_that_outlasts_the_grace_time_is_cut_off(process):
    await process.start("--stop-grace-seconds", "1")
    await process.ready()
    async with httpx2.AsyncClient(base_url=process.url, timeout=30) as client:
        slow = asyncio.create_task(client.get("/slow", params={"seconds": 60}))
        await printed(process, "slow began")
        process.signal(signal.SIGTERM)
        assert await process.ended(5) == 0
        await asyncio.gather(slow, return_exceptions=True)
    assert "resource stopped" in process.log


async def test_an_unexpected_error_leaves_the_process_alive_and_its_traceback_in_the_log(process):
    await process.start()
    await process.ready()
    async with httpx2.AsyncClient(base_url=process.url) as client:
        first, second = await client.get("/boom"), await client.get("/boom")
    assert (first.status_code, second.status_code) == (500, 500)
    assert "secret" not in first.text
    lines = [json.loads(line) for line in process.log.splitlines() if "secret of the inside" in line]
    assert [line["trace_id"] for line in lines] == [first.json()["traceId"], second.json()["traceId"]]


@pytest.mark.server
async def test_it_is_in_consul_from_when_it_answers_until_it_stops_taking_requests(process, consul_url):
    async with Consul(consul_url) as consul:
        await process.start(
            "--service", "demo-drained", CONSUL_HTTP_ADDR=consul_url, CHECK_INTERVAL_SECONDS="1"
        )
        await process.ready()
        await printed(process, '"registered"')
        (instance,) = await eventually(lambda: passing(consul, "demo-drained"))
        assert instance.id == f"demo-drained-{process.port}"
        assert instance.url == process.url
        async with httpx2.AsyncClient(base_url=process.url, timeout=10) as client:
            slow = asyncio.create_task(client.get("/slow", params={"seconds": 1.5}))
            await printed(process, "slow began")
            process.signal(signal.SIGTERM)
            await printed(process, "Shutting down")
            assert await consul.catalog("demo-drained") == []
            assert (await slow).status_code == 200
        assert await process.ended() == 0


@pytest.mark.server
async def test_the_trace_id_of_an_error_is_the_traces_in_jaeger(process, jaeger):
    await process.start(OTEL_EXPORTER_OTLP_ENDPOINT=jaeger.otlp_endpoint)
    await process.ready()
    async with httpx2.AsyncClient(base_url=process.url) as client:
        trace_ids = {
            path: (await client.get(path)).json()["traceId"] for path in ("/boom", "/slow", "/nowhere")
        }
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    async with httpx2.AsyncClient(base_url=jaeger.query_url) as client:
        for path, trace_id in trace_ids.items():
            (trace,) = await eventually(lambda trace_id=trace_id: traces(client, trace_id))
            (span,) = trace["spans"]
            tags = {tag["key"]: tag["value"] for tag in span["tags"]}
            assert (tags["url.path"], tags["span.kind"]) == (path, "server")


async def test_a_consul_that_is_away_keeps_the_service_from_starting_and_says_so(process):
    await process.start(CONSUL_HTTP_ADDR="127.0.0.1:1")
    assert await process.ended() == 1
    assert "Consul at http://127.0.0.1:1 can't be reached" in process.log
    assert "resource stopped" in process.log


async def test_a_taken_port_is_named_before_anything_is_started(process):
    with socket.create_server(("127.0.0.1", process.port)):
        await process.start()
        assert await process.ended() == 1
    assert f"can't listen on 127.0.0.1:{process.port}: Address already in use" in process.log
    assert "resource stopped" not in process.log


@pytest.mark.parametrize(
    ("broken", "cause"), [("build", "a bug in build"), ("start", "the database is away")]
)
async def test_a_start_that_fails_logs_its_cause_and_exits_with_1(process, broken, cause):
    await process.start("--broken", broken)
    assert await process.ended() == 1
    line = next(json.loads(line) for line in process.log.splitlines() if '"couldn\'t run"' in line)
    assert line["level"] == "error"
    assert cause in line["cause"]
    assert ("resource stopped" in process.log) == (broken == "start")


async def test_settings_that_are_no_good_are_one_line_and_exit_with_2(process):
    await process.start("--port", "eighty")
    assert await process.ended() == 2
    assert process.log == (
        "demo: port (from command line): Input should be a valid integer, "
        "unable to parse string as an integer\n"
    )


async def test_help_tells_its_settings(process):
    await process.start("--help")
    assert await process.ended() == 0
    assert "--stop-grace-seconds" in process.log
    assert "DEMO_PORT" in process.log


async def test_a_service_imports_nothing_heavy_that_it_does_not_use():
    script = "import sys, workbook_lib.kit.service; print(*sys.modules)"

    run = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    output, _ = await run.communicate()
    heavy = {"grpc", "aiokafka", "sqlalchemy", "redis", "httpx2", "requests", "yaml", "matplotlib"}
    assert not heavy & set(output.decode().split())


async def printed(process, text: str) -> None:
    await eventually(lambda: text in process.log, 20, interval_seconds=0.02)


async def passing(consul: Consul, service: str) -> list[Instance]:
    return (await consul.health(service)).value


async def traces(client: httpx2.AsyncClient, trace_id: str) -> list[dict]:
    return (await client.get(f"/api/traces/{trace_id}")).raise_for_status().json()["data"]


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\0"])
async def test_no_line_end_in_a_header_of_an_answer_splits_it(process, end):
    """Response splitting: the server refuses to send the header, and the caller gets the uniform 500."""
    await process.start()
    await process.ready()
    async with httpx2.AsyncClient(base_url=process.url) as client:
        answer = await client.get("/careless", params={"value": f"/here{end}Set-Cookie: session=1"})
        fine = await client.get("/careless", params={"value": "/here"})
    assert (answer.status_code, answer.json()["code"]) == (500, 50001)
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers
    assert fine.headers["location"] == "/here"
    assert "unexpected error" in process.log
