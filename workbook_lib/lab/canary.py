"""A canary's rollout under load: customers ask all the while, and keep which version answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import aiohttp

from workbook_lib.kit.canary import Rollout
from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.traffic import LoadResult, Sample

__all__ = ["Share", "Trial", "try_out"]

CUSTOMERS: Final = 10
TIMEOUT_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.05
SETTLING_SECONDS: Final = 0.3
"""Callers hear of new weights by a blocking query; what is asked until then belongs to no slice."""


class Share(NamedTuple):
    """Of one slice: the percent wanted for the canary, all answers, and those that the canary gave."""

    wanted: int
    answers: int
    canary: int

    @property
    def measured(self) -> float:
        """The canary's percent."""
        return 100 * self.canary / self.answers if self.answers else 0.0


@dataclass(frozen=True)
class Trial:
    """How a rollout went. Both clocks, the looks' and the answers', began together."""

    rollout: Rollout
    answers: LoadResult
    """What the customers got, labelled with the version that answered."""
    canary: str
    decided_seconds: float
    settled_seconds: float
    """From when on no answer came any more from a version that was to get nothing."""

    @property
    def wanted(self) -> list[tuple[float, int]]:
        """From when on the canary was to get how many percent, from the first slice to the decision."""
        changes = [(0.0, self.rollout.looks[0].percent)]
        for look in self.rollout.looks:
            if look.percent != changes[-1][1]:
                changes.append((look.seconds, look.percent))
        return [*changes, (self.decided_seconds, 100 if self.rollout.promoted else 0)]

    @property
    def shares(self) -> list[Share]:
        """What the canary got of each slice, and after the decision, as the answers tell."""
        changes = self.wanted
        begins = [at + SETTLING_SECONDS for at, _ in changes[:-1]] + [self.settled_seconds]
        ends = [at for at, _ in changes[1:]] + [float("inf")]
        return [
            Share(percent, len(labels), labels.count(self.canary))
            for (_, percent), begin, end in zip(changes, begins, ends, strict=True)
            for labels in [self._labels(begin, end)]
        ]

    def _labels(self, since: float, until: float) -> list[str]:
        answered = (sample for sample in self.answers.timeline if sample.label)
        return [sample.label for sample in answered if since <= sample.start_seconds < until]


async def try_out(
    rollout: Rollout,
    url: str,
    questions: Sequence[Any],
    *,
    canary: str = "v2",
    label_header: str = "X-Model-Version",
    calls_after: int = 30,
) -> Trial:
    """Run the rollout while customers POST the questions to `url`, and until `calls_after` answers have shown
    its end: one after the other, by the version that was to get them all.

    Ten customers; each waits for its answer before its next question, so a slow machine is asked less.
    Raises what the rollout raises, and EvidenceTimeout when its end isn't seen within 30 s.
    """
    samples: list[Sample] = []
    began = time.perf_counter()
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        ask = partial(_asked, session, url, label_header, began)
        supply = itertools.cycle(questions)
        customers = [asyncio.create_task(_customer(ask, supply, samples)) for _ in range(CUSTOMERS)]
        try:
            await rollout.run()
            decided = time.perf_counter() - began
            expected = partial(_settled, samples, len(samples), calls_after, canary, rollout.promoted)
            first = (await eventually(expected, interval_seconds=PAUSE_SECONDS))[0]
        finally:
            for each in customers:
                each.cancel()
            await asyncio.gather(*customers, return_exceptions=True)
    asked = tuple(sorted(samples))
    answers = LoadResult(f"by {CUSTOMERS} customers", time.perf_counter() - began, asked, {})
    return Trial(rollout, answers, canary, decided, first.start_seconds + first.latency_ms / 1000)


async def _customer(
    ask: Callable[[Any], Awaitable[Sample]], questions: Iterator[Any], samples: list[Sample]
) -> None:
    """One question after the other, for as long as it isn't cancelled."""
    for question in questions:
        sample = await ask(question)
        samples.append(sample)
        if not sample.status:
            await asyncio.sleep(PAUSE_SECONDS)


def _settled(samples: list[Sample], since: int, count: int, canary: str, promoted: bool) -> list[Sample]:
    """The latest, when there are so many since then and all are from the version that is to get them."""
    latest = samples[since:][-count:]
    over = len(latest) == count and all((each.label == canary) == promoted for each in latest)
    return latest if over else []


async def _asked(
    session: aiohttp.ClientSession,
    url: str,
    header: str,
    began: float,
    question: Any,  # noqa: ANN401 - whatever JSON can hold
) -> Sample:
    start = time.perf_counter()
    status, label = 0, ""
    try:
        async with session.post(url, json=question) as answer:
            await answer.read()
            status, label = answer.status, answer.headers.get(header, "")
    except (aiohttp.ClientError, TimeoutError):
        pass  # status 0: no answer
    return Sample(start - began, (time.perf_counter() - start) * 1000, status, label)
