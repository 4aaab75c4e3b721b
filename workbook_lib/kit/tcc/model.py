"""What a TCC transaction consists of, and where it can stand.

TRYING ──► CONFIRMING ──► CONFIRMED
   │        │  ▲
   │        ▼  │ unpark
   │       PARKED
   │        ▲  │ unpark
   │        │  ▼
   └─────► CANCELLING ──► CANCELLED
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import JsonValue
from sqlalchemy import MetaData

from workbook_lib.kit.coordination.log import TransactionLog
from workbook_lib.kit.errors import ServiceError

__all__ = ["Call", "Participant", "TccContext", "TccLog", "TccOutcome", "TccState"]


class TccState(StrEnum):
    """Where a transaction stands; a parked one waits for a person: what was decided can't be carried out."""

    TRYING = "TRYING"
    CONFIRMING = "CONFIRMING"
    CANCELLING = "CANCELLING"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    PARKED = "PARKED"


class TccContext(NamedTuple):
    """What a participant is told: the transaction, and what the tries before have found out."""

    tx: str
    participant: str
    data: Mapping[str, JsonValue]


Call = Callable[[TccContext], Awaitable[Mapping[str, JsonValue] | None]]
"""One of the three calls. What a Try returns is added to the transaction's data."""


@dataclass(frozen=True, slots=True)
class Participant:
    """One service: reserve, make final, give back. The last two may be called more than once."""

    name: str
    try_: Call
    confirm: Call
    cancel: Call


@dataclass(frozen=True, slots=True)
class TccOutcome:
    """Where a transaction stands; `error` is why it was cancelled, or what it is parked for."""

    tx: str
    state: TccState
    data: Mapping[str, JsonValue]
    error: ServiceError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {TccState.CONFIRMED, TccState.CANCELLED}


class TccLog(TransactionLog):
    """The tables `tcc_transactions` and `tcc_steps` in a service's metadata."""

    TABLE: Final = "tcc_transactions"
    STEPS_TABLE: Final = "tcc_steps"

    def __init__(self, metadata: MetaData) -> None:
        super().__init__(metadata, table=self.TABLE, steps_table=self.STEPS_TABLE)
