"""SEMANTICS, Saga: state stored before each step, compensation in reverse order of what completed."""

import asyncio

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.kit.saga.conftest import LOG, away, refused
from workbook_lib.kit import failpoints, telemetry
from workbook_lib.kit.errors import Conflict, Internal, NotFound, Unavailable
from workbook_lib.kit.saga import Orchestrator, Saga, SagaContext, SagaState, Step
from workbook_lib.lab.evidence import eventually


async def test_steps_run_in_order_and_what_they_find_out_is_kept(orchestrator, world, ordered):
    saga = orchestrator()
    outcome = await ordered(saga, sku="mouse")
    assert world.calls == ["reserve", "charge", "confirm"]
    assert (outcome.state, outcome.error, outcome.ended) == (SagaState.COMPLETED, None, True)
    assert outcome.data == {
        "sku": "mouse",
        "reserve": "o1:reserve",
        "charge": "o1:charge",
        "confirm": "o1:confirm",
    }
    assert await saga.outcome("o1") == outcome
    assert [(step, event) for step, event, _, _ in await saga.history("o1")] == [
        ("reserve", "started"),
        ("reserve", "done"),
        ("charge", "started"),
        ("charge", "done"),
        ("confirm", "started"),
        ("confirm", "done"),
    ]


async def test_a_refused_step_is_not_repeated_and_what_was_done_before_is_undone_in_reverse(
    orchestrator, world, ordered
):
    world.fails("confirm", refused())
    outcome = await ordered(orchestrator())
    assert world.calls == ["reserve", "charge", "confirm", "undo charge", "undo reserve"]
    assert outcome.state is SagaState.COMPENSATED
    assert isinstance(outcome.error, Conflict)
    assert (outcome.error.code, outcome.error.message) == (40901, "balance is short")
    assert outcome.error.details == {"wanted": 5}


async def test_a_step_that_fails_is_tried_again(orchestrator, world, ordered):
    world.fails("charge", away(), away())
    outcome = await ordered(orchestrator(attempts=3))
    assert outcome.state is SagaState.COMPLETED
    assert world.calls == ["reserve", "charge", "charge", "charge", "confirm"]


@pytest.mark.parametrize("error", [away(), Internal("it fell over"), RuntimeError("a bug of ours")])
async def test_a_step_whose_outcome_is_unknown_is_undone_too(orchestrator, world, ordered, error):
    world.fails("charge", error, error)
    outcome = await ordered(orchestrator(attempts=2))
    assert outcome.state is SagaState.COMPENSATED
    assert world.calls == ["reserve", "charge", "charge", "undo charge", "undo reserve"]


async def test_a_refusal_after_a_try_of_unknown_outcome_leaves_it_in_doubt(orchestrator, world, ordered):
    """The first try may still be on its way, and take effect after the second was refused."""
    world.fails("charge", away(), refused())
    outcome = await ordered(orchestrator())
    assert world.calls == ["reserve", "charge", "charge", "undo charge", "undo reserve"]
    assert isinstance(outcome.error, Conflict)


async def test_the_first_step_refused_has_nothing_to_undo(orchestrator, world, ordered):
    world.fails("reserve", refused())
    assert (await ordered(orchestrator())).state is SagaState.COMPENSATED
    assert world.calls == ["reserve"]


async def test_a_step_that_never_answers_counts_as_failed(database, ordered):
    calls = []

    async def hang(_: SagaContext) -> None:
        calls.append("hang")
        await asyncio.Event().wait()

    async def undo(_: SagaContext) -> None:
        calls.append("undo")

    saga = Orchestrator(
        Saga("slow", [Step("hang", hang, undo)]), LOG, database, attempts=1, lease_seconds=0.2
    )
    outcome = await ordered(saga)
    assert (outcome.state, calls) == (SagaState.COMPENSATED, ["hang", "undo"])
    assert outcome.error.code == 50401


async def test_a_compensation_is_repeated_until_it_succeeds(orchestrator, world, ordered):
    world.fails("confirm", refused())
    world.fails("undo charge", away(), RuntimeError("a bug"), away())
    outcome = await ordered(orchestrator())
    assert outcome.state is SagaState.COMPENSATED
    assert world.calls[3:] == ["undo charge"] * 4 + ["undo reserve"]


@pytest.mark.parametrize(("errors", "calls"), [([away(), away()], 2), ([refused()], 1)])
async def test_a_compensation_that_does_not_succeed_is_parked_until_a_person_lets_it_go_on(
    orchestrator, world, ordered, errors, calls
):
    saga = orchestrator(compensation_attempts=2)
    world.fails("charge", refused())
    world.fails("undo reserve", *errors)
    outcome = await ordered(saga)
    assert (outcome.state, outcome.ended, world.calls.count("undo reserve")) == (
        SagaState.PARKED,
        False,
        calls,
    )
    assert (await saga.run("o1")).state is SagaState.PARKED  # nobody but a person moves it
    await saga.unpark("o1")
    outcome = await saga.run("o1")
    assert outcome.state is SagaState.COMPENSATED
    assert isinstance(outcome.error, Conflict), "why it turned back, not why it was parked"
    assert world.calls.count("undo reserve") == calls + 1
    with pytest.raises(Conflict, match="isn't parked but COMPENSATED"):
        await saga.unpark("o1")


async def test_the_end_and_what_goes_with_it_are_one_transaction(database, world):
    async with database.session() as session:
        await session.execute(text("CREATE TABLE ends (id TEXT, state TEXT)"))
    failures = [RuntimeError("between the two")]

    async def on_end(session, outcome):
        await session.execute(text(f"INSERT INTO ends VALUES ('{outcome.saga_id}', '{outcome.state}')"))
        if failures:
            raise failures.pop()

    saga = Orchestrator(Saga("s", [world.step("charge")]), LOG, database, on_end=on_end)
    async with database.session() as session:
        await saga.begin(session, "o1", {})
    assert (await saga.run("o1")).state is SagaState.COMPLETED
    async with database.session() as session:
        assert (await session.execute(text("SELECT id, state FROM ends"))).all() == [("o1", "COMPLETED")]
    assert world.calls == ["charge", "charge"]  # its end wasn't stored, so it was driven once more


async def test_a_saga_begun_in_a_transaction_that_is_rolled_back_does_not_exist(orchestrator, database):
    saga = orchestrator()

    async def begin() -> None:
        async with database.session() as session:
            await saga.begin(session, "o1", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await begin()
    with pytest.raises(NotFound):
        await saga.run("o1")
    with pytest.raises(NotFound):
        await saga.unpark("o1")


async def test_a_saga_is_begun_once(orchestrator, ordered):
    saga = orchestrator()
    await ordered(saga)
    with pytest.raises(IntegrityError):
        await ordered(saga)


def test_steps_need_names_of_their_own(world):
    for steps in ([], [world.step("a"), world.step("a")]):
        with pytest.raises(ValueError, match="names of their own"):
            Saga("s", steps)


async def test_a_caller_that_gives_up_does_not_end_the_saga(database):
    go_on = asyncio.Event()

    async def wait(_: SagaContext) -> None:
        await go_on.wait()

    saga = Orchestrator(Saga("s", [Step("wait", wait)]), LOG, database)
    async with database.session() as session:
        await saga.begin(session, "o1", {})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(saga.run("o1"), 0.1)
    go_on.set()
    assert (await saga.run("o1")).state is SagaState.COMPLETED


async def test_many_sagas_run_beside_each_other(orchestrator, world, ordered):
    saga = orchestrator()
    outcomes = await asyncio.gather(*(ordered(saga, f"o{number}") for number in range(20)))
    assert {outcome.state for outcome in outcomes} == {SagaState.COMPLETED}
    assert len(world.calls) == 60


async def test_its_steps_are_spans_of_the_trace_in_which_it_was_begun(
    orchestrator, world, ordered, spans: InMemorySpanExporter
):
    world.fails("charge", refused())
    with telemetry.tracer().start_as_current_span("request") as request:
        await ordered(orchestrator())
    names = [
        span.name
        for span in spans.get_finished_spans()
        if span.context.trace_id == request.get_span_context().trace_id and "orders" not in span.name
    ]
    assert names == [
        "order-saga reserve",
        "order-saga charge",
        "order-saga compensate reserve",
        "order-saga",
        "request",
    ]


async def test_every_boundary_between_its_steps_is_a_failpoint(orchestrator, world, ordered):
    before = failpoints.passed()
    world.fails("confirm", refused())
    await ordered(orchestrator())
    after = failpoints.passed()
    assert {name for name in after if after[name] > before.get(name, 0)} == {
        "order-saga.reserve.stored",
        "order-saga.reserve.done",
        "order-saga.charge.stored",
        "order-saga.charge.done",
        "order-saga.confirm.stored",
        "order-saga.charge.compensating",
        "order-saga.charge.compensated",
        "order-saga.reserve.compensating",
        "order-saga.reserve.compensated",
        "order-saga.ended",
    }


async def test_a_service_that_stops_says_that_its_sagas_go_on_later(database, world):
    begun = asyncio.Event()

    async def hang(_: SagaContext) -> None:
        world.calls.append("hang")
        begun.set()
        if len(world.calls) == 1:
            await asyncio.Event().wait()

    steps = Saga("s", [Step("hang", hang)])
    first = Orchestrator(steps, LOG, database)
    worker = asyncio.create_task(first.run_forever())
    async with database.session() as session:
        await first.begin(session, "o1", {})
    waiting = asyncio.create_task(first.run("o1"))
    await begun.wait()
    worker.cancel()
    with pytest.raises(Unavailable, match="after a restart"):
        await waiting
    # Its lease was given back: the next one needn't wait.
    second = Orchestrator(steps, LOG, database, lease_seconds=60)
    assert (await second.run("o1")).state is SagaState.COMPLETED
    await eventually(worker.done)
