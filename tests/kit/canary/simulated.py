"""A system of two versions on a clock that tests move: what share is set, and how calls end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from workbook_lib.kit.canary import Tally
from workbook_lib.kit.clock import ManualClock

CALLS_A_SECOND = 200


@dataclass
class Shop:
    """Calls come all the time; each goes to v2 with its share's odds, and is bad by its version's odds."""

    chance: Random
    clock: ManualClock
    odds: Mapping[str, Mapping[str, float]]
    gone_after: int | None = None
    """After how many of its calls v2 dies; those afterwards fail, and Consul notices after a second."""
    percent: int = 0
    shares: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._until = 0.0
        self._died: float | None = None
        self._counts: dict[str, Counter[str]] = {"v1": Counter(), "v2": Counter()}

    async def set_share(self, percent: int) -> None:
        self._live()
        self.percent = percent
        self.shares.append(percent)

    async def take_back(self, reason: str) -> None:
        self._live()
        self.percent = 0
        self.reasons.append(reason)

    async def keep(self) -> bool:
        self._live()
        return not self._noticed()

    async def tallies(self) -> Mapping[str, Tally]:
        self._live()
        return {
            version: Tally(counts["calls"], {way: n for way, n in counts.items() if way != "calls"})
            for version, counts in self._counts.items()
        }

    def _live(self) -> None:
        """The calls since it was last looked at."""
        now = self.clock.monotonic()
        for _ in range(round((now - self._until) * CALLS_A_SECOND)):
            self._call()
        self._until = now

    def _call(self) -> None:
        version = "v2" if self.chance.random() * 100 < self.percent and not self._noticed() else "v1"
        counts = self._counts[version]
        counts["calls"] += 1
        if version == "v2" and self.gone_after is not None and counts["calls"] > self.gone_after:
            self._died = self._died or self.clock.monotonic()
            counts["failed"] += 1
            return
        for way, odds in self.odds[version].items():
            counts[way] += self.chance.random() < odds

    def _noticed(self) -> bool:
        return self._died is not None and self.clock.monotonic() > self._died + 1
