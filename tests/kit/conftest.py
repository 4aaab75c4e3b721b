"""What several tests of kit share."""

import contextlib
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import httpx2
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis

from workbook_lib.kit import telemetry
from workbook_lib.kit.service import Service


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """The spans that end during the test."""
    exporter = InMemorySpanExporter()
    configured = telemetry.configure("test", "test-1", None)
    configured.add_processor(SimpleSpanProcessor(exporter))
    yield exporter
    configured.shutdown()


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def calling() -> Callable[[Service], contextlib.AbstractAsyncContextManager[httpx2.AsyncClient]]:
    """A client of a service's app, in this process; what a caller wouldn't see isn't raised."""

    @contextlib.asynccontextmanager
    async def call(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(service.app, raise_app_exceptions=False)
        async with service, httpx2.AsyncClient(transport=transport, base_url="http://demo") as client:
            yield client

    return call


@pytest.fixture
def namespace() -> str:
    """A part of the keys in Redis for this test alone."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def redis(redis_url: str, namespace: str) -> AsyncIterator[Redis]:
    """Redis itself, to look into; the test's keys are gone afterwards."""
    async with Redis.from_url(redis_url) as redis:
        yield redis
        for key in await redis.keys(f"{namespace}:*"):
            await redis.delete(key)
