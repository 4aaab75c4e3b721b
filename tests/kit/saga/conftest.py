"""A database with the tables of sagas, and a saga whose steps write down that they ran."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from workbook_lib.kit.errors import Conflict, Unavailable
from workbook_lib.kit.saga import Orchestrator, Saga, SagaContext, SagaLog, SagaOutcome, Step
from workbook_lib.kit.storage import Database

METADATA = MetaData()
LOG = SagaLog(METADATA)

STEPS = ("reserve", "charge", "confirm")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """The orchestrator's own."""
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}", metadata=METADATA)
    await database.start()
    yield database
    await database.stop()


class World:
    """The services that the steps call, as a saga sees them: what was called, and what each answers."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answers: dict[str, list[Exception]] = {}
        """By call, the errors that it answers with, one a call; then it succeeds."""

    def fails(self, call: str, *errors: Exception) -> None:
        """Let the next calls fail."""
        self.answers[call] = list(errors)

    def step(self, name: str, *, undone: bool = True) -> Step:
        """A step that calls this world."""
        return Step(name, self._call(name), self._call(f"undo {name}") if undone else None)

    def _call(self, name: str) -> Callable:
        async def call(context: SagaContext) -> Mapping[str, str]:
            self.calls.append(name)
            if self.answers.get(name):
                raise self.answers[name].pop(0)
            return {name: context.key}

        return call


@pytest.fixture
def world() -> World:
    """The world outside of the saga."""
    return World()


@pytest.fixture
def orchestrator(database: Database, world: World) -> Callable[..., Orchestrator]:
    """Make an orchestrator of the order saga; `ended` collects what on_end was told."""

    def make(**options: object) -> Orchestrator:
        steps = [world.step("reserve"), world.step("charge"), world.step("confirm", undone=False)]
        return Orchestrator(Saga("order-saga", steps), LOG, database, **options)

    return make


@pytest.fixture
def ordered(database: Database) -> Callable:
    """Begin a saga and drive it to its end."""

    async def order(orchestrator: Orchestrator, saga_id: str = "o1", **data: object) -> SagaOutcome:
        async with database.session() as session:
            await orchestrator.begin(session, saga_id, data)
        return await orchestrator.run(saga_id)

    return order


def refused() -> Conflict:
    """An answer that says for certain that nothing was done."""
    return Conflict("balance is short", details={"wanted": 5})


def away() -> Unavailable:
    """An answer that says nothing of what was done."""
    return Unavailable("payments can't be reached")
