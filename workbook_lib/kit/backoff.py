"""Pauses between tries."""

import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """The pauses after failures in a row: doubling up to a limit, each at random between half and all of it.

    The jitter keeps clients that lost the same server from coming back to it at the same moment.
    """

    def __init__(
        self,
        first_seconds: float,
        limit_seconds: float,
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
