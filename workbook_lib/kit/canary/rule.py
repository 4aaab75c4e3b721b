"""The rule: when a slice has shown enough to be widened, and when to take it back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from workbook_lib.kit.canary.evidence import Block, Evidence
from workbook_lib.kit.canary.model import STANDARD, Measure, Tally

__all__ = ["Comparison", "Rule", "Verdict"]


class Verdict(StrEnum):
    """What the calls of a slice say so far."""

    WORSE = "worse"
    NO_WORSE = "no worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Rule:
    """By what a canary is compared with the baseline beside it, and how often the comparison may err.

    A good canary (no worse than `tolerated` in any measure) is called worse with probability
    `false_alarm` at most, over all `slices` decisions together. A bad one (at least `harmful` worse in one)
    passes a slice with probability `missed` at most, so two slices with `missed` squared. Both hold for
    calls that end independently of each other, whatever the shares are and however often one looks.
    Raises ValueError for rates outside 0 to 1 and without a measure.
    """

    measures: Sequence[Measure] = STANDARD
    false_alarm: float = 0.001
    missed: float = 0.05
    slices: int = 3

    def __post_init__(self) -> None:
        if not (0 < self.false_alarm < 1 and 0 < self.missed < 1 and self.slices > 0 and self.measures):
            raise ValueError("rates lie between 0 and 1, and there is at least one slice and one measure")

    @property
    def worse_at(self) -> float:
        """The evidence, in any measure, at which the canary counts as worse: all may err together."""
        return self.slices * len(self.measures) / self.false_alarm

    @property
    def no_worse_at(self) -> float:
        """The evidence, needed in every measure, at which it counts as no worse: one that is bad stops it."""
        return 1 / self.missed


class Comparison:
    """One slice: the calls of both versions since it began, judged by a rule."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.baseline = Tally()
        self.canary = Tally()
        self._late: Counter[tuple[str, str]] = Counter()
        self._worse = {
            each.name: Evidence("at most", each.tolerated, expected_excess=each.harmful)
            for each in rule.measures
        }
        self._no_worse = {
            each.name: Evidence("at least", each.harmful, expected_excess=0) for each in rule.measures
        }

    def add(self, baseline: Tally, canary: Tally) -> Verdict:
        """Take in the calls that have ended since the last time; what all of them say."""
        self.baseline += baseline
        self.canary += canary
        for name in self._worse:
            own, its = self._bad("baseline", name, baseline), self._bad("canary", name, canary)
            block = Block(baseline.calls, own, canary.calls, its)
            self._worse[name].add(block)
            self._no_worse[name].add(block)
        return self.verdict

    def _bad(self, whose: str, name: str, tally: Tally) -> int:
        """Bad ones of the block. A judgement may come after its call was counted, and with a later block."""
        told = self._late[whose, name] + tally.bad.get(name, 0)
        counted = min(told, tally.calls)
        self._late[whose, name] = told - counted
        return counted

    @property
    def verdict(self) -> Verdict:
        """What the calls so far say. A version that is worse stays so, whatever comes."""
        if self.worse_in is not None:
            return Verdict.WORSE
        needed = self.rule.no_worse_at
        passed = all(each.value >= needed for each in self._no_worse.values())
        return Verdict.NO_WORSE if passed else Verdict.UNDECIDED

    @property
    def worse_in(self) -> str | None:
        """The measure in which the canary is worse; None while it isn't."""
        found = (name for name, each in self._worse.items() if each.value >= self.rule.worse_at)
        return next(found, None)

    @property
    def evidence(self) -> Mapping[str, tuple[float, float]]:
        """By measure, the evidence for *worse* and for *no worse*."""
        return {name: (each.value, self._no_worse[name].value) for name, each in self._worse.items()}
