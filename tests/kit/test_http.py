"""The HTTP client against a server on a real socket that answers as it is told."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from workbook_lib.kit import errors, telemetry
from workbook_lib.kit.discovery import Instances, NoInstances, StaticInstances
from workbook_lib.kit.http import HttpClient, trusted

Answer = Callable[[list[str]], Awaitable[tuple[int, str]]]


@asynccontextmanager
async def server(answer: Answer):
    """Listens on a free port; `answer` gets the lines of a request's head."""

    tasks = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().splitlines():
                lengths = [int(line.split()[1]) for line in head if line.lower().startswith("content-length")]
                head.append((await reader.readexactly(sum(lengths))).decode())
                status, body = await answer(head)
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    finally:
        running.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def started(source, *, timeout_seconds=20, **options):
    client = HttpClient(source, timeout_seconds=timeout_seconds, **options)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def echo(head: list[str]) -> tuple[int, str]:
    return 200, json.dumps(head)


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
async def test_a_request_is_sent_as_given(method):
    async with server(echo) as url, started(url) as client:
        options = {"json": {"sku": "A1"}} if method in {"post", "put"} else {}
        answer = await getattr(client, method)(
            "/items", params={"n": 1}, headers={"X-Mine": "yes"}, **options
        )
    head = answer.json()
    assert head[0] == f"{method.upper()} /items?n=1 HTTP/1.1"
    assert "x-mine: yes" in [line.lower() for line in head]
    assert head[-1] == ('{"sku":"A1"}' if options else "")


async def test_the_error_that_a_service_answers_with_is_raised_here():
    async def conflict(_: list[str]) -> tuple[int, str]:
        return 409, '{"code": 40902, "message": "none left", "details": {"sku": "A1"}}'

    async with server(conflict) as url, started(url) as client:
        with pytest.raises(errors.Conflict, match="none left") as raised:
            await client.get("/")
    assert (raised.value.code, raised.value.details) == (40902, {"sku": "A1"})


@pytest.mark.parametrize("body", ["<h1>Bad Gateway</h1>", "[]", ""])
async def test_an_error_page_of_something_between_becomes_a_typed_error_too(body):
    async def broken(_: list[str]) -> tuple[int, str]:
        return 502, body

    async with server(broken) as url, started(url) as client:
        with pytest.raises(errors.DependencyFailed, match="HTTP 502"):
            await client.get("/")


async def test_no_answer_in_time_is_a_deadline_exceeded():
    async def never(_: list[str]) -> tuple[int, str]:
        await asyncio.Event().wait()
        raise AssertionError

    async with server(never) as url, started(url, timeout_seconds=0.05) as client:
        with pytest.raises(errors.DeadlineExceeded, match=r"GET http.*/slow: no answer in 0.05 s"):
            await client.get("/slow")


async def test_nobody_listening_is_unavailable():
    async with started("http://127.0.0.1:1") as client:
        with pytest.raises(errors.Unavailable, match="GET http"):
            await client.get("/")


async def test_calls_go_to_the_instances_in_turn():
    async with server(echo) as one, server(echo) as two, started(StaticInstances.at(one, two)) as client:
        hosts = [(await client.get("/")).request.url.port for _ in range(4)]
    assert hosts == [int(url.rsplit(":", 1)[1]) for url in (one, two, one, two)]


async def test_having_no_instance_is_unavailable():
    class Nobody(Instances):
        instances = ()

        def next(self, *, excluding=()):
            raise NoInstances("user-service has no healthy instance")

    async with started(Nobody()) as client:
        with pytest.raises(errors.Unavailable, match="user-service has no healthy instance"):
            await client.get("/")


async def test_a_call_is_a_client_span_and_carries_its_context():
    exporter = InMemorySpanExporter()
    telemetry.configure("caller", "caller-1", None).add_processor(SimpleSpanProcessor(exporter))
    async with server(echo) as url, started(url) as client:
        with telemetry.tracer().start_as_current_span("outer") as outer:
            head = (await client.get("/items")).json()
    call = next(span for span in exporter.get_finished_spans() if span.kind is SpanKind.CLIENT)
    assert call.parent.span_id == outer.get_span_context().span_id
    assert call.attributes["http.request.method"] == "GET"
    assert call.attributes["http.response.status_code"] == 200
    sent = next(line for line in head if line.lower().startswith("traceparent:"))
    assert f"-{call.context.span_id:016x}-" in sent


async def test_a_client_that_is_stopped_or_not_started_says_so():
    client = HttpClient("http://127.0.0.1:1")
    with pytest.raises(errors.Unavailable, match="isn't started"):
        await client.get("/")
    await client.start()
    await client.stop()
    await client.stop()
    with pytest.raises(errors.Unavailable, match="isn't started"):
        await client.get("/")


def test_a_client_of_http_trusts_nobody_and_one_of_https_the_usual_authorities():
    """So that a certificate is never accepted unseen, whichever way an address turns out."""
    context = trusted("http://127.0.0.1:8500")
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname, context.get_ca_certs()) == (
        ssl.CERT_REQUIRED,
        True,
        [],
    )
    assert trusted("https://consul.example") is True
