"""Request lines and headers that break servers or split answers, on the wire of running services."""

import socket
import time

import pytest

from workbook_lib.kit.service.protocol import HEAD_SECONDS, MAX_HEAD_BYTES

GET = b"GET /users/user123 HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
NOT_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50,
    "a bare line feed": b"GET /users HTTP/1.1\nHost: x\n\n",
    "a space before the colon": b"GET /users HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded header": GET + b"A: b\r\n c\r\n\r\n",
    "NUL in a header": GET + b"A: b\x00c\r\n\r\n",
    "NUL in the method": b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
    # Two readings of where a request ends: request smuggling.
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "a length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": POST + b"Content-Length: -4\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +4\r\n\r\nabcd",
    "chunked twice": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
}
TOO_LONG = {
    "a long header": GET + b"A: " + b"x" * 300_000 + b"\r\n\r\n",
    "many headers": GET + b"".join(b"A%d: b\r\n" % number for number in range(30_000)) + b"\r\n",
    "a long address": b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without end": GET + b"A: " + b"x" * 3_000_000,
}


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_what_is_not_http_is_refused_in_the_uniform_body_and_the_connection_closed(users, data):
    reply = users.say(data)
    assert (reply.status, reply.json["code"]) == (400, 40001)
    assert b"connection: close" in reply.head


@pytest.mark.parametrize("data", TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_head_has_a_bound(users, data):
    before = users.memory_mb
    reply = users.say(data)
    assert (reply.status, reply.json["code"]) in ((431, 43101), (400, 40001))
    assert users.memory_mb - before < 10


def test_a_head_within_the_bound_is_fine_however_it_comes(users):
    data = GET + b"A: " + b"x" * (MAX_HEAD_BYTES - 1_000) + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", users.port), timeout=10) as connection:
        for start in range(0, len(data), 1_000):
            connection.sendall(data[start : start + 1_000])
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_requests_with_long_bodies_on_one_connection_are_not_taken_for_long_heads(users):
    body = b'{"name":"' + b"x" * 500_000 + b'"}'
    one = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    replies = users.converse(one, one, one, GET + b"\r\n")
    assert [reply.status for reply in replies] == [400, 400, 400, 200]


def test_a_request_may_come_in_the_same_packet_as_the_end_of_another(users):
    body = b'{"name":"' + b"x" * 200_000 + b'"}'
    one = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", users.port), timeout=10) as connection:
        connection.sendall(one + GET + b"\r\n")
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 2:
            answers += connection.recv(65_536)
    assert b"HTTP/1.1 200 OK" in answers


def test_a_head_that_trickles_is_cut_off(users):
    """Slowloris: thousands of such connections would cost the attacker nothing."""
    with socket.create_connection(("127.0.0.1", users.port), timeout=HEAD_SECONDS + 10) as connection:
        began = time.monotonic()
        connection.sendall(GET)
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert HEAD_SECONDS - 1 < time.monotonic() - began < HEAD_SECONDS + 5
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "target",
    [
        "/users/a%0d%0aSet-Cookie:%20session=1",
        "/nowhere%0d%0aSet-Cookie:%20session=1",
        "/users?after=%0d%0aSet-Cookie:%20session=1",
        "/users?limit=%0d%0aSet-Cookie:%20session=1",
    ],
)
@pytest.mark.parametrize("name", ["users", "gateway"])
def test_no_line_end_in_an_address_becomes_a_header(request, name, target):
    service = request.getfixturevalue(name)
    reply = service.say(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert reply.status in (400, 404)
    assert b"set-cookie" not in reply.head.lower()
    assert b"\r\n" not in reply.body


@pytest.mark.parametrize("name", ["users", "gateway"])
def test_nothing_that_a_caller_sends_makes_a_line_of_the_log(request, name):
    """Each line of the log is one JSON object, whatever stands in an address or a header."""
    service = request.getfixturevalue(name)
    fake = '%0a{"level":"error","event":"forged"}'
    service.say(f"GET /nowhere{fake} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    service.say(f"GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {fake}\r\n\r\n".encode())
    service.say(b"GET /nowhere%1b[2J%e2%80%a8 HTTP/1.1\r\nHost: x\r\ntraceparent: 00-\xff-\xfe-01\r\n\r\n")
    lines = service.lines
    assert [line["event"] for line in lines if "forged" in str(line.get("path"))] == ["request"]
    assert "forged" not in {line["event"] for line in lines}
    assert "\x1b" not in service.raw_log
