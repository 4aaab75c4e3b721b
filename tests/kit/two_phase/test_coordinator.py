"""Two-phase commit: all or nothing, whoever fails and whenever; what is in doubt blocks until recovery."""

import asyncio
import signal
import sys
import uuid
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, text
from sqlalchemy.exc import IntegrityError

from workbook_lib.kit.errors import Conflict, Unavailable
from workbook_lib.kit.postgres import create_database
from workbook_lib.kit.two_phase import GlobalId, RowsLocked, coordinator
from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.faults.relay import Relay
from workbook_lib.lab.ports import PortAllocator, PortRequest

from .bank import Bank, accounts, log

pytestmark = pytest.mark.server

BEFORE, AFTER = {"east": 100, "west": 100}, {"east": 70, "west": 130}


@pytest.fixture(scope="module")
def prefix(postgres_url):
    """Three databases whose names begin so."""
    prefix = f"bank_{uuid.uuid4().hex[:8]}"
    for name in ("east", "west", "own"):
        asyncio.run(create_database(postgres_url, f"{prefix}_{name}"))
    return prefix


@pytest.fixture
async def bank(postgres_url, prefix):
    """A hundred in each, and nothing decided."""
    async with Bank(postgres_url, prefix).open() as bank:
        for database in bank.participants.values():
            async with database.session() as session:
                await session.execute(delete(accounts))
                await session.execute(insert(accounts).values(id="account", cents=100))
        async with bank.own.session() as session:
            await session.execute(text("DELETE FROM two_phase_decisions"))
        yield bank


async def test_it_commits_in_every_database_or_in_none(bank):
    await bank.transfer("t1", 30)
    assert await bank.balances() == AFTER
    with pytest.raises(Conflict):
        await _transact(bank, "UPDATE accounts SET cents = 0", error=Conflict("changed my mind"))
    assert await bank.balances() == AFTER
    assert await bank.in_doubt() == 0


async def test_one_that_cannot_prepare_rolls_back_all(bank):
    """A deferred constraint is checked by PREPARE: the vote is no, although every statement succeeded."""
    async with bank.participants["west"].session() as session:
        await session.execute(text("CREATE TABLE names (name text UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    with pytest.raises(IntegrityError):
        await _transact(bank, "UPDATE accounts SET cents = 0", "INSERT INTO names VALUES ('ann'), ('ann')")
    assert (await bank.balances(), await bank.in_doubt(), await bank.decisions()) == (BEFORE, 0, {})


@pytest.mark.parametrize(
    ("failpoint", "committed"),
    [
        ("bank.prepared.1", False),
        ("bank.prepared.2", False),
        ("bank.decided", True),
        ("bank.committed.1", True),
        ("bank.committed.2", True),
    ],
)
async def test_a_coordinator_killed_at_any_step_leaves_all_or_nothing_behind(
    bank, postgres_url, prefix, failpoint, committed
):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("bank.py")), postgres_url, prefix, failpoint)
    )
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    if failpoint in ("bank.prepared.2", "bank.decided"):
        assert await bank.in_doubt() == 2
        with pytest.raises(RowsLocked):  # nobody else gets past the rows in doubt
            await bank.transfer("blocked", 1)
    worker = asyncio.create_task(bank.coordinator.run_forever())
    await eventually(lambda: _is(bank, AFTER if committed else BEFORE))
    await eventually(lambda: _nothing_in_doubt(bank))
    # A participant may prepare only now what it was told to before the kill: that locks until it is found.
    await eventually(lambda: _transferred(bank, "next"))
    worker.cancel()


async def test_recovery_leaves_alone_what_is_running_and_what_another_began(bank, postgres_url, prefix):
    async with Bank(postgres_url, prefix, owner="two").open() as other:
        for owner in ("one", "two"):
            async with bank.participants["east"].session() as session:
                await session.execute(text("SELECT 1"))
                await session.execute(text(f"PREPARE TRANSACTION '{GlobalId('bank', owner, 't1', 'east')}'"))
        assert await bank.coordinator.recover() == 1
        assert await bank.in_doubt() == 1
        assert await other.coordinator.recover() == 1
    async with bank.coordinator.transaction("t2"):
        assert await bank.coordinator.recover() == 0


async def test_once_presumed_aborted_it_cannot_be_committed_any_more(bank):
    assert not await log.committed(bank.own, "late")
    with pytest.raises(IntegrityError):
        async with bank.own.session() as session:
            await log.commit(session, "late")
    async with bank.own.session() as session:
        await log.commit(session, "early")
    assert await log.committed(bank.own, "early")
    await log.forget(bank.own, ["early"])
    assert await bank.decisions() == {"late": "ABORT"}


async def test_a_participant_out_of_reach_after_the_decision_commits_when_it_is_back(
    bank, postgres_url, prefix, monkeypatch
):
    reservation = PortAllocator().reserve(PortRequest("proxy"))
    reservation.hand_over()
    relay = Relay(reservation.port, bank.own.url.port)
    await relay.listen()
    url = bank.own.url.set(port=reservation.port, database=f"{prefix}_west", drivername="postgresql")
    monkeypatch.setattr(
        coordinator, "failpoint", lambda name: relay.cut() if name == "bank.decided" else None
    )
    async with Bank(postgres_url, prefix, west_url=url.render_as_string()).open() as far:
        worker = asyncio.create_task(far.coordinator.run_forever())
        await far.transfer("t1", 30)  # decided: the caller needn't wait for the one that is away
        assert await bank.balances() == {"east": 70, "west": 100}
        await relay.restore()
        await eventually(lambda: _is(bank, AFTER))
        worker.cancel()
    relay.cut()
    reservation.release()


async def test_a_participant_out_of_reach_from_the_start_is_an_error_that_can_be_retried(postgres_url, bank):
    with pytest.raises(Unavailable):
        await _transact(
            bank, "UPDATE accounts SET cents = 0", "SELECT pg_terminate_backend(pg_backend_pid())"
        )
    assert await bank.balances() == BEFORE


async def test_a_caller_that_leaves_during_the_commit_leaves_no_one_in_doubt(bank):
    transfer = asyncio.create_task(bank.transfer("t1", 30))
    await eventually(lambda: bank.coordinator._ending, interval_seconds=0)
    transfer.cancel()
    await bank.coordinator.stop()
    assert (await bank.balances(), await bank.in_doubt()) == (AFTER, 0)


async def test_decisions_are_forgotten_when_everybody_has_carried_them_out(bank):
    await bank.transfer("t1", 30)
    assert await bank.decisions() == {"t1": "COMMIT"}
    await bank.coordinator.recover()
    assert await bank.decisions() == {}


@pytest.mark.parametrize("tx", ["it's", "a:b", "", "x" * 200])
async def test_a_name_that_cannot_be_a_global_id_is_refused_before_anything_happens(bank, tx):
    with pytest.raises(ValueError, match="can't name a prepared transaction"):
        async with bank.coordinator.transaction(tx):
            raise AssertionError


async def _transact(bank, east, west="SELECT 1", *, error=None):
    async with bank.coordinator.transaction(uuid.uuid4().hex) as transaction:
        await transaction["east"].execute(text(east))
        await transaction["west"].execute(text(west))
        if error:
            raise error


async def _transferred(bank, tx):
    await bank.transfer(tx, 0)
    return True


async def _nothing_in_doubt(bank):
    return await bank.in_doubt() == 0


async def _is(bank, balances):
    return await bank.balances() == balances
