"""Concurrency limit: so many at the same time, whatever the rate."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator

from workbook_lib.kit.errors import TooManyRequests

__all__ = ["Concurrency", "full"]


class Concurrency:
    """At most `limit` holders of each key. One more is refused at once: a queue only hides the overload."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Hold a place while open; it is given back however that ends. Raises TooManyRequests."""
        if self._held[key] >= self.limit:
            raise full(self.limit)
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]  # so that memory is bounded by what is under way


def full(limit: int) -> TooManyRequests:
    """The error for one holder too many."""
    return TooManyRequests(f"{limit} at the same time are allowed.", headers={"Retry-After": "1"})
