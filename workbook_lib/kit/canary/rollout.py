"""The rollout: slice after slice, each as long as its calls need to decide; back at proof of harm."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from workbook_lib.kit.canary.model import Tally
from workbook_lib.kit.canary.rule import Comparison, Rule, Verdict
from workbook_lib.kit.canary.split import Traffic
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.errors import ServiceError
from workbook_lib.kit.logs import get_logger

__all__ = ["SLICES", "Look", "Rollout", "Tallies"]

SLICES = (5, 25, 50)
"""Percent of the calls before all of them; three decisions, as `Rule.slices` says."""

Tallies = Callable[[], Awaitable[Mapping[str, Tally]]]
"""Tells, by version, the calls that have ended so far."""

_log = get_logger(__name__)


@dataclass(frozen=True)
class Look:
    """What the controller knew at one moment: the present slice, its calls so far, and what they say."""

    seconds: float
    percent: int
    baseline: Tally
    canary: Tally
    evidence: Mapping[str, tuple[float, float]]
    verdict: Verdict


class Rollout:
    """Brings `canary` from the first slice to all calls, or back to none: `await rollout.run()`.

    Every `interval_seconds` it asks `tallies` for the calls that have ended and lets `rule` judge those of
    the present slice. A canary that is worse is taken back at once. So is one of which no instance can be
    called for `gone_seconds`, and one about which nothing is decided in `patience_seconds` of one slice:
    doubt is no reason to go on. Whatever ends the controller itself takes the canary back as well.
    """

    def __init__(
        self,
        traffic: Traffic,
        tallies: Tallies,
        rule: Rule,
        *,
        baseline: str = "v1",
        canary: str = "v2",
        slices: Sequence[int] = SLICES,
        interval_seconds: float = 0.25,
        patience_seconds: float = 60.0,
        gone_seconds: float = 2.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if len(slices) > rule.slices:
            raise ValueError(f"the rule shares its errors among {rule.slices} slices, not {len(slices)}")
        self.looks: list[Look] = []
        """What was seen, oldest first."""
        self.promoted = False
        self.reason = ""
        """Why the canary was taken back; empty for one that wasn't."""
        self._traffic = traffic
        self._tallies = tallies
        self._rule = rule
        self._versions = baseline, canary
        self._slices = slices
        self._interval_seconds = interval_seconds
        self._patience_seconds = patience_seconds
        self._gone_seconds = gone_seconds
        self._clock = clock
        self._began = 0.0
        self._present_at: float | None = None

    @property
    def reached(self) -> int:
        """The largest share, in percent, that the canary was given; 0 before it began."""
        return 100 if self.promoted else max((look.percent for look in self.looks), default=0)

    async def run(self) -> bool:
        """Whether the canary has all calls now. Raises what a change of traffic raises."""
        self._began = self._clock.monotonic()
        try:
            for percent in self._slices:
                await self._traffic.set_share(percent)
                if reason := await self._slice(percent):
                    self.reason = reason
                    await self._traffic.take_back(reason)
                    return False
            await self._traffic.set_share(100)
        except (Exception, asyncio.CancelledError):
            self.reason = "the rollout was given up"
            await self._traffic.take_back(self.reason)
            raise
        self.promoted = True
        return True

    async def _slice(self, percent: int) -> str:
        """Watch one slice; why to take the canary back, or nothing."""
        comparison = Comparison(self._rule)
        before: tuple[Tally, Tally] | None = None
        until = self._clock.monotonic() + self._patience_seconds
        now: tuple[Tally, Tally] | None
        while True:
            try:
                present, now = await self._traffic.keep(), await self._seen()
            except ServiceError as error:  # nothing new is known; patience has an end
                _log.warning("no look", cause=error.message)
                present, now = True, before
            if now and before:
                comparison.add(now[0] - before[0], now[1] - before[1])
            before = now or before
            self._note(percent, comparison)
            if comparison.worse_in:
                return f"worse: {comparison.worse_in}"
            if self._is_gone(present):
                return "gone: no instance passes its check"
            if comparison.verdict == Verdict.NO_WORSE:
                return ""
            if self._clock.monotonic() >= until:
                calls = comparison.canary.calls
                return f"undecided after {self._patience_seconds:g} s and {calls} of its calls at {percent} %"
            await self._clock.sleep(self._interval_seconds)

    async def _seen(self) -> tuple[Tally, Tally]:
        tallies = await self._tallies()
        baseline, canary = (tallies.get(version, Tally()) for version in self._versions)
        return baseline, canary

    def _is_gone(self, present: bool) -> bool:
        """One that was never there may still come, as long as there is patience."""
        now = self._clock.monotonic()
        if present:
            self._present_at = now
        return self._present_at is not None and now - self._present_at >= self._gone_seconds

    def _note(self, percent: int, comparison: Comparison) -> None:
        self.looks.append(
            Look(
                self._clock.monotonic() - self._began,
                percent,
                comparison.baseline,
                comparison.canary,
                comparison.evidence,
                comparison.verdict,
            )
        )
