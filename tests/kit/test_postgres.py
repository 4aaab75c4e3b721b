"""A service on PostgreSQL finds its database there, or creates it; and gets at what no transaction allows."""

import asyncio
import uuid

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text

from workbook_lib.kit.postgres import ServerDatabase, create_database, database_url
from workbook_lib.kit.storage import Database, DatabaseError

pytestmark = pytest.mark.server

TABLES = MetaData()
Table("things", TABLES, Column("id", Integer, primary_key=True))


async def test_a_database_is_created_once_whatever_its_name_and_also_by_two_at_a_time(postgres_url):
    name = f'Odd "{uuid.uuid4().hex[:8]}"'
    urls = await asyncio.gather(create_database(postgres_url, name), create_database(postgres_url, name))
    assert {*urls, await create_database(postgres_url, name)} == {database_url(postgres_url, name)}


async def test_a_service_s_database_is_there_with_its_tables_after_the_start(postgres_url):
    database = ServerDatabase(postgres_url, f"things_{uuid.uuid4().hex[:8]}", metadata=TABLES)
    for _ in range(2):
        await database.start()
        async with database.session() as session:
            await session.execute(text("INSERT INTO things DEFAULT VALUES"))
        await database.stop()
    await database.start()
    async with database.session(read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM things")) == 2
    await database.stop()


async def test_what_is_refused_in_a_transaction_works_with_autocommit(postgres_url):
    database = Database(postgres_url)
    with pytest.raises(DatabaseError, match="isn't started"):
        async with database.autocommit():
            raise AssertionError
    await database.start()
    async with database.autocommit() as connection:
        await connection.execute(text("VACUUM pg_catalog.pg_am"))
    await database.stop()
