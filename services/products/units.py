"""What a request is given to work with: a store, opened for it alone and closed before it is answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.products.store import Catalogue, ProductStore

__all__ = ["Reads", "UnitsOfWork", "Writes", "reading", "writing"]


class UnitsOfWork:
    """Opens stores of one catalogue, and counts them."""

    def __init__(self, catalogue: Catalogue, registry: CollectorRegistry) -> None:
        self._catalogue = catalogue
        self._opened = Counter("products_units_opened", "Stores opened for a request.", registry=registry)
        self._open = Gauge("products_units_open", "Stores that are open now.", registry=registry)

    @asynccontextmanager
    async def one(self, *, read_only: bool) -> AsyncIterator[ProductStore]:
        """One unit of work: kept at the end of the block, undone when the block raises."""
        self._opened.inc()
        with self._open.track_inprogress():
            async with self._catalogue.open(read_only=read_only) as store:
                yield store


async def reading(request: Request) -> AsyncIterator[ProductStore]:
    """A store to read from."""
    async with _units(request).one(read_only=True) as store:
        yield store


async def writing(request: Request) -> AsyncIterator[ProductStore]:
    """A store to write to as well."""
    async with _units(request).one(read_only=False) as store:
        yield store


def _units(request: Request) -> UnitsOfWork:
    units: UnitsOfWork = request.app.state.units
    return units


# FastAPI's own scope ends a dependency after the answer was sent: a commit that fails then has been told as a
# success already. The function's scope ends it before.
Reads = Annotated[ProductStore, Depends(reading, scope="function")]
Writes = Annotated[ProductStore, Depends(writing, scope="function")]
