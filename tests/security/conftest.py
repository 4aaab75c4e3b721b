"""Two services as processes, and sockets that say to them whatever an attacker likes."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from workbook_lib.lab.ports import PortAllocator, PortRequest

_LENGTH = re.compile(rb"content-length: (\d+)")


class Reply(NamedTuple):
    """An answer as it came over the wire."""

    status: int
    head: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Live:
    """One service process and its port; `ports` are the settings that name further ones."""

    def __init__(self, name: str, folder: Path, *ports: str, **environment: str) -> None:
        wanted = (f"{name}_PORT".upper(), *ports)
        self.reserved = PortAllocator().reserve_all([PortRequest(setting) for setting in wanted])
        own = {setting: str(reserved.port) for setting, reserved in self.reserved.items()}
        self.port = int(own[wanted[0]])
        self._log = folder / f"{name}.log"
        own[f"{name}_LOG_LEVEL".upper()] = "DEBUG"
        for reserved in self.reserved.values():
            reserved.hand_over()
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{name}"],
                env={**os.environ, **own, **environment},
                stdout=output,
                stderr=output,
            )

    @property
    def memory_mb(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log; a line that isn't JSON fails."""
        return [json.loads(line) for line in self.raw_log.split("\n")[:-1]]

    @property
    def raw_log(self) -> str:
        return self._log.read_text()

    def say(self, data: bytes, *, timeout_seconds: float = 10) -> Reply:
        """Send bytes as they are; the first answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_seconds) as connection:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # refused before all was sent
                connection.sendall(data)
            return _read(connection)

    def post(
        self, path: str, body: bytes, content_type: str = "application/json", head: bytes = b""
    ) -> Reply:
        """A request with this body."""
        return self.say(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n".encode()
            + f"Content-Length: {len(body)}\r\n".encode()
            + head
            + b"\r\n"
            + body
        )

    def converse(self, *requests: bytes) -> list[Reply]:
        """One request after the other on one connection."""
        replies = []
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            for request in requests:
                connection.sendall(request)
                replies.append(_read(connection))
        return replies

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if self.say(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(self._log.read_text())


def _read(connection: socket.socket) -> Reply:
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
        head, _, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length and len(body) >= int(length[1]):
            break
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), received
    return Reply(int(head[9:12]), head, body)


@pytest.fixture(scope="session")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The user service on a database of its own, with neither Consul nor Redis."""
    folder = tmp_path_factory.mktemp("users")
    live = Live(
        "users",
        folder,
        "USERS_GRPC_PORT",
        USERS_DATABASE_URL=f"sqlite:///{folder / 'users.db'}",
        USERS_REDIS_URL="redis://127.0.0.1:1/0",
    )
    yield from _while_alive(live)


@pytest.fixture(scope="session")
def gateway(users: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The gateway before it."""
    folder = tmp_path_factory.mktemp("gateway")
    live = Live(
        "gateway",
        folder,
        GATEWAY_USERS_URL=f"http://127.0.0.1:{users.port}",
        GATEWAY_REDIS_URL="redis://127.0.0.1:1/0",
        GATEWAY_UPLOAD_FOLDER=str(folder / "uploads"),
        GATEWAY_LOGIN_LIMIT="",
        GATEWAY_TIMEOUT_SECONDS="30",  # no test is about how soon users answers
    )
    yield from _while_alive(live)


def _while_alive(live: Live) -> Iterator[Live]:
    try:
        live.wait()
        yield live
    finally:
        live.process.terminate()
        try:
            live.process.wait(20)
        except subprocess.TimeoutExpired:
            live.process.kill()
            live.process.wait(20)
        for reserved in live.reserved.values():
            reserved.release()
