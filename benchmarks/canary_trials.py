"""Thirty good and thirty bad versions, rolled out live: real processes, weights in a real Consul, real calls.

`python -m benchmarks.canary_trials [--json] [--trials 30]`. The old version and the new one run as processes.
Callers in this process draw by the weights that Consul tells, and count what they see; `kit.canary` decides.
The old version fails, is slow or wrong now and then; a good new one as often, never, or a little more often,
within what the rule tolerates. Bad ones are slow, wrong or failing in all their calls or in a third, or die
at one in ten. Draws and defects are seeded; when a call comes and ends is the machine's doing. Some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import httpx2

from benchmarks.canary_app import RIGHT, SLOW_SECONDS
from benchmarks.figures import add_options, publish
from workbook_lib.kit import logs
from workbook_lib.kit.canary import FAILED, SLOW, WRONG, Attempts, ConsulSplit, Rollout, Rule, Tally
from workbook_lib.kit.consul import Consul, HttpCheck, Registration
from workbook_lib.kit.discovery import Subscriber, WeightedRandom
from workbook_lib.kit.errors import ServiceError
from workbook_lib.kit.http import HttpClient
from workbook_lib.lab import Lab

__all__ = ["BAD", "GOOD", "Row", "Trials", "measure"]

SERVICE: Final = "canary-trials"
TRIALS: Final = 30
CUSTOMERS: Final = 8
SLOW_AFTER_SECONDS: Final = 0.5
RULE: Final = Rule((FAILED, SLOW, WRONG))

USUAL: Final = {"failing": 0.003, "slow": 0.01, "wrong": 0.03}
GOOD: Final[Mapping[str, Mapping[str, float]]] = {
    "as good as the old one": USUAL,
    "without any fault": {},
    "a little worse, as is tolerated": {"failing": 0.006, "slow": 0.015, "wrong": 0.04},
}
BAD: Final[Mapping[str, Mapping[str, float]]] = {
    "slow": USUAL | {"slow": 1.0},
    "wrong": USUAL | {"wrong": 1.0},
    "failing": USUAL | {"failing": 1.0},
    "slow in a third": USUAL | {"slow": 0.33},
    "wrong in a third": USUAL | {"wrong": 0.33},
    "failing in a third": USUAL | {"failing": 0.33},
    "dies at one in ten": USUAL | {"dies": 0.1},
}


@dataclass(frozen=True)
class Row:
    """All trials with one kind of version. Calls and seconds are medians, until the decision."""

    version: str
    good: bool
    trials: int
    promoted: int
    taken_back: int
    most_percent: int
    """The largest share that one of them ever had."""
    calls: int
    its_calls: int
    seconds: float
    reasons: list[str]
    """Why they were taken back."""


@dataclass(frozen=True)
class Trial:
    """One rollout: how it ended, after how many calls, and how many of them the new version got."""

    rollout: Rollout
    calls: int
    its_calls: int
    seconds: float


class Trials:
    """Two versions of one service in a lab with Consul; each trial makes the second another one."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    async def __aenter__(self) -> Trials:
        await self._lab.start("consul")
        self._consul = Consul(self._lab["consul"].url, timeout_seconds=10)
        await self._serve("v1", weight=1000)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consul.stop()

    async def one(self, spoiled: Mapping[str, float], seed: int) -> Trial:
        """Roll out a version that spoils these shares of its calls, and make room for the next."""
        await self._serve("v2", weight=1)
        await self._become("v1", USUAL, seed)
        await self._become("v2", spoiled, seed + TRIALS)
        attempts = Attempts(SERVICE, slow_seconds=SLOW_AFTER_SECONDS)

        async def tallies() -> Mapping[str, Tally]:
            return attempts.tallies

        split = ConsulSplit(self._consul, SERVICE, baseline="v1", canary="v2")
        rollout = Rollout(split, tallies, RULE, interval_seconds=0.1)
        began = time.perf_counter()
        async with self._customers(attempts, Random(seed)):  # noqa: S311 - the same draws in each run
            await rollout.run()
        seconds = time.perf_counter() - began
        if rollout.promoted:
            await split.take_back("to make room for the next trial")
        told = attempts.tallies
        its_calls = told.get("v2", Tally()).calls
        return Trial(rollout, sum(each.calls for each in told.values()), its_calls, seconds)

    async def _serve(self, version: str, weight: int) -> None:
        """Have the version's process run, again if it has died, and be known with this weight."""
        await self._lab.serve(Path(__file__).parent, "canary_app:app", name=version, reload=False)
        handle = self._lab[version]
        await self._consul.register(
            Registration(
                id=f"{SERVICE}-{version}",
                service=SERVICE,
                address="127.0.0.1",
                port=handle.port(),
                meta={"version": version},
                weight=weight,
                check=HttpCheck(url=f"{handle.url}/health", interval_seconds=1, passing_at_first=True),
            )
        )

    async def _become(self, version: str, spoiled: Mapping[str, float], seed: int) -> None:
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            told = {"version": version, "spoiled": spoiled, "seed": seed}
            (await client.post(f"{self._lab[version].url}/be", json=told)).raise_for_status()

    @asynccontextmanager
    async def _customers(self, attempts: Attempts, draws: Random) -> AsyncIterator[None]:
        """Callers at work until the block ends."""
        subscriber = Subscriber(self._consul, SERVICE)
        client = HttpClient(
            WeightedRandom(subscriber, draw=draws.random),
            retries=1,
            observe=attempts.observe,
            timeout_seconds=5,
        )

        async def customer() -> None:
            while True:
                try:
                    answer = (await client.get("/answer")).json()
                except ServiceError:
                    await asyncio.sleep(0.01)
                    continue
                if answer["value"] != RIGHT:
                    attempts.judge(answer["version"], WRONG.name)

        await subscriber.start()
        await client.start()
        tasks = [asyncio.create_task(customer()) for _ in range(CUSTOMERS)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.stop()
            await subscriber.stop()


async def measure(trials: int) -> list[Row]:
    """So many trials with good versions, and with bad ones, kind after kind."""
    done: dict[str, list[Trial]] = {name: [] for name in (*GOOD, *BAD)}
    with tempfile.TemporaryDirectory() as folder:
        async with Lab("canary-trials", root=Path(folder)) as lab, Trials(lab) as bench:
            for seed in range(trials):
                for kinds in (GOOD, BAD):
                    name = list(kinds)[seed % len(kinds)]
                    done[name].append(trial := await bench.one(kinds[name], seed))
                    ended = "promoted" if trial.rollout.promoted else trial.rollout.reason
                    print(f"{seed}: {name}: {ended}, {trial.calls} calls", file=sys.stderr, flush=True)
    return [_row(name, those) for name, those in done.items() if those]


def _row(name: str, trials: Sequence[Trial]) -> Row:
    rollouts = [trial.rollout for trial in trials]
    return Row(
        name,
        name in GOOD,
        len(trials),
        promoted=sum(each.promoted for each in rollouts),
        taken_back=sum(not each.promoted for each in rollouts),
        most_percent=max(each.reached for each in rollouts),
        calls=round(median(trial.calls for trial in trials)),
        its_calls=round(median(trial.its_calls for trial in trials)),
        seconds=round(median(trial.seconds for trial in trials), 1),
        reasons=sorted({each.reason for each in rollouts} - {""}),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--trials", type=int, default=TRIALS, help="with good versions, and with bad ones")
    options = parser.parse_args()
    logs.configure("benchmark", "benchmark", level="ERROR")
    rows = asyncio.run(measure(options.trials))
    slow = f"A call is slow after {SLOW_AFTER_SECONDS:g} s, a slow version's takes {SLOW_SECONDS:g} s longer."
    publish(rows, options, notes=[slow])


if __name__ == "__main__":
    main()
