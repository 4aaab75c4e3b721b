"""A service's own middleware: where it stands, and what becomes of the errors it raises."""

import json

import pytest
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from workbook_lib.kit import errors, logs, telemetry
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings


class Marking:
    """Notes on the way in that it was passed, and adds a header on the way out."""

    def __init__(self, app, name, seen):
        self.app, self.name, self.seen = app, name, seen

    async def __call__(self, scope, receive, send):
        self.seen.append(f"{self.name} in, trace {telemetry.current_trace_id() != ''}")

        async def marked(message):
            if message["type"] == "http.response.start":
                self.seen.append(f"{self.name} out {message['status']}")
                message["headers"] = [*message["headers"], (b"x-passed", self.name.encode())]
            await send(message)

        await self.app(scope, receive, marked)


class Raising:
    """Raises before the routes are reached."""

    def __init__(self, app, error):
        self.error = error

    async def __call__(self, scope, receive, send):
        raise self.error


class Reading:
    """Reads the whole body."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        while (await receive()).get("more_body"):
            pass


@pytest.fixture
def service():
    service = Service(ServiceSettings(service="demo", max_body_bytes=20_000), title="Demo")

    @service.app.get("/fine")
    async def fine() -> str:
        return "fine"

    @service.app.get("/bug")
    async def bug() -> str:
        raise RuntimeError("secret")

    @service.app.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        async def parts():
            yield "a"
            raise RuntimeError("broke off")

        return StreamingResponse(parts())

    return service


def errors_logged(text):
    return [line for line in map(json.loads, text.splitlines()) if line["level"] == "error"]


async def test_the_first_one_added_runs_first_and_sees_the_answer_last(service, calling, spans):
    seen = []
    for name in ("first", "second"):
        service.add_middleware(Marking, name=name, seen=seen)
    async with calling(service) as client:
        answer = await client.get("/fine")
    assert seen == ["first in, trace True", "second in, trace True", "second out 200", "first out 200"]
    assert answer.headers.get_list("x-passed") == ["second", "first"]


async def test_a_500_a_404_and_a_405_pass_through_it_too(service, calling, capsys):
    """Without this a browser reports a failing route as a CORS error, whatever it was."""
    logs.configure("demo", "demo-1")
    service.add_middleware(Marking, name="cors", seen=[])
    async with calling(service) as client:
        answers = [await client.get("/bug"), await client.get("/nowhere"), await client.delete("/fine")]
    assert [answer.status_code for answer in answers] == [500, 404, 405]
    assert [answer.headers["x-passed"] for answer in answers] == ["cors"] * 3
    (line,) = errors_logged(capsys.readouterr().out)
    assert "RuntimeError: secret" in line["exception"]


@pytest.mark.parametrize(
    ("error", "status", "code", "header", "value"),
    [
        (errors.Unauthenticated("who?"), 401, 40101, "www-authenticate", "Bearer"),
        (errors.Conflict("no", headers={"X-Why": "because"}), 409, 40901, "x-why", "because"),
        (HTTPException(405, "no", {"Allow": "GET"}), 405, 40501, "allow", "GET"),
        (RuntimeError("secret"), 500, 50001, "content-type", "application/json"),
    ],
)
async def test_what_it_raises_is_answered_in_the_uniform_body_with_its_headers(
    service, calling, spans, error, status, code, header, value
):
    service.add_middleware(Raising, error=error)
    async with calling(service) as client:
        answer = await client.get("/fine")
    (span,) = spans.get_finished_spans()
    assert (answer.status_code, answer.json()["code"], answer.headers[header]) == (status, code, value)
    assert answer.json()["traceId"] == f"{span.context.trace_id:032x}"
    assert "secret" not in answer.text


async def test_only_what_nobody_meant_is_logged_as_an_error(service, calling, capsys):
    logs.configure("demo", "demo-1")
    service.add_middleware(Raising, error=errors.Unauthenticated("who?"))
    async with calling(service) as client:
        await client.get("/fine")
    assert errors_logged(capsys.readouterr().out) == []


async def test_the_body_limit_holds_for_what_it_reads(service, calling):
    service.add_middleware(Reading)
    async with calling(service) as client:
        answer = await client.post("/fine", content=b"x" * 20_001)
    assert (answer.status_code, answer.json()["code"]) == (413, 41301)


async def test_an_answer_that_breaks_off_inside_it_is_logged_once(service, calling, capsys):
    logs.configure("demo", "demo-1")
    service.add_middleware(Marking, name="one", seen=[])
    async with calling(service) as client:
        await client.get("/breaks-off")
    (line,) = errors_logged(capsys.readouterr().out)
    assert "broke off" in line["exception"]


async def test_problems_are_listed_up_to_a_bound_whatever_a_caller_sends(service, calling):
    @service.app.post("/numbers")
    async def numbers(numbers: dict[str, int]) -> None: ...

    async with calling(service) as client:
        answer = await client.post("/numbers", json={"x" * 3_000: "a", **{f"k{n}": "a" for n in range(500)}})
    assert (answer.status_code, len(answer.json()["details"])) == (400, 20)
    assert max(len(detail["field"]) for detail in answer.json()["details"]) == 200
