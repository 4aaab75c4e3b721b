"""SEMANTICS, TCC: Confirm and Cancel idempotent; a Cancel before the Try recorded, the later Try refused.

The participant is an account in a real database: whatever order the calls come in, its balance is right.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Integer, MetaData, String, Table, insert, select, update
from sqlalchemy.schema import Column

from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.storage import Database
from workbook_lib.kit.tcc import BranchConflict, Branches, LateTry

METADATA = MetaData()
ACCOUNTS = Table(
    "accounts", METADATA, Column("id", String, primary_key=True), Column("cents", Integer, nullable=False)
)
BRANCHES = Branches(METADATA)
START = {"ann": 100, "held": 0, "shop": 0}


class Account:
    """Ann's money: a Try holds one cent of it, Confirm pays it to the shop, Cancel gives it back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def attempt(self, tx: str = "t1") -> bool:
        async with self._database.session() as session:
            if due := await BRANCHES.tried(session, tx):
                await self._move(session, "ann", "held")
        return due

    async def confirm(self, tx: str = "t1") -> bool:
        async with self._database.session() as session:
            if due := await BRANCHES.confirmed(session, tx):
                await self._move(session, "held", "shop")
        return due

    async def cancel(self, tx: str = "t1") -> bool:
        async with self._database.session() as session:
            if due := await BRANCHES.cancelled(session, tx):
                await self._move(session, "held", "ann")
        return due

    async def balances(self) -> dict[str, int]:
        async with self._database.session(read_only=True) as session:
            rows = await session.execute(select(ACCOUNTS.c.id, ACCOUNTS.c.cents))
            return {row.id: row.cents for row in rows}

    async def _move(self, session, source: str, target: str) -> None:
        for account, cents in ((source, -1), (target, 1)):
            await session.execute(
                update(ACCOUNTS).where(ACCOUNTS.c.id == account).values(cents=ACCOUNTS.c.cents + cents)
            )


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    database = Database(f"sqlite:///{tmp_path / 'payments.db'}", metadata=METADATA)
    await database.start()
    async with database.session() as session:
        await session.execute(insert(ACCOUNTS), [{"id": id_, "cents": cents} for id_, cents in START.items()])
    yield Account(database)
    await database.stop()


async def test_try_and_confirm_each_have_their_effect_once(account):
    assert [await account.attempt() for _ in range(3)] == [True, False, False]
    assert await account.balances() == {"ann": 99, "held": 1, "shop": 0}
    assert [await account.confirm() for _ in range(3)] == [True, False, False]
    assert await account.attempt() is False  # a Try that was sent twice, the second slower than everything
    assert await account.balances() == {"ann": 99, "held": 0, "shop": 1}


async def test_cancel_twice_gives_back_once(account):
    await account.attempt()
    assert [await account.cancel() for _ in range(3)] == [True, False, False]
    assert await account.balances() == START


async def test_a_cancel_before_the_try_is_recorded_and_the_late_try_refused(account):
    assert await account.cancel() is False
    with pytest.raises(LateTry, match="t1 was cancelled before this try") as refused:
        await account.attempt()
    assert isinstance(refused.value, Conflict)
    assert (refused.value.code, refused.value.retryable) == (40903, False)
    assert await account.cancel() is False
    with pytest.raises(BranchConflict, match="is CANCELLED"):
        await account.confirm()
    assert await account.balances() == START


async def test_there_is_no_way_back_from_a_confirm_and_none_to_it_without_a_try(account):
    with pytest.raises(BranchConflict, match="was not tried"):
        await account.confirm("t2")
    await account.attempt()
    await account.confirm()
    with pytest.raises(BranchConflict, match="is CONFIRMED"):
        await account.cancel()
    assert await account.balances() == {"ann": 99, "held": 0, "shop": 1}


async def test_of_a_confirm_and_a_cancel_at_once_exactly_one_wins(account):
    for number in range(10):
        tx = f"t{number}"
        before = await account.balances()
        await account.attempt(tx)
        both = [account.confirm(tx), account.cancel(tx)]
        outcomes = await asyncio.gather(*both[:: 1 if number % 2 else -1], return_exceptions=True)
        assert sorted(map(repr, map(type, outcomes))) == sorted([repr(bool), repr(BranchConflict)])
        paid = 1 if "can't be cancelled" in str(outcomes) else 0
        after = await account.balances()
        assert after == {
            "ann": before["ann"] - paid,
            "held": 0,
            "shop": before["shop"] + paid,
        }


async def test_in_whatever_order_the_calls_come_nothing_stays_held_and_no_cent_is_lost(account):
    """T: Try, C: Cancel, X: Confirm; each may be refused, and is then not repeated."""
    calls = {"T": account.attempt, "C": account.cancel, "X": account.confirm}
    for order in sorted(set(itertools.permutations("TTCCX"))):
        before, tx = await account.balances(), "".join(order)
        for letter in order:
            with contextlib.suppress(BranchConflict):
                await calls[letter](tx)
        confirmed = order.index("T") < order.index("X") < order.index("C")
        paid = 1 if confirmed else 0
        expected = {"ann": before["ann"] - paid, "held": 0, "shop": before["shop"] + paid}
        assert await account.balances() == expected, tx
