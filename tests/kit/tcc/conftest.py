"""A coordinator whose participants write down what they were asked."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from workbook_lib.kit.storage import Database
from workbook_lib.kit.tcc import Participant, TccContext, TccCoordinator, TccLog, TccOutcome

METADATA = MetaData()
LOG = TccLog(METADATA)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """The coordinator's own."""
    database = Database(f"sqlite:///{tmp_path / 'orders.db'}", metadata=METADATA)
    await database.start()
    yield database
    await database.stop()


class World:
    """The participants, as a coordinator sees them: what was asked, and what each answers."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answers: dict[str, list[Exception]] = {}

    def fails(self, call: str, *errors: Exception) -> None:
        """Let the next calls fail."""
        self.answers[call] = list(errors)

    def participant(self, name: str) -> Participant:
        """One that is asked through this world."""
        return Participant(name, *(self._call(f"{word} {name}") for word in ("try", "confirm", "cancel")))

    def _call(self, name: str) -> Callable:
        async def call(context: TccContext) -> dict[str, str]:
            self.calls.append(name)
            if self.answers.get(name):
                raise self.answers[name].pop(0)
            return {name: context.tx}

        return call


@pytest.fixture
def world() -> World:
    """The participants."""
    return World()


@pytest.fixture
def coordinator(database: Database, world: World) -> Callable[..., TccCoordinator]:
    """Make a coordinator of order-tcc."""

    def make(**options: object) -> TccCoordinator:
        participants = [world.participant("inventory"), world.participant("payments")]
        return TccCoordinator("order-tcc", participants, LOG, database, **options)

    return make


@pytest.fixture
def ordered(database: Database) -> Callable:
    """Begin a transaction and drive it to its end."""

    async def order(coordinator: TccCoordinator, tx: str = "o1") -> TccOutcome:
        async with database.session() as session:
            await coordinator.begin(session, tx, {"sku": "mouse"})
        return await coordinator.run(tx)

    return order
