"""Calls made in this process, by whatever client a chapter has at hand: HTTP, gRPC or any coroutine."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from workbook_lib.kit.errors import ServiceError
from workbook_lib.lab.traffic.generator import MAX_REQUESTS
from workbook_lib.lab.traffic.result import LoadResult, Sample
from workbook_lib.lab.traffic.scenario import Step, carry_out

__all__ = ["run_calls"]

OK: Final = 200


async def run_calls(
    call: Callable[[], Awaitable[object]],
    *,
    calls: int,
    concurrency: int = 10,
    steps: Mapping[str, Step] | None = None,
) -> LoadResult:
    """Make `calls` calls, `concurrency` at a time (the closed model), and take each step at its time.

    A call that returns text is labelled with it. One that raises a `ServiceError` is a failure of that
    status; anything else that it raises ends all calls and is raised, as what a step raises is. The client
    works in this process, so its own cost is in every latency. Raises ValueError beyond 200,000 calls.
    """
    if not 0 < calls <= MAX_REQUESTS:
        raise ValueError(f"calls is {calls}; it must lie above 0 and up to {MAX_REQUESTS}")
    left = itertools.repeat(None, calls)
    samples: list[Sample] = []
    reasons: Counter[str] = Counter()
    began = time.perf_counter()

    async def caller() -> None:
        while next(left, False) is None:
            start = time.perf_counter()
            status, label = OK, ""
            try:
                answer = await call()
                label = answer if isinstance(answer, str) else ""
            except ServiceError as error:
                status = error.status
                reasons[f"{error.status} {type(error).__name__}"] += 1
            milliseconds = (time.perf_counter() - start) * 1000
            samples.append(Sample(start - began, milliseconds, status, label))

    await _all(carry_out(steps or {}, began), *(caller() for _ in range(concurrency)))
    what = f"{concurrency} at a time"
    return LoadResult(what, time.perf_counter() - began, tuple(sorted(samples)), dict(reasons))


async def _all(*works: Coroutine[Any, Any, object]) -> None:
    """Run them until all are done or one fails; then the others are cancelled and its error is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
