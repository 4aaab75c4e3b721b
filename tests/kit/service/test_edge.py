"""What every service answers in the same way, whatever its routes do."""

import asyncio
import json
import time
from datetime import datetime
from typing import Annotated

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Query
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from opentelemetry.trace import StatusCode
from pydantic import BaseModel, Field

from workbook_lib.kit import errors, logs, telemetry
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"


class Line(BaseModel):
    sku: str
    quantity: int = Field(ge=1)


class Order(BaseModel):
    lines: list[Line]


class OutOfStock(errors.Conflict):
    """A service's own kind of conflict."""

    code = 40902


@pytest.fixture
def service() -> Service:
    service = Service(ServiceSettings(service="demo", port=9000, max_body_bytes=1000), title="Demo")
    users = APIRouter()

    @users.get("/users/{user_id}")
    async def user(user_id: int) -> dict[str, int]:
        return {"id": user_id}

    service.app.include_router(users, prefix="/v1")
    service.app.include_router(users, prefix="/v2")

    @service.app.post("/orders")
    async def order(order: Order, limit: Annotated[int, Query(le=10)] = 1) -> Order:
        return order

    @service.app.get("/raise/{kind}")
    async def fail(kind: str) -> None:
        raise {
            "conflict": OutOfStock("none left", details={"sku": "A1"}),
            "unavailable": errors.Unavailable("postgresql://u:secret@db is away"),
            "bug": RuntimeError("secret"),
            "teapot": HTTPException(418, "no coffee", headers={"X-Pot": "tea"}),
        }[kind]

    @service.app.get("/trace")
    async def trace() -> str:
        return telemetry.current_trace_id()

    @service.app.get("/background")
    async def background(tasks: BackgroundTasks) -> str:
        async def later() -> None:
            print(time.time_ns())

        tasks.add_task(later)
        return "accepted"

    @service.app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts():
            yield "a"
            raise RuntimeError("broke off")

        return StreamingResponse(parts())

    return service


@pytest.fixture
async def client(service, calling, spans):
    async with calling(service) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"),
    [
        ("GET", "/raise/conflict", 409, 40902, "none left"),
        ("GET", "/raise/unavailable", 503, 50301, errors.Unavailable.public_message),
        ("GET", "/raise/bug", 500, 50001, errors.Internal.public_message),
        ("GET", "/raise/teapot", 418, 41801, "no coffee"),
        ("GET", "/nowhere", 404, 40401, "Not Found"),
        ("DELETE", "/orders", 405, 40501, "Method Not Allowed"),
        ("POST", "/orders", 400, 40001, "The request isn't valid."),
        ("GET", "/v1/users/seven", 400, 40001, "The request isn't valid."),
    ],
)
async def test_every_error_has_the_one_body(client, spans, method, path, status, code, message):
    answer = await client.request(method, path)
    body = answer.json()
    assert (answer.status_code, body["code"], body["message"]) == (status, code, message)
    assert answer.headers["content-type"] == "application/json"
    assert datetime.fromisoformat(body["timestamp"]).utcoffset().total_seconds() == 0
    (span,) = spans.get_finished_spans()
    assert body["traceId"] == f"{span.context.trace_id:032x}"


async def test_an_errors_details_and_headers_reach_the_caller(client):
    assert (await client.get("/raise/conflict")).json()["details"] == {"sku": "A1"}
    assert (await client.get("/raise/teapot")).headers["x-pot"] == "tea"
    assert (await client.delete("/orders")).headers["allow"] == "POST"


async def test_a_validation_error_names_each_field(client):
    body = {"lines": [{"sku": 1, "quantity": 0}]}
    answer = await client.post("/orders", params={"limit": 11}, json=body)
    assert [(problem["field"], problem["message"]) for problem in answer.json()["details"]] == [
        ("limit", "Input should be less than or equal to 10"),
        ("lines.0.sku", "Input should be a valid string"),
        ("lines.0.quantity", "Input should be greater than or equal to 1"),
    ]


@pytest.mark.parametrize("content", [b"{", b"", b"[]"])
async def test_a_body_that_is_not_understood_at_all_is_the_field_body(client, content):
    answer = await client.post("/orders", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "body"


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused_whether_announced_or_not(client, announced):
    async def parts():
        for _ in range(20):
            yield b"x" * 100

    content = b"x" * 2000 if announced else parts()
    answer = await client.post("/orders", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, 41301)


async def test_an_unexpected_error_is_logged_once_with_its_traceback_and_recorded_in_the_span(
    client, spans, capsys
):
    logs.configure("demo", "demo-9000")
    trace_id = (await client.get("/raise/bug")).json()["traceId"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (failure,) = [line for line in lines if line["level"] == "error"]
    assert (failure["event"], failure["path"], failure["trace_id"]) == (
        "unexpected error",
        "/raise/bug",
        trace_id,
    )
    assert "RuntimeError: secret" in failure["exception"]
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "500"
    assert [event.attributes["exception.type"] for event in span.events] == ["RuntimeError"]


async def test_the_cause_of_a_503_is_in_the_log_and_not_in_the_answer(client, capsys):
    logs.configure("demo", "demo-9000")
    answer = await client.get("/raise/unavailable")
    assert "secret" not in answer.text
    assert "postgresql://u:secret@db is away" in capsys.readouterr().out


async def test_an_answer_that_breaks_off_is_counted_logged_and_traced(client, spans, capsys):
    logs.configure("demo", "demo-9000")
    await client.get("/stream")
    assert "broke off" in capsys.readouterr().out
    assert len(spans.get_finished_spans()) == 1
    assert 'route="/stream"' in (await client.get("/metrics")).text


async def test_a_request_is_one_log_line(client, capsys):
    logs.configure("demo", "demo-9000")
    await client.get("/v1/users/7", params={"token": "secret"})
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["event"], line["method"], line["path"], line["status"]) == (
        "request",
        "GET",
        "/v1/users/7",
        200,
    )
    assert line["client"] == "127.0.0.1"
    assert 0 < line["latency_ms"] < 5000
    assert len(line["trace_id"]) == 32


async def test_looks_at_health_and_metrics_are_neither_logged_nor_traced(client, spans, capsys):
    logs.configure("demo", "demo-9000")
    await client.get("/health")
    await client.get("/metrics")
    assert capsys.readouterr().out == ""
    assert spans.get_finished_spans() == ()


async def test_background_work_counts_neither_in_latency_nor_in_the_span(client, spans, capsys):
    logs.configure("demo", "demo-9000")
    await client.get("/background")
    line, work_began_ns = capsys.readouterr().out.splitlines()
    (span,) = spans.get_finished_spans()
    assert json.loads(line)["event"] == "request"
    assert span.end_time <= int(work_began_ns)


async def test_metrics_are_labelled_by_route_template_and_never_by_path(client):
    for path in ("/v1/users/7", "/v1/users/8", "/v2/users/7", "/v1/users/seven", "/nowhere/7", "/raise/bug"):
        await client.get(path)
    await client.request("BREW", "/nowhere")
    await client.delete("/orders")
    text = (await client.get("/metrics")).text
    for line in (
        'http_requests_total{method="GET",route="/v1/users/{user_id}",status="200"} 2.0',
        'http_requests_total{method="GET",route="/v2/users/{user_id}",status="200"} 1.0',
        'http_requests_total{method="GET",route="/v1/users/{user_id}",status="400"} 1.0',
        'http_requests_total{method="GET",route="(none)",status="404"} 1.0',
        'http_requests_total{method="OTHER",route="(none)",status="404"} 1.0',
        'http_requests_total{method="GET",route="/raise/{kind}",status="500"} 1.0',
        'http_requests_total{method="DELETE",route="/orders",status="405"} 1.0',
        'http_request_duration_seconds_count{method="GET",route="/v1/users/{user_id}"} 3.0',
        "http_requests_in_flight 1.0",
    ):
        assert line in text.splitlines()
    assert "/users/7" not in text
    assert "BREW" not in text


async def test_a_span_is_named_by_method_and_template_and_says_what_came_of_it(client, spans):
    await client.get("/v2/users/7")
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /v2/users/{user_id}"
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/v2/users/{user_id}",
        "server.address": "demo",
        "server.port": 0,
        "url.path": "/v2/users/7",
        "url.scheme": "http",
    }


async def test_a_callers_trace_is_continued_with_its_state(client, spans):
    answer = await client.get(
        "/trace",
        headers=[
            ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01"),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ],
    )
    (span,) = spans.get_finished_spans()
    assert answer.json() == TRACE_ID
    assert f"{span.parent.span_id:016x}" == SPAN_ID
    assert span.context.trace_state.to_header() == "a=1,b=2"


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", "nonsense")],
        [("traceparent", f"00-{TRACE_ID}-{'0' * 16}-01")],
        [("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01"), ("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-01")],
        [("traceparent", "00-\xff")],
    ],
)
async def test_a_malformed_traceparent_starts_a_new_trace(client, spans, headers):
    """W3C Trace Context: never fail the request, never continue what can't be parsed."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    answer = await client.get("/trace", headers=raw)
    (span,) = spans.get_finished_spans()
    assert answer.status_code == 200
    assert answer.json() == f"{span.context.trace_id:032x}" != TRACE_ID
    assert span.parent is None


async def test_a_caller_may_choose_not_to_be_sampled(client, spans):
    answer = await client.get("/trace", headers={"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-00"})
    assert answer.json() == TRACE_ID
    assert spans.get_finished_spans() == ()


async def test_requests_at_the_same_time_keep_their_traces_apart(client):
    answers = await asyncio.gather(*(client.get("/trace") for _ in range(20)))
    assert len({answer.json() for answer in answers}) == 20


def test_the_openapi_document_lists_health_and_the_services_own_routes(service):
    assert {"/health", "/v1/users/{user_id}", "/orders"} <= service.app.openapi()["paths"].keys()


def test_several_services_live_in_one_process_with_metrics_of_their_own():
    one, two = (Service(ServiceSettings(service=name), title=name) for name in ("one", "two"))
    with TestClient(one.app) as client_one, TestClient(two.app) as client_two:
        assert client_one.get("/health").json()["service"] == "one"
        assert client_two.get("/health").json()["service"] == "two"
        assert client_two.get("/metrics").text.count('route="/health"') == client_one.get(
            "/metrics"
        ).text.count('route="/health"')


async def test_a_mounted_app_is_served_too(service, calling):
    mounted = FastAPI(telemetry={"tracing": False})

    @mounted.get("/items/{item_id}")
    async def item(item_id: int) -> int:
        return item_id

    service.app.mount("/shop", mounted)
    async with calling(service) as client:
        assert (await client.get("/shop/items/7")).json() == 7
        text = (await client.get("/metrics")).text
    assert "/items/7" not in text


async def test_a_caller_that_leaves_is_counted_as_499(service, calling):
    started = asyncio.Event()

    @service.app.get("/wait")
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    async with calling(service) as client:
        call = asyncio.create_task(client.get("/wait"))
        await started.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        text = (await client.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/wait",status="499"} 1.0' in text
    assert "http_requests_in_flight 1.0" in text.splitlines()
