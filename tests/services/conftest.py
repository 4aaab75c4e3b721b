"""Apps in this process, on real SQLite files and real local gRPC servers."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from pydantic import BaseModel

from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.service import Service

Running = Callable[[Service], AbstractAsyncContextManager[httpx2.AsyncClient]]


@asynccontextmanager
async def _running(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(service.app)
    async with service, httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@pytest.fixture
def running() -> Running:
    """Start a service without an HTTP port and get a client of its app."""
    return _running


class Recorder:
    """A publisher that keeps what is sent; the real one is exercised in test_system."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, BaseModel]] = []

    async def start(self) -> None:
        """Ready."""

    async def stop(self) -> None:
        """Over."""

    async def send(self, topic: str, key: str, value: BaseModel) -> None:
        """Keep it."""
        self.sent.append((topic, key, value))


@pytest.fixture
def recorder() -> Recorder:
    """Keeps the events that a service publishes."""
    return Recorder()


@asynccontextmanager
async def _rpc_client(stub_type, port) -> AsyncIterator[RpcClient]:
    client = RpcClient(StaticInstances.at(f"127.0.0.1:{port}"), stub_type, timeout_seconds=5)
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
def rpc_client():
    """A started client of the gRPC server at a local port."""
    return _rpc_client


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that nobody listens on, another each time."""

    def take() -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port: int = listener.getsockname()[1]
            return port

    return take


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A database of the test's own."""
    return f"sqlite:///{tmp_path / 'service.db'}"
