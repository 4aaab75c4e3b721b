"""Bodies that break parsers, sent to running services: a uniform 4xx each, and the processes go on."""

import pytest

DEEP = {
    "a list without end": b"[" * 100_000,
    "an object without end": b'{"a":' * 50_000,
    "deeper than a validator goes": b'{"a":' * 900 + b"1" + b"}" * 900,
    "deeper than a parser goes": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}
NUMBERS = {
    "an age of 4,000 digits": b'{"name":"Z","email":"z@example.com","age":' + b"9" * 4_000 + b"}",
    "an age of 100,000 digits": b'{"name":"Z","email":"z@example.com","age":' + b"9" * 100_000 + b"}",
    "1e400": b'{"name":"Z","email":"z@example.com","age":1e400}',
    "1e999999999": b'{"name":"Z","email":"z@example.com","age":1e999999999}',
    "NaN": b'{"name":"Z","email":"z@example.com","age":NaN}',
    "-Infinity": b'{"name":"Z","email":"z@example.com","age":-Infinity}',
}
TEXTS = {
    "not UTF-8": b'{"name":"\xff\xfe","email":"z@example.com"}',
    "half of a surrogate pair": b'{"name":"\\ud800","email":"z@example.com"}',
    "NUL": b'{"name":"a\\u0000b","email":"z@example.com"}',
    "CR and LF": b'{"name":"Z\\r\\nSet-Cookie: session=1","email":"z@example.com"}',
}
SHAPES = {
    "nothing": b"",
    "a number": b"1",
    "null": b"null",
    "a text": b'"x"',
    "a list": b"[]",
    "something after it": b'{"name":"Z","email":"z@example.com"}]',
    "a single quote": b"{'name':'Z'}",
    "50,000 names": b"{" + b",".join(b'"k%d":1' % number for number in range(50_000)) + b"}",
}
MALFORMED = DEEP | NUMBERS | TEXTS | SHAPES
PATHS = [("users", "/users"), ("users", "/accounts"), ("gateway", "/users"), ("gateway", "/login")]


@pytest.fixture
def services(users, gateway):
    return {"users": users, "gateway": gateway}


def refused(reply, status, code):
    assert (reply.status, reply.json["code"]) == (status, code), reply
    assert b"content-type: application/json" in reply.head
    assert {"message", "timestamp", "traceId"} <= reply.json.keys()
    assert len(reply.body) < 2_000  # what is wrong isn't sent back at length


@pytest.mark.parametrize(("service", "path"), PATHS)
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_body_is_a_400(services, service, path, body):
    refused(services[service].post(path, body), 400, 40001)


@pytest.mark.parametrize(("service", "path"), PATHS)
def test_a_body_that_is_too_long_is_a_413_announced_or_not(services, service, path):
    body = b'{"name":"' + b"x" * 2_000_000 + b'"}'
    refused(services[service].post(path, body), 413, 41301)
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    reply = services[service].say(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    refused(reply, 413, 41301)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "image/png", "json"]
)
def test_json_under_another_name_is_a_415(services, content_type):
    """A page elsewhere may send these without asking first; what they hold must not be read as JSON."""
    body = b'{"email":"alice.novak@example.com","password":"only-for-the-demo-1"}'
    refused(services["gateway"].post("/login", body, content_type), 415, 41501)


def test_of_a_name_that_comes_twice_every_service_sees_the_same_value(services):
    """Two parsers that disagree on it let a request be checked as one thing and done as another."""
    body = b'{"name":"first","name":"last","email":"twice@example.com"}'
    new = services["gateway"].post("/users", body)
    assert (new.status, new.json["name"]) == (201, "last")


def test_nothing_of_it_leaves_a_trace_in_memory_or_in_the_log_as_an_error(services):
    for service in services.values():
        for body in MALFORMED.values():
            service.post("/users", body)
    pids = {name: service.process.pid for name, service in services.items()}
    before = {name: service.memory_mb for name, service in services.items()}
    for _ in range(3):
        for service in services.values():
            for body in [*MALFORMED.values(), b"x" * 1_000_000]:
                service.post("/users", body)
    for name, service in services.items():
        assert service.process.poll() is None
        assert service.process.pid == pids[name]
        assert service.memory_mb - before[name] < 20
        assert [line for line in service.lines if line["level"] == "error"] == []
