"""One database of a server can be down while the others go on."""

import uuid

import asyncpg
import pytest

from workbook_lib.kit.postgres import create_database
from workbook_lib.lab.evidence import rows
from workbook_lib.lab.faults import database_down

pytestmark = pytest.mark.server


async def test_it_ends_its_connections_and_takes_no_new_ones_until_it_is_up_again(postgres_url):
    name = f"Down-{uuid.uuid4().hex[:8]}"
    url = await create_database(postgres_url, name)
    connection = await asyncpg.connect(url)
    async with database_down(postgres_url, name):
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.fetchval("SELECT 1")
        with pytest.raises(asyncpg.PostgresError, match="not currently accepting connections"):
            await asyncpg.connect(url)
        assert await rows(postgres_url, "SELECT 1 AS one") == [{"one": 1}]
    assert await rows(url, "SELECT 1 AS one") == [{"one": 1}]
