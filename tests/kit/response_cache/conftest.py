"""A service's app, called in this process."""

import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from workbook_lib.kit.service import Service


@pytest.fixture
def calling():
    """A client of a service's app."""

    @contextlib.asynccontextmanager
    async def call(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(service.app)
        async with service, httpx2.AsyncClient(transport=transport, base_url="http://demo") as client:
            yield client

    return call
