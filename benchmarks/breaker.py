"""What a circuit breaker costs a call: the kit's, three others and a bare `asyncio.timeout`, in one run.

`python -m benchmarks.breaker [--json] [--rounds 30] [--calls 2000]`. The ways take turns; a turn is so many
calls of a coroutine that lets the loop go on once, as every real call does. Times are the
best round's, in processor time, to which other work on the machine only adds; ratios are medians. About 15 s.

None of the others has a timeout, and none decides by a share of the last seconds' calls: purgatory, pybreaker
and aiobreaker open after so many errors in a row. pybreaker's `call_async` is made for Tornado's coroutines
and holds a lock while the call runs; its context manager is what asyncio can use.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiobreaker
import purgatory
import pybreaker
from purgatory.domain.model import OpenedState
from purgatory.service._async.circuitbreaker import AsyncCircuitBreaker

from benchmarks.figures import add_options, publish
from workbook_lib.kit import logs
from workbook_lib.kit.breaker import Breaker, BreakerOpen, BreakerSettings

__all__ = ["BARE", "OURS", "OURS_UNTIMED", "TIMEOUT", "Row", "measure"]

ROUNDS, CALLS = 30, 2_000

BARE = "bare await"
TIMEOUT = "asyncio.timeout"
OURS = "kit.breaker"
OURS_UNTIMED = "kit.breaker, no timeout"

ERRORS_THAT_OPEN = 20  # any of them

Call = Callable[[], Awaitable[None]]
Turn = Callable[[Call, int], Awaitable[None]]


@dataclass(frozen=True)
class Row:
    """Microseconds of one way: what it adds to an awaited call, and what it takes to refuse one.

    `ratio` is the first to what `asyncio.timeout` adds. A way that can't refuse has 0.
    """

    way: str
    closed_us: float
    ratio: float
    open_us: float = 0.0


async def work() -> None:
    """The call: it waits for something that is there already."""
    await asyncio.sleep(0)


async def fails() -> None:
    """The call that opens a breaker."""
    raise ConnectionError


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--calls", type=int, default=CALLS, help="in each turn")
    options = parser.parse_args()
    logs.configure("benchmark", "benchmark", level="ERROR")
    publish(asyncio.run(measure(options.rounds, options.calls)), options)


async def measure(rounds: int = ROUNDS, calls: int = CALLS) -> list[Row]:
    """A row a way."""
    closed = await _interleaved(await _ways(), rounds, calls)
    opened = {way: turn for way, turn in (await _ways()).items() if way not in (BARE, TIMEOUT)}
    for turn in opened.values():
        await turn(fails, ERRORS_THAT_OPEN)
    refused = await _interleaved(opened, rounds, calls)
    return [
        Row(
            way,
            round(min(taken) - min(closed[BARE]), 2),
            round(_ratio(taken, closed), 2),
            round(min(refused[way]), 2) if way in refused else 0.0,
        )
        for way, taken in closed.items()
    ]


def _ratio(taken: list[float], closed: Mapping[str, list[float]]) -> float:
    """What a way adds, to what `asyncio.timeout` adds: the median over rounds, each with its own weather."""
    rounds = zip(taken, closed[TIMEOUT], closed[BARE], strict=True)
    return statistics.median((own - bare) / (timeout - bare) for own, timeout, bare in rounds)


async def _interleaved(ways: Mapping[str, Turn], rounds: int, calls: int) -> dict[str, list[float]]:
    """Microseconds a call in each round; every other round goes in reverse order, a warm-up comes first."""
    for turn in ways.values():
        await turn(work, calls)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways if number % 2 == 0 else reversed(list(ways)):
            gc.collect()
            began = time.process_time()
            await ways[way](work, calls)
            taken[way].append((time.process_time() - began) / calls * 1e6)
    return taken


async def _ways() -> dict[str, Turn]:
    """New breakers, all closed."""
    unit = await purgatory.AsyncCircuitBreakerFactory().get_breaker("benchmark")
    untimed = BreakerSettings(timeout_seconds=None)
    return {
        BARE: _bare,
        TIMEOUT: _timeout,
        OURS: _through(Breaker("timed").call, BreakerOpen),
        OURS_UNTIMED: _through(Breaker("untimed", untimed).call, BreakerOpen),
        "purgatory": _within_purgatory(unit),
        "pybreaker": _within_pybreaker(pybreaker.CircuitBreaker()),
        "aiobreaker": _through(aiobreaker.CircuitBreaker().call_async, aiobreaker.CircuitBreakerError),
    }


async def _bare(call: Call, calls: int) -> None:
    for _ in range(calls):
        await call()


async def _timeout(call: Call, calls: int) -> None:
    for _ in range(calls):
        async with asyncio.timeout(1):
            await call()


def _through(guarded: Callable[[Call], Awaitable[None]], refusal: type[Exception]) -> Turn:
    """A breaker that is given the function to call."""

    async def turn(call: Call, calls: int) -> None:
        for _ in range(calls):
            try:  # noqa: SIM105 - free, other than contextlib.suppress
                await guarded(call)
            except (refusal, ConnectionError):
                pass

    return turn


def _within_purgatory(unit: AsyncCircuitBreaker) -> Turn:
    async def turn(call: Call, calls: int) -> None:
        for _ in range(calls):
            try:
                async with unit:
                    await call()
            except (OpenedState, ConnectionError):
                pass

    return turn


def _within_pybreaker(breaker: pybreaker.CircuitBreaker) -> Turn:
    async def turn(call: Call, calls: int) -> None:
        for _ in range(calls):
            try:
                with breaker.calling():
                    await call()
            except (pybreaker.CircuitBreakerError, ConnectionError):
                pass

    return turn


if __name__ == "__main__":
    main()
