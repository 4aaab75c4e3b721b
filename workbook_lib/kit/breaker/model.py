"""What a breaker tells of itself: its state, its counts, and how it came there."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ERRORS",
    "FALLBACKS",
    "OUTCOMES",
    "STATES",
    "Counts",
    "Outcome",
    "Snapshot",
    "State",
    "StateChange",
    "WindowCounts",
]

State = Literal["closed", "open", "half-open"]
"""closed: calls go through; open: all are refused; half-open: so are all but one, the probe, which is out."""

STATES: Final[tuple[State, ...]] = ("closed", "open", "half-open")

Outcome = Literal["success", "failure", "timeout", "rejected", "short_circuited", "ignored", "cancelled"]
"""rejected: too many were under way; short_circuited: it was open; ignored: an error of the caller's own."""

OUTCOMES: Final[tuple[Outcome, ...]] = (
    "success",
    "failure",
    "timeout",
    "rejected",
    "short_circuited",
    "ignored",
    "cancelled",
)
ERRORS: Final[tuple[Outcome, ...]] = ("failure", "timeout", "rejected")
"""The outcomes that speak against the callee; with `success` they are all that the window counts."""

FALLBACKS: Final = ("fallback_success", "fallback_failure")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class StateChange(_Told):
    """One change of state."""

    name: str = Field(description="the breaker's")
    at: datetime = Field(description="UTC")
    before: State
    after: State
    reason: str = Field(description="for people")


class WindowCounts(_Told):
    """The finished calls that decide whether a closed breaker opens."""

    calls: int
    errors: int
    error_percent: float
    success: int
    failure: int
    timeout: int
    rejected: int


class Counts(_Told):
    """Every call since the breaker was made, by its one outcome, and what fallbacks came to."""

    success: int
    failure: int
    timeout: int
    rejected: int
    short_circuited: int
    ignored: int
    cancelled: int
    fallback_success: int
    fallback_failure: int


class Snapshot(_Told):
    """A breaker at one moment."""

    name: str
    state: State
    in_flight: int
    retry_after_seconds: float = Field(description="the rest of the sleep window; 0 unless open")
    window: WindowCounts
    totals: Counts
    changes: dict[State, int] = Field(description="into each state, since the breaker was made")
