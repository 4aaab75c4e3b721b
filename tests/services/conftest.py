"""Apps in this process, on real SQLite files and real local gRPC servers."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
import pytest
from pydantic import BaseModel

from services.gateway import access
from workbook_lib.kit.cache import Cache
from workbook_lib.kit.discovery import StaticInstances
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.service import Service, health
from workbook_lib.kit.storage import Database
from workbook_lib.lab.ports import PortAllocator, PortRequest

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
    client = RpcClient(StaticInstances.at(f"127.0.0.1:{port}"), stub_type, timeout_seconds=30)
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
def rpc_client():
    """A started client of the gRPC server at a local port."""
    return _rpc_client


@contextmanager
def free_ports() -> Iterator[Callable[[], int]]:
    """Gives ports that nobody listens on, and that are given to nobody else while this is open."""
    allocator, held = PortAllocator(), []

    def take() -> int:
        held.append(allocator.reserve(PortRequest("test")))
        held[-1].hand_over()
        port: int = held[-1].port
        return port

    yield take
    for reservation in held:
        reservation.release()


@pytest.fixture
def free_port() -> Iterator[Callable[[], int]]:
    """A port that nobody listens on, another each time."""
    with free_ports() as take:
        yield take


@pytest.fixture
def patience(monkeypatch) -> None:
    """For tests that aren't about deadlines: a busy machine may miss those that services have."""
    for client in (Cache, HttpClient, RpcClient):
        monkeypatch.setitem(client.__init__.__kwdefaults__, "timeout_seconds", 30.0)
    monkeypatch.setitem(Database.__init__.__kwdefaults__, "start_timeout_seconds", 30.0)
    monkeypatch.setattr(access, "_LIMIT_SECONDS", 30.0)
    monkeypatch.setattr(health, "_CHECK_SECONDS", 30.0)
    monkeypatch.setenv("GATEWAY_TIMEOUT_SECONDS", "30")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A database of the test's own."""
    return f"sqlite:///{tmp_path / 'service.db'}"
