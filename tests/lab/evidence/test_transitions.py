"""The ways of sagas, read from a log that the kit's orchestrator has written."""

import asyncio
from collections import Counter

import pytest
from sqlalchemy import MetaData

from workbook_lib.kit.errors import Conflict, Unavailable
from workbook_lib.kit.saga import Orchestrator, Saga, SagaLog, Step
from workbook_lib.kit.storage import Database
from workbook_lib.lab.evidence import Transition, saga_transitions


class Shop:
    """A saga of two steps; an order's id says what goes wrong with it."""

    def __init__(self):
        self._tries = Counter()

    async def reserve(self, context):
        self._tries[context.saga_id] += 1
        if context.saga_id == "slow" and self._tries["slow"] < 3:
            raise Unavailable("not now")

    async def charge(self, context):
        if context.saga_id in ("poor", "stuck"):
            raise Conflict("too little")

    async def release(self, context):
        if context.saga_id == "stuck":
            raise Conflict("gone")

    def saga(self):
        return Saga("shop", [Step("reserve", self.reserve, self.release), Step("charge", self.charge)])


@pytest.fixture
async def log(tmp_path):
    metadata = MetaData()
    sagas = SagaLog(metadata)
    database = Database(f"sqlite:///{tmp_path}/shop.db", metadata=metadata)
    await database.start()
    orchestrator = Orchestrator(Shop().saga(), sagas, database)
    worker = asyncio.ensure_future(orchestrator.run_forever())
    for order in ("fine", "slow", "poor", "stuck"):
        async with database.session() as session:
            await orchestrator.begin(session, order, {})
        await orchestrator.run(order)
    await orchestrator.unpark("stuck")
    await orchestrator.run("stuck")
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    await database.stop()
    return tmp_path / "shop.db"


def _ways(transitions):
    return {(each.before, each.event, each.after, each.count) for each in transitions}


async def test_a_way_without_trouble_leads_from_step_to_step_to_the_end(log):
    assert await saga_transitions(log, "shop", of=["fine"]) == [
        Transition("begun", "", "reserve"),
        Transition("reserve", "done", "charge"),
        Transition("charge", "done", "COMPLETED"),
    ]


async def test_what_is_tried_again_stays_where_it_is(log):
    assert ("reserve", "failed", "reserve", 2) in _ways(await saga_transitions(log, "shop", of=["slow"]))


async def test_a_refusal_turns_back_to_what_was_done(log):
    ways = _ways(await saga_transitions(log, "shop", of=["poor"]))
    assert ("charge", "refused", "undo reserve", 1) in ways
    assert ("undo reserve", "compensated", "COMPENSATED", 1) in ways


async def test_a_compensation_that_can_not_be_made_is_parked(log):
    ways = await saga_transitions(log, "shop", of=["stuck"])
    assert ("undo reserve", "compensation failed", "PARKED", 2) in _ways(ways)
    assert ("PARKED", "unparked", "undo reserve", 1) in _ways(ways)
    assert {each.after for each in ways if each.backward} == {"undo reserve", "PARKED"}


async def test_the_ways_of_all_are_counted_together(log):
    ways = _ways(await saga_transitions(log, "shop"))
    assert {("begun", "", "reserve", 4), ("charge", "done", "COMPLETED", 2)} <= ways
    assert await saga_transitions(log, "another saga") == []
