"""Watching one resource by blocking queries, by the rules for clients in Consul's "Blocking Queries"."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from workbook_lib.kit.backoff import Backoff
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.consul.model import Answer, ConsulError
from workbook_lib.kit.logs import get_logger

__all__ = ["WAIT_SECONDS", "next_index", "watch"]

T = TypeVar("T")

WAIT_SECONDS = 30.0
# Answers in a row come no faster than this, so that neither a busy key nor a proxy that ignores the index
# makes a hot loop of the watch.
MIN_INTERVAL_SECONDS = 0.1

_log = get_logger(__name__)


def next_index(current: int, received: int) -> int:
    """The index to ask with next: 0 (ask anew) when it went backwards, else at least 1, so that it blocks."""
    received = max(received, 1)
    return 0 if received < current else received


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
    backoff = backoff or Backoff(0.5, 15.0)
    index = 0
    while True:
        asked = clock.monotonic()
        try:
            answer = await ask(index, wait_seconds)
        except ConsulError as error:
            pause = backoff.next()
            _log.warning("watch failed", cause=str(error), retry_seconds=round(pause, 2))
            index = 0  # Consul may be a different one when it comes back
            await clock.sleep(pause)
            continue
        backoff.reset()
        index = next_index(index, answer.index)
        yield answer.value
        await clock.sleep(asked + MIN_INTERVAL_SECONDS - clock.monotonic())
