"""What a canary is judged by: counts of calls, what is bad about a call, and how much worse is too much."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

__all__ = ["FAILED", "SLOW", "STANDARD", "WRONG", "Measure", "Tally"]


@dataclass(frozen=True)
class Tally:
    """Calls of one version that have ended, and how many of them were bad in each way."""

    calls: int = 0
    bad: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Self) -> Self:
        """Both together."""
        ways = {**self.bad, **other.bad}
        return type(self)(
            self.calls + other.calls, {way: self.bad.get(way, 0) + other.bad.get(way, 0) for way in ways}
        )

    def __sub__(self, earlier: Self) -> Self:
        """What has come since `earlier`."""
        ways = {**self.bad, **earlier.bad}
        return type(self)(
            self.calls - earlier.calls, {way: self.bad.get(way, 0) - earlier.bad.get(way, 0) for way in ways}
        )

    @classmethod
    def total(cls, tallies: Iterable[Self]) -> Self:
        """All together."""
        return sum(tallies, start=cls())


@dataclass(frozen=True)
class Measure:
    """One way in which a call can be bad, and by how much its share may differ between the versions.

    A canary whose share exceeds the baseline's by at most `tolerated` is good; by `harmful` or more it is
    bad. In between either decision is right. Raises ValueError unless 0 <= tolerated < harmful < 1.
    """

    name: str
    tolerated: float
    harmful: float

    def __post_init__(self) -> None:
        if not 0 <= self.tolerated < self.harmful < 1:
            raise ValueError(f"{self.name}: 0 <= tolerated < harmful < 1 must hold")


FAILED = Measure("failed", tolerated=0.01, harmful=0.15)
"""No answer, or an error. Whoever calls wrongly does so at both versions."""
SLOW = Measure("slow", tolerated=0.02, harmful=0.20)
"""An answer later than the objective."""
WRONG = Measure("wrong", tolerated=0.02, harmful=0.20)
"""An answer that whoever can tell calls wrong."""
STANDARD = (FAILED, SLOW)
