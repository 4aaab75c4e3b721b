"""SEMANTICS, TCC: what is decided is stored, then carried out; a Try that times out is cancelled."""

import asyncio

import pytest

from tests.kit.tcc.conftest import LOG
from workbook_lib.kit import failpoints
from workbook_lib.kit.errors import Conflict, DeadlineExceeded, NotFound, Unavailable
from workbook_lib.kit.tcc import BranchConflict, Participant, TccContext, TccCoordinator, TccState
from workbook_lib.lab.evidence import eventually

TRIES = ["try inventory", "try payments"]
CONFIRMS = ["confirm inventory", "confirm payments"]
CANCELS = ["cancel inventory", "cancel payments"]


async def test_all_reserve_and_then_all_confirm(coordinator, world, ordered):
    tcc = coordinator()
    outcome = await ordered(tcc)
    assert world.calls == TRIES + CONFIRMS
    assert (outcome.state, outcome.error, outcome.ended) == (TccState.CONFIRMED, None, True)
    assert outcome.data == {"sku": "mouse", "try inventory": "o1", "try payments": "o1"}
    assert await tcc.outcome("o1") == outcome
    assert [(step, event) for step, event, _, _ in await tcc.history("o1")] == [
        ("inventory", "started"),
        ("inventory", "tried"),
        ("payments", "tried"),
        ("", "decided to confirm"),
        ("inventory", "confirmed"),
        ("payments", "confirmed"),
    ]


async def test_who_refuses_has_nothing_to_cancel_and_the_others_have(coordinator, world, ordered):
    world.fails("try payments", Conflict("balance is short"))
    outcome = await ordered(coordinator())
    assert world.calls == [*TRIES, "cancel inventory"]
    assert (outcome.state, outcome.error.message) == (TccState.CANCELLED, "balance is short")


@pytest.mark.parametrize(
    "error", [DeadlineExceeded("late"), Unavailable("cut off"), RuntimeError("a bug of ours")]
)
async def test_a_try_whose_outcome_is_unknown_is_not_repeated_but_cancelled(
    coordinator, world, ordered, error
):
    world.fails("try payments", error)
    outcome = await ordered(coordinator())
    assert outcome.state is TccState.CANCELLED
    assert world.calls == TRIES + CANCELS


async def test_a_try_that_times_out_is_cancelled(database, world, ordered):
    async def hang(_: TccContext) -> None:
        await asyncio.Event().wait()

    slow = world.participant("payments")
    slow = Participant("payments", hang, slow.confirm, slow.cancel)
    tcc = TccCoordinator("slow", [slow], LOG, database, lease_seconds=0.2)
    outcome = await ordered(tcc)
    assert (outcome.state, outcome.error.code) == (TccState.CANCELLED, 50401)
    assert world.calls == ["cancel payments"]


@pytest.mark.parametrize("word", ["confirm", "cancel"])
async def test_what_is_decided_is_carried_out_however_often_it_fails(coordinator, world, ordered, word):
    if word == "cancel":
        world.fails("try payments", Unavailable("away"))
    world.fails(f"{word} inventory", Unavailable("away"), RuntimeError("a bug"), Unavailable("away"))
    outcome = await ordered(coordinator())
    assert outcome.state is (TccState.CONFIRMED if word == "confirm" else TccState.CANCELLED)
    assert world.calls.count(f"{word} inventory") == 4
    assert world.calls.count(f"{word} payments") == 1


@pytest.mark.parametrize("word", ["confirm", "cancel"])
@pytest.mark.parametrize("errors", [[Unavailable("away")] * 2, [BranchConflict("the opposite is decided")]])
async def test_what_cannot_be_carried_out_is_parked_and_goes_on_the_same_way(
    coordinator, world, ordered, word, errors
):
    if word == "cancel":
        world.fails("try payments", Unavailable("away"))
    world.fails(f"{word} inventory", *errors)
    tcc = coordinator(attempts=2)
    outcome = await ordered(tcc)
    assert (outcome.state, outcome.ended) == (TccState.PARKED, False)
    await tcc.unpark("o1")
    outcome = await tcc.run("o1")
    assert outcome.state is (TccState.CONFIRMED if word == "confirm" else TccState.CANCELLED)
    assert (outcome.error is None) == (word == "confirm")
    with pytest.raises(Conflict, match="isn't parked"):
        await tcc.unpark("o1")
    with pytest.raises(NotFound):
        await tcc.unpark("unknown")


async def left_at(coordinator, database, name: str) -> None:
    failpoints.arm(name, "error")
    async with database.session() as session:
        await coordinator.begin(session, "o1", {})
    await coordinator._drive("o1")
    assert name not in failpoints.armed()


async def finished(coordinator) -> TccState:
    """Where the transaction ends with a worker that has just been started."""

    async def ended() -> bool:
        return (await coordinator.outcome("o1")).ended

    worker = asyncio.create_task(coordinator.run_forever())
    await eventually(ended)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    return (await coordinator.outcome("o1")).state


@pytest.mark.parametrize("participant", ["inventory", "payments"])
@pytest.mark.parametrize("when", ["trying", "tried"])
async def test_left_before_the_decision_it_is_cancelled_everywhere(
    coordinator, database, world, participant, when
):
    await left_at(coordinator(owner="orders-1"), database, f"order-tcc.{participant}.{when}")
    assert await finished(coordinator(owner="orders-1")) is TccState.CANCELLED
    assert world.calls[-2:] == CANCELS
    assert not set(CONFIRMS) & set(world.calls)


@pytest.mark.parametrize("name", ["decided", "inventory.confirmed", "payments.confirmed"])
async def test_left_after_the_decision_to_confirm_it_is_confirmed(coordinator, database, world, name):
    await left_at(coordinator(owner="orders-1"), database, f"order-tcc.{name}")
    assert await finished(coordinator(owner="orders-1")) is TccState.CONFIRMED
    assert world.calls[-2:] == CONFIRMS
    assert world.calls.count("try payments") == 1


@pytest.mark.parametrize("name", ["decided", "inventory.cancelled", "payments.cancelled"])
async def test_left_after_the_decision_to_cancel_it_is_cancelled(coordinator, database, world, name):
    world.fails("try payments", Unavailable("away"))
    await left_at(coordinator(owner="orders-1"), database, f"order-tcc.{name}")
    assert await finished(coordinator(owner="orders-1")) is TccState.CANCELLED
    assert world.calls[-2:] == CANCELS


async def test_the_end_is_told_in_its_transaction(database, world, ordered):
    told = []

    async def on_end(session, outcome):
        told.append((outcome.tx, outcome.state, session.in_transaction()))

    tcc = TccCoordinator("t", [world.participant("a")], LOG, database, on_end=on_end)
    await ordered(tcc)
    assert told == [("o1", TccState.CONFIRMED, True)]
