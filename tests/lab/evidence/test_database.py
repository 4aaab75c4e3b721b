"""Rows are read, and nothing but read."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from workbook_lib.lab.evidence import EvidenceError, rows


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "users.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE users (id INTEGER, name TEXT)")
        connection.executemany("INSERT INTO users VALUES (?, ?)", [(1, "Ada"), (2, "Grace")])
    return path


async def test_rows_of_a_file_are_dicts(database: Path):
    assert await rows(database, "SELECT * FROM users WHERE id > ?", [1]) == [{"id": 2, "name": "Grace"}]


async def test_an_sqlalchemy_url_of_sqlite_is_read_as_a_file(database: Path):
    assert await rows(f"sqlite+aiosqlite:///{database}", "SELECT count(*) AS n FROM users") == [{"n": 2}]


async def test_the_database_cannot_be_changed(database: Path):
    with pytest.raises(EvidenceError, match="readonly"):
        await rows(database, "DELETE FROM users")
    assert await rows(database, "SELECT count(*) AS n FROM users") == [{"n": 2}]


async def test_a_missing_file_is_an_error_and_is_not_created(tmp_path: Path):
    with pytest.raises(EvidenceError, match=r"absent\.db"):
        await rows(tmp_path / "absent.db", "SELECT 1")
    assert not (tmp_path / "absent.db").exists()


async def test_a_database_server_that_is_not_there_is_named_without_its_password():
    with pytest.raises(EvidenceError, match=r"postgresql://ada:\*\*\*@127\.0\.0\.1:9/users"):
        await rows("postgresql://ada:secret@127.0.0.1:9/users", "SELECT 1")
