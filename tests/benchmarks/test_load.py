"""Load generators send what they are told and count what failed."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from benchmarks.generator import percentile, request_bytes
from benchmarks.load import PROGRAMS, Load, Measured, generating, run


class Echo(ThreadingHTTPServer):
    """Answers 500 to /broken, hangs up on /rude, and keeps the last body and header that came."""

    daemon_threads = True

    def __init__(self) -> None:
        self.seen: set[tuple[str, str, str]] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                outer.seen.add((self.command, self.headers.get("X-Mark", ""), body))
                if self.path == "/rude":
                    self.close_connection = True
                    return
                self.send_response(500 if self.path == "/broken" else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def echo():
    with Echo() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def _on_path(name: str):
    return pytest.param(
        name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"{name} isn't on PATH")
    )


@pytest.mark.parametrize("by", ["ours", *map(_on_path, PROGRAMS)])
def test_a_generator_posts_a_body_with_headers_and_tells_what_came(echo, by):
    body = json.dumps({"n": 1}).encode()
    measured = run(Load(echo.url, 1.0, 4, body, {"X-Mark": "m"}), by)
    assert echo.seen == {("POST", "m", '{"n": 1}')}
    assert measured.requests > 0
    assert measured.failures == 0
    assert 0.9 < measured.seconds < 6
    assert 0 < measured.p50_ms <= measured.p99_ms
    assert measured.per_second == measured.requests / measured.seconds


@pytest.mark.parametrize("path", ["/broken", "/rude"])
def test_answers_of_500_and_broken_connections_are_failures_and_no_requests(echo, path):
    measured = run(Load(echo.url + path, 0.3, 4), "ours")
    assert measured.requests == 0
    assert measured.failures >= 4


def test_nobody_there_is_an_error():
    with pytest.raises(RuntimeError, match=r"refused|Connect call failed"):
        run(Load("http://127.0.0.1:9", 0.3, 2), "ours")


def test_one_generator_drives_a_load_after_another_also_after_one_that_failed(echo):
    def running() -> set[int]:
        return {process.pid for process in psutil.Process().children(recursive=True)}

    before = running()
    with generating("ours") as drive:
        assert drive(Load(echo.url, 0.2, 2)).requests > 0
        assert running() - before
        with pytest.raises(RuntimeError):
            drive(Load("http://127.0.0.1:9", 0.2, 2))
        assert drive(Load(f"{echo.url}/broken", 0.2, 2)).failures > 0
        assert drive(Load(echo.url, 0.2, 2)).failures == 0
        processes = running() - before
    assert not any(psutil.pid_exists(pid) for pid in processes)


def test_a_request_is_its_bytes():
    assert request_bytes("http://h:80/a?b=c", {"X-A": "1"}, b"{}") == (
        b"POST /a?b=c HTTP/1.1\r\nHost: h:80\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_a_percentile_is_one_that_was_measured():
    assert [percentile([1.0, 2.0, 3.0, 4.0], percent) for percent in (50, 99)] == [3.0, 4.0]
    assert percentile([], 50) == 0
    assert Measured(10, 2.0, 0, 1, 1).per_second == 5
