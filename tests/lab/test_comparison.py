"""What is compared is measured: every order's latency, locks as the database knows them, lines of code."""

import asyncio
import uuid

import asyncpg
import pytest

from workbook_lib.kit.postgres import create_database
from workbook_lib.lab.comparison import Way, code_lines, compare, place_orders, try_to_write, watch_locks
from workbook_lib.lab.evidence import eventually


async def test_every_order_is_counted_and_a_failure_by_its_kind():
    placed = []

    async def place(number):
        placed.append(number)
        if number == 4:
            raise ConnectionError("away")

    result = await place_orders("nothing", place, orders=5, concurrency=2, warmup=2)
    assert placed == [0, 1, 2, 3, 4, 5, 6]
    assert (result.requests, result.failures, result.reasons) == (5, 1, {"ConnectionError": 1})


async def test_no_more_orders_are_under_way_than_asked_for():
    under_way, most = set(), 0

    async def place(number):
        nonlocal most
        under_way.add(number)
        most = max(most, len(under_way))
        await asyncio.sleep(0.001)
        under_way.discard(number)

    await place_orders("nothing", place, orders=12, concurrency=3, warmup=0)
    assert most == 3


@pytest.mark.server
async def test_locks_are_seen_as_long_as_they_are_held_also_by_a_prepared_transaction(postgres_url):
    url = await create_database(postgres_url, f"locks_{uuid.uuid4().hex[:8]}")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE items (sku text PRIMARY KEY, available int)")
    await connection.execute("INSERT INTO items VALUES ('mouse', 1)")
    async with watch_locks(url, "items") as idle:
        await connection.fetchval("SELECT available FROM items")
        await eventually(lambda: len(idle.samples) > 2)
    assert idle.held_ms(1) == 0
    gid = uuid.uuid4().hex
    await connection.execute("BEGIN; UPDATE items SET available = 0")
    await connection.execute(f"PREPARE TRANSACTION '{gid}'")
    async with watch_locks(url, "items") as prepared:
        await asyncio.sleep(0.1)
        await eventually(lambda: prepared.samples)
    assert prepared.mean_holders == 1
    assert prepared.held_ms(1) >= 90  # all of the time
    assert prepared.held_ms(2) == prepared.held_ms(1) / 2
    blocked = await try_to_write(url, "UPDATE items SET available = 2", patience_seconds=0.1)
    assert (blocked.done, blocked.seconds >= 0.1) == (False, True)
    await connection.execute(f"COMMIT PREPARED '{gid}'")
    assert (await try_to_write(url, "UPDATE items SET available = 2")).done
    assert await connection.fetchval("SELECT available FROM items") == 2
    await connection.close()


@pytest.mark.server
async def test_ways_take_turns_and_who_holds_locks_longer_is_told_so(postgres_url):
    url = await create_database(postgres_url, f"ways_{uuid.uuid4().hex[:8]}")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE items (sku text PRIMARY KEY, available int)")
    turns = []

    def order(name, seconds):
        async def place(_number):
            turns.append(name)
            async with connection.transaction():
                await connection.execute("UPDATE items SET available = 0")
                await asyncio.sleep(seconds)

        return Way(place, url)

    # The middle one of three rounds: a machine that stops for a moment lengthens one.
    costs = await compare({"long": order("long", 0.2), "short": order("short", 0.0)}, rounds=3, orders=2)
    assert turns == ["long", "short", *(["long"] * 2 + ["short"] * 2) * 3]
    assert costs["long"].result.requests == costs["short"].result.requests == 6
    assert costs["long"].locked_ms > 100
    assert costs["long"].locked_ms > costs["short"].locked_ms
    await connection.close()


async def test_an_order_that_fails_ends_the_comparison(postgres_url):
    async def place(number):
        if number:
            raise ConnectionError("away")

    with pytest.raises(RuntimeError, match="nothing: 1 of 2 orders failed"):
        await compare({"nothing": Way(place, postgres_url, "pg_class")}, orders=2)


def test_code_is_counted_without_blank_lines_comments_and_docstrings(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "one.py").write_text(
        '"""Says\nwhat."""\n\nimport os  # used\n\n# a comment\nclass Outer:\n    """Doc."""\n\n'
        '    def inner(self):\n        return (\n            os.name\n        )\n\nTEXT = """two\nlines"""\n'
    )
    monkeypatch.setattr("workbook_lib.lab.comparison.project_root", lambda: tmp_path)
    assert code_lines("one.py") == code_lines(".") == 8
    assert code_lines("one.py:Outer") == 5
    assert code_lines("one.py:Outer.inner", "one.py:Outer.inner") == 8
    with pytest.raises(LookupError, match=r"one.py has no Outer.missing"):
        code_lines("one.py:Outer.missing")
