"""SEMANTICS, Saga: a restarted orchestrator resumes; two instances don't run one saga at once."""

import asyncio
import contextlib

import pytest

from tests.kit.saga.conftest import LOG, refused
from workbook_lib.kit import failpoints
from workbook_lib.kit.failpoints import InjectedFault
from workbook_lib.kit.saga import Orchestrator, Saga, SagaContext, SagaState, Step
from workbook_lib.lab.evidence import eventually

FORWARD = [
    f"order-saga.{step}.{when}" for step in ("reserve", "charge", "confirm") for when in ("stored", "done")
]
BACKWARD = [
    f"order-saga.{step}.{when}" for step in ("charge", "reserve") for when in ("compensating", "compensated")
]


@contextlib.asynccontextmanager
async def worker(orchestrator: Orchestrator):
    """It runs as a service's worker does."""
    task = asyncio.create_task(orchestrator.run_forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def left_at(orchestrator, database, name: str) -> None:
    """Begin a saga in a process that is gone when it comes to `name`: it raises there and never goes on."""
    failpoints.arm(name, "error")
    async with database.session() as session:
        await orchestrator.begin(session, "o1", {})
    await orchestrator._drive("o1")
    assert name not in failpoints.armed()
    assert not (await orchestrator.outcome("o1")).ended


@pytest.mark.parametrize("name", FORWARD)
async def test_a_saga_left_anywhere_on_its_way_goes_on_where_it_was(orchestrator, database, world, name):
    await left_at(orchestrator(owner="orders-1"), database, name)
    again = orchestrator(owner="orders-1")
    async with worker(again):
        await eventually(lambda: ended(again))
    assert (await again.outcome("o1")).state is SagaState.COMPLETED
    repeated = [name.split(".")[1]] if name.endswith("done") else []
    assert sorted(world.calls) == sorted(["reserve", "charge", "confirm", *repeated])


@pytest.mark.parametrize("name", BACKWARD)
async def test_a_saga_left_on_its_way_back_is_undone_to_its_beginning(orchestrator, database, world, name):
    world.fails("confirm", refused())
    await left_at(orchestrator(owner="orders-1"), database, name)
    again = orchestrator(owner="orders-1")
    async with worker(again):
        await eventually(lambda: ended(again))
    assert (await again.outcome("o1")).state is SagaState.COMPENSATED
    repeated = [f"undo {name.split('.')[1]}"] if name.endswith("compensated") else []
    assert sorted(world.calls) == sorted(
        ["reserve", "charge", "confirm", "undo charge", "undo reserve", *repeated]
    )


async def test_a_refusal_after_a_crash_leaves_the_step_in_doubt(orchestrator, database, world):
    await left_at(orchestrator(owner="orders-1"), database, "order-saga.charge.done")
    world.fails("charge", refused())
    outcome = await orchestrator(owner="orders-1").run("o1")
    assert outcome.state is SagaState.COMPENSATED
    assert world.calls == ["reserve", "charge", "charge", "undo charge", "undo reserve"]


async def test_nobody_else_takes_a_saga_whose_lease_has_not_run_out(orchestrator, database, world):
    await left_at(orchestrator(owner="orders-1", lease_seconds=60), database, "order-saga.charge.stored")
    other = orchestrator(owner="orders-2")
    async with worker(other):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.run("o1"), 0.5)
    assert world.calls == ["reserve"]


async def test_a_saga_of_an_instance_that_is_gone_is_taken_over_when_its_lease_runs_out(
    orchestrator, database, world
):
    await left_at(orchestrator(owner="orders-1", lease_seconds=0.3), database, "order-saga.charge.stored")
    assert (await orchestrator(owner="orders-2").run("o1")).state is SagaState.COMPLETED


async def test_an_instance_that_was_stopped_and_wakes_after_a_take_over_changes_nothing(database, world):
    """Fencing: its lease ran out in its sleep, so what it would store no longer counts."""
    asleep, awake = asyncio.Event(), asyncio.Event()

    def steps(who: str) -> list[Step]:
        async def charge(_: SagaContext) -> dict[str, str]:
            world.calls.append(who)
            if who == "first":
                asleep.set()
                await awake.wait()
            return {"charged by": who}

        return [Step("charge", charge), world.step("confirm")]

    first = Orchestrator(Saga("s", steps("first")), LOG, database, lease_seconds=60)
    second = Orchestrator(Saga("s", steps("second")), LOG, database, owner="second")
    async with database.session() as session:
        await first.begin(session, "o1", {})
    running = asyncio.create_task(first.run("o1"))
    await asleep.wait()
    async with database.session() as session:
        await LOG.release(session, "s", first._lease.token)  # as if its time were up
    assert (await second.run("o1")).state is SagaState.COMPLETED
    awake.set()
    outcome = await running
    assert outcome.data["charged by"] == "second"
    assert world.calls == ["first", "second", "confirm"]


async def test_a_saga_that_nobody_waits_for_is_driven_from_its_commit_on(orchestrator, database, world):
    saga = orchestrator()
    async with worker(saga):
        await asyncio.sleep(0)
        async with database.session() as session:
            await saga.begin(session, "o1", {})
        await eventually(lambda: ended(saga), interval_seconds=0.01)
    assert world.calls == ["reserve", "charge", "confirm"]


async def test_a_failing_database_does_not_end_the_worker(orchestrator, database, world):
    await left_at(orchestrator(owner="orders-1"), database, "order-saga.charge.stored")
    again = orchestrator(owner="orders-1")
    await database.stop()
    async with worker(again):
        await asyncio.sleep(0.1)
        await database.start()
        await eventually(lambda: ended(again))
    assert world.calls == ["reserve", "charge", "confirm"]


async def ended(orchestrator: Orchestrator) -> bool:
    return (await orchestrator.outcome("o1")).ended


def test_an_injected_fault_is_no_refusal():
    assert InjectedFault("x").retryable
