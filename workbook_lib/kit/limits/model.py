"""What a rate limit is asked and what it answers."""

import re
from typing import NamedTuple, Protocol, Self

__all__ = ["Decision", "Limiter", "Quota"]

_TEXT = re.compile(r"(\d{1,9})/(\d{1,6})s")


class Quota(NamedTuple):
    """So many requests in so much time; `name` tells several quotas of one service apart."""

    name: str
    limit: int
    window_seconds: int

    @classmethod
    def read(cls, name: str, text: str) -> Self | None:
        """A quota as it is configured: `600/60s`; None, no limit, for nothing at all. Raises ValueError."""
        if not text:
            return None
        match = _TEXT.fullmatch(text)
        if match is None or not int(match[1]) or not int(match[2]):
            raise ValueError(f"{text!r} isn't a quota such as 600/60s")
        return cls(name, int(match[1]), int(match[2]))


class Decision(NamedTuple):
    """Whether one request may go on, and what its caller can know."""

    allowed: bool
    quota: Quota
    remaining: int
    """Requests that would be allowed right now."""
    retry_after_seconds: float
    """How long a refused caller has to wait; 0 for one that isn't."""
    reset_seconds: float
    """How long until the whole quota is there again, if nothing more is asked."""


class Limiter(Protocol):
    """A limit that counts for each key by itself."""

    @property
    def quota(self) -> Quota:
        """What it allows."""
        ...

    async def take(self, key: str) -> Decision:
        """Count one request of `key`, if it is allowed; a refused one costs nothing."""
        ...
