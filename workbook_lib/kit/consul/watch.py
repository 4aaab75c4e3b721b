"""Watching one resource by blocking queries, by the rules for clients in Consul's "Blocking Queries"."""

import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.consul.model import Answer, ConsulError

__all__ = ["Backoff", "next_index", "watch"]

T = TypeVar("T")

WAIT_SECONDS = 30.0
# Answers in a row come no faster than this, so that neither a busy key nor a proxy that ignores the index
# makes a hot loop of the watch.
MIN_INTERVAL_SECONDS = 0.1

_log = logging.getLogger(__name__)


class Backoff:
    """The pauses after failures in a row: doubling up to a limit, each between half and all of its length at
    random.

    The jitter keeps clients that lost the same server from coming back to it at the same moment.
    """

    def __init__(
        self,
        first_seconds: float = 0.5,
        limit_seconds: float = 15.0,
        *,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_seconds = first_seconds
        self._limit_seconds = limit_seconds
        self._jitter = jitter
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        length = min(self._limit_seconds, self._first_seconds * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return self._jitter(length / 2, length)

    def reset(self) -> None:
        """Begin anew after a success."""
        self._failures = 0


def next_index(current: int, received: int) -> int:
    """The index to ask with next: 0 (ask anew) when it went backwards, else at least 1, so that it blocks."""
    return 0 if received < current else max(received, 1)


async def watch(
    ask: Callable[[int, float], Awaitable[Answer[T]]],
    *,
    wait_seconds: float = WAIT_SECONDS,
    clock: Clock = SYSTEM_CLOCK,
    backoff: Backoff | None = None,
) -> AsyncGenerator[T, None]:
    """Yield each answer of `ask(index, wait_seconds)`, the first at once and later ones as things change.

    An unchanged value comes again when a wait ends, which tells the reader how fresh it is. Failures are
    logged, waited out with back-off and never raised. Cancelling the reader ends the watch at once, also in
    the middle of a query.
    """
    backoff = backoff or Backoff()
    index = 0
    while True:
        asked = clock.monotonic()
        try:
            answer = await ask(index, wait_seconds)
        except ConsulError as error:
            pause = backoff.next()
            _log.warning("watch failed, next try in %.1f s: %s", pause, error)
            index = 0  # Consul may be a different one when it comes back
            await clock.sleep(pause)
            continue
        backoff.reset()
        index = next_index(index, answer.index)
        yield answer.value
        await clock.sleep(asked + MIN_INTERVAL_SECONDS - clock.monotonic())
