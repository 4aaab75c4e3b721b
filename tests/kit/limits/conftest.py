"""A client of a service's app, in this process."""

import contextlib
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest

from workbook_lib.kit.service import Service

Calling = Callable[[Service], contextlib.AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def calling() -> Calling:
    """Start a service and get a client of it; what a caller wouldn't see isn't raised."""

    @contextlib.asynccontextmanager
    async def call(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(service.app, raise_app_exceptions=False)
        async with service, httpx2.AsyncClient(transport=transport, base_url="http://demo") as client:
            yield client

    return call
