"""Wait for a condition, never for a time: ask again until the answer is there or a deadline passes."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

__all__ = ["EvidenceError", "EvidenceTimeout", "eventually", "within"]

T = TypeVar("T")


class EvidenceError(Exception):
    """A running system could not be asked: it doesn't answer, or its answer can't be read."""


class EvidenceTimeout(EvidenceError, TimeoutError):
    """What was waited for didn't show up before the deadline."""


@overload
async def eventually(
    check: Callable[[], Awaitable[T]], timeout_seconds: float = ..., *, interval_seconds: float = ...
) -> T: ...


@overload
async def eventually(
    check: Callable[[], T], timeout_seconds: float = ..., *, interval_seconds: float = ...
) -> T: ...


async def eventually(
    check: Callable[[], T | Awaitable[T]], timeout_seconds: float = 30.0, *, interval_seconds: float = 0.1
) -> T:
    """Call `check` (plain or async) until what it returns is truthy, and return that.

    An exception counts as "not yet"; an async check that hangs is cut at the deadline. Raises EvidenceTimeout
    after `timeout_seconds`; its message holds the last error, or the last value.
    """
    deadline = time.monotonic() + timeout_seconds
    last = "it was never called"
    cause: Exception | None = None
    left = timeout_seconds  # asked at least once, however late this goes on
    while left > 0:
        try:
            answer = check()
            value: T = await asyncio.wait_for(answer, left) if inspect.isawaitable(answer) else answer
        except Exception as error:  # noqa: BLE001 - any failure of the check means: not yet
            cause, last = error, f"the last try failed with {type(error).__name__}: {error}"
        else:
            if value:
                return value
            cause, last = None, f"the last value was {value!r}"
        await asyncio.sleep(max(0.0, min(interval_seconds, deadline - time.monotonic())))
        left = deadline - time.monotonic()
    name = getattr(check, "__qualname__", repr(check))
    raise EvidenceTimeout(f"{name} did not come true within {timeout_seconds:g} s; {last}") from cause


async def within(question: Awaitable[T], whom: str, timeout_seconds: float) -> T:
    """The answer to one question; raises EvidenceTimeout naming `whom` when it doesn't come in time."""
    try:
        return await asyncio.wait_for(question, timeout_seconds)
    except TimeoutError as error:
        if isinstance(error, EvidenceTimeout):
            raise
        raise EvidenceTimeout(f"{whom} did not answer within {timeout_seconds:g} s") from error
