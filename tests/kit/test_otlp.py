"""The exporter against collectors that take, refuse, hang up or aren't there, and against a real Jaeger."""

import asyncio
import json
import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind, StatusCode

from workbook_lib.kit import otlp
from workbook_lib.kit.otlp import OtlpBatchProcessor
from workbook_lib.lab.evidence import eventually


class Collector(ThreadingHTTPServer):
    """Keeps what is posted; hangs up after each answer if told to."""

    daemon_threads = True

    def __init__(self, status: int = 200, *, hang_up: bool = False) -> None:
        self.requests: list[dict] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append({"path": self.path, "body": json.loads(body)})
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                # As a collector does that restarts between two batches: without saying so beforehand.
                self.close_connection = hang_up

            def log_message(self, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def spans(self) -> list[dict]:
        return [
            span
            for request in self.requests
            for resource in request["body"]["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


async def traces(client: httpx2.AsyncClient, trace_id: str) -> list[dict]:
    return (await client.get(f"/api/traces/{trace_id}")).raise_for_status().json()["data"]


def exporting(url: str, timeout_seconds: float = 20.0) -> tuple[TracerProvider, OtlpBatchProcessor]:
    resource = Resource({"service.name": "demo"})
    processor = OtlpBatchProcessor(url, resource, timeout_seconds=timeout_seconds)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider, processor


def attributes(span: dict) -> dict:
    return {entry["key"]: entry["value"] for entry in span["attributes"]}


def test_a_span_arrives_whole():
    with Collector() as collector:
        provider, processor = exporting(f"{collector.url}/prefix/")
        tracer = provider.get_tracer("scope", "1.2")
        with tracer.start_as_current_span("parent") as parent:
            link = Link(parent.get_span_context(), {"why": "because"})
            values = {
                "s": "é",
                "b": True,
                "i": 2**40,
                "f": 0.5,
                "nan": float("nan"),
                "many": ("x", "y"),
                "raw": b"\x00",
            }
            with tracer.start_as_current_span(
                "child", kind=SpanKind.CLIENT, attributes=values, links=[link]
            ) as child:
                child.add_event("happened", {"n": 1})
                child.set_status(StatusCode.ERROR, "no good")
        assert processor.close(60)
    assert collector.requests[0]["path"] == "/prefix/v1/traces"
    sent = {span["name"]: span for span in collector.spans}
    assert sent["child"]["parentSpanId"] == sent["parent"]["spanId"] == sent["child"]["links"][0]["spanId"]
    assert "parentSpanId" not in sent["parent"]
    assert sent["child"]["kind"] == 3
    assert sent["child"]["status"] == {"code": 2, "message": "no good"}
    assert int(sent["child"]["endTimeUnixNano"]) >= int(sent["child"]["startTimeUnixNano"]) > 10**18
    assert sent["child"]["events"][0]["name"] == "happened"
    assert attributes(sent["child"]) == {
        "s": {"stringValue": "é"},
        "b": {"boolValue": True},
        "i": {"intValue": str(2**40)},
        "f": {"doubleValue": 0.5},
        "nan": {"doubleValue": "NaN"},
        "many": {"arrayValue": {"values": [{"stringValue": "x"}, {"stringValue": "y"}]}},
        "raw": {"bytesValue": "AA=="},
    }


def test_spans_of_many_batches_all_arrive_grouped_by_scope():
    with Collector() as collector:
        provider, processor = exporting(collector.url)
        for number in range(1500):
            provider.get_tracer(f"scope-{number % 2}").start_span(f"span-{number}").end()
        assert processor.close(60)
    assert {span["name"] for span in collector.spans} == {f"span-{number}" for number in range(1500)}
    for request in collector.requests:
        (resource,) = request["body"]["resourceSpans"]
        assert {scope["scope"]["name"] for scope in resource["scopeSpans"]} <= {"scope-0", "scope-1"}


def test_a_connection_that_the_collector_closed_meanwhile_costs_no_span():
    with Collector(hang_up=True) as collector:
        provider, processor = exporting(collector.url)
        for name in ("one", "two", "three"):
            provider.get_tracer("t").start_span(name).end()
            assert processor.force_flush()
        assert processor.close(60)
    assert [span["name"] for span in collector.spans] == ["one", "two", "three"]


def test_a_collector_that_refuses_is_told_of_once(caplog, monkeypatch):
    monkeypatch.setattr(otlp, "_INTERVAL_SECONDS", 600.0)  # or the thread may post what is flushed here
    with Collector(status=503) as collector, caplog.at_level(logging.WARNING):
        provider, processor = exporting(collector.url)
        for name in ("one", "two"):
            provider.get_tracer("t").start_span(name).end()
            assert not processor.force_flush()
        assert processor.close(60)
    assert [record.getMessage() for record in caplog.records] == [
        f"spans are lost: the collector at {collector.url}: HTTP 503"
    ]


def test_a_collector_that_never_answers_holds_up_neither_the_traced_code_nor_the_end():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        provider, processor = exporting(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.5)
        for number in range(2000):
            provider.get_tracer("t").start_span(str(number)).end()
        assert not processor.close(0.05)
        assert processor.close(60)


def test_a_span_that_cannot_be_encoded_is_logged_and_fails_nothing(caplog):
    with Collector() as collector:
        provider, processor = exporting(collector.url)
        provider.get_tracer("t").start_span("lone surrogate \ud800").end()
        provider.get_tracer("t").start_span("fine").end()
        assert processor.close(60)
    assert [span["name"] for span in collector.spans] == ["fine"]
    assert "can't be encoded" in caplog.text


@pytest.mark.server
async def test_jaeger_takes_it(jaeger):
    provider, processor = exporting(jaeger.otlp_endpoint)
    with provider.get_tracer("scope").start_as_current_span(
        "work", attributes={"n": 1, "many": ("a",)}
    ) as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
    assert await asyncio.to_thread(processor.close, 60)
    async with httpx2.AsyncClient(base_url=jaeger.query_url) as client:
        (found,) = await eventually(lambda: traces(client, trace_id))
    assert [span["operationName"] for span in found["spans"]] == ["work"]
    assert {"key": "n", "type": "int64", "value": 1} in found["spans"][0]["tags"]
    assert found["processes"]["p1"]["serviceName"] == "demo"
