"""What a saga consists of, and where it can stand.

RUNNING ──► COMPLETED
   └──────► COMPENSATING ──► COMPENSATED
               │    ▲
               ▼    │ unpark
              PARKED
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import JsonValue
from sqlalchemy import MetaData

from workbook_lib.kit.coordination.log import TransactionLog
from workbook_lib.kit.errors import ServiceError

__all__ = ["Call", "Saga", "SagaContext", "SagaLog", "SagaOutcome", "SagaState", "Step"]


class SagaState(StrEnum):
    """Where a saga stands; a parked one waits for a person, because a compensation doesn't succeed."""

    RUNNING = "RUNNING"
    COMPENSATING = "COMPENSATING"
    COMPLETED = "COMPLETED"
    COMPENSATED = "COMPENSATED"
    PARKED = "PARKED"


class SagaContext(NamedTuple):
    """What a step is told: which saga it belongs to, and what the steps before it have found out."""

    saga_id: str
    step: str
    data: Mapping[str, JsonValue]

    @property
    def key(self) -> str:
        """The same at every try of this step: by it the other side recognises a repetition."""
        return f"{self.saga_id}:{self.step}"


Call = Callable[[SagaContext], Awaitable[Mapping[str, JsonValue] | None]]
"""What a step does. What it returns is added to the saga's data. It may be called more than once."""


@dataclass(frozen=True, slots=True)
class Step:
    """One local transaction somewhere. `action` is idempotent, and so is `compensation`, which undoes it.

    A compensation also gets to undo what never happened, or happens only later: an action whose outcome is
    unknown is compensated too. The other side then has to remember that, and refuse the late action.
    """

    name: str
    action: Call
    compensation: Call | None = None


@dataclass(frozen=True, slots=True)
class Saga:
    """Steps in the order in which they run; their compensations run in the reverse of it.

    Raises ValueError without steps, or when two have the same name.
    """

    name: str
    steps: Sequence[Step]

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"{self.name}: steps have names of their own, and there is at least one: {names}"
            )


@dataclass(frozen=True, slots=True)
class SagaOutcome:
    """Where a saga stands; `error` is what made it turn back."""

    saga_id: str
    state: SagaState
    data: Mapping[str, JsonValue]
    error: ServiceError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {SagaState.COMPLETED, SagaState.COMPENSATED}


class SagaLog(TransactionLog):
    """The tables `sagas` and `saga_steps` in a service's metadata."""

    TABLE: Final = "sagas"
    STEPS_TABLE: Final = "saga_steps"

    def __init__(self, metadata: MetaData) -> None:
        super().__init__(metadata, table=self.TABLE, steps_table=self.STEPS_TABLE)
