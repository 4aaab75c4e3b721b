"""PostgreSQL runs for everybody, root too, and keeps across a crash what it has promised."""

import os

import asyncpg
import psutil
import pytest

from workbook_lib.lab import Lab, LabError, faults
from workbook_lib.lab.provision import find
from workbook_lib.lab.servers import SERVERS, Place

pytestmark = pytest.mark.server


@pytest.fixture
async def lab(tmp_path, marked, until, monkeypatch):
    monkeypatch.delenv("POSTGRES_URL", raising=False)
    async with Lab("pg", root=tmp_path) as lab:
        await lab.start("postgres")
        yield lab
    until(lambda: not marked.pids(), 10, "PostgreSQL ended")


async def _ask(lab, question, *arguments):
    connection = await asyncpg.connect(lab["postgres"].url)
    try:
        return await connection.fetchval(question, *arguments)
    finally:
        await connection.close()


async def test_what_was_prepared_is_there_after_a_crash_and_holds_its_locks(lab):
    connection = await asyncpg.connect(lab["postgres"].url)
    await connection.execute("CREATE TABLE stock (sku text PRIMARY KEY, available int)")
    await connection.execute("INSERT INTO stock VALUES ('keyboard', 5)")
    await connection.execute("BEGIN")
    await connection.execute("UPDATE stock SET available = 4")
    await connection.execute("PREPARE TRANSACTION 'order-1'")
    await faults.kill(lab["postgres"])
    connection.terminate()
    await lab.start("postgres")
    assert await _ask(lab, "SELECT gid FROM pg_prepared_xacts") == "order-1"
    assert await _ask(lab, "SELECT available FROM stock") == 5
    with pytest.raises(asyncpg.LockNotAvailableError):
        await _ask(lab, "SELECT available FROM stock FOR UPDATE NOWAIT")
    await _ask(lab, "COMMIT PREPARED 'order-1'")
    assert await _ask(lab, "SELECT available FROM stock") == 4


async def test_it_ends_even_when_its_supervisor_is_killed(lab, marked, until):
    """Changing to another user clears the signal that does it, so it has to be set again."""
    psutil.Process(psutil.Process(lab["postgres"].pid).ppid()).kill()
    until(lambda: not marked.pids(), 10, "PostgreSQL ended")


def test_root_is_told_what_is_missing_to_become_somebody_else(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    place = Place(find("postgres"), {"postgres": 1}, tmp_path)
    with pytest.raises(LabError, match="refuses to run as root"):
        SERVERS["postgres"].launch(place)
