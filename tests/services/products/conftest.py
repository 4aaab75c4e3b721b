"""The two places where products can be kept."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.products.memory import MemoryCatalogue
from services.products.store import Base, Catalogue, SqlCatalogue
from workbook_lib.kit.storage import Database

SEED = Path(__file__).parents[3] / "data" / "products.json"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A started database of the test's own."""
    database = Database(database_url, metadata=Base.metadata)
    await database.start()
    yield database
    await database.stop()


@pytest.fixture(params=["sql", "memory"])
async def catalogue(request: pytest.FixtureRequest, database: Database) -> Catalogue:
    """The seeded catalogue, once in SQL and once in memory: what holds for one must hold for the other."""
    catalogue = SqlCatalogue(database, SEED) if request.param == "sql" else MemoryCatalogue(SEED)
    await catalogue.start()
    return catalogue
