"""Sessions on the server's side: the browser holds a random id, and only its hash is stored.

Rules: OWASP's cheat sheet on session management.
"""

import hashlib
import secrets

from pydantic import BaseModel

from workbook_lib.kit.cache import Cache
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock

__all__ = ["Session", "Sessions"]

_ID_BYTES = 32


class Session(BaseModel):
    """What the server remembers of a login."""

    user_id: str
    started_at: float
    """Seconds since the epoch; kept when the id changes, so that no change of it prolongs a session."""
    elevated: bool = False
    """Whether the user has proven who it is once more, for what needs more than a login."""


class Sessions:
    """The sessions of one service, in Redis, so that any of its instances knows them and none forgets them.

    A session ends `idle_seconds` after its last use, `lifetime_seconds` after the login, and at logout.
    Without Redis nobody is logged in: its `CacheError` (503) is passed on.
    """

    def __init__(
        self, cache: Cache, *, idle_seconds: float, lifetime_seconds: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._cache = cache
        self._idle_seconds = idle_seconds
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock

    async def start(self) -> None:
        """Start the cache that it owns."""
        await self._cache.start()

    async def stop(self) -> None:
        """Stop the cache."""
        await self._cache.stop()

    async def log_in(self, user_id: str, former_id: str | None) -> str:
        """A new id for a new session; `former_id`, the one that the browser came with, is no longer good.

        An id that an attacker has planted in the browser beforehand (session fixation) so never becomes the
        id of somebody who is logged in.
        """
        if former_id:
            await self.log_out(former_id)
        return await self._store(Session(user_id=user_id, started_at=self._now()))

    async def find(self, session_id: str) -> Session | None:
        """The session with this id, which counts as used; None when there is none or its time is over."""
        # Read and prolonged in one step: written back, a session could come to life again after its logout.
        stored = await self._cache.get_and_keep(_key(session_id), self._idle_seconds)
        if stored is None:
            return None
        session = Session.model_validate_json(stored)
        if self._now() - session.started_at >= self._lifetime_seconds:
            await self.log_out(session_id)
            return None
        return session

    async def elevate(self, session_id: str) -> str | None:
        """The session with more rights, under a new id: whoever has seen the old one gains nothing.

        None when there is no such session.
        """
        if await self.find(session_id) is None or (taken := await self._cache.take(_key(session_id))) is None:
            return None
        return await self._store(Session.model_validate_json(taken).model_copy(update={"elevated": True}))

    async def log_out(self, session_id: str) -> None:
        """End the session, here and for everybody who knows its id."""
        await self._cache.delete(_key(session_id))

    async def _store(self, session: Session) -> str:
        session_id = secrets.token_urlsafe(_ID_BYTES)
        await self._cache.set(_key(session_id), session.model_dump_json().encode(), self._idle_seconds)
        return session_id

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _key(session_id: str) -> str:
    """A fast hash is enough: 256 random bits can't be guessed, whoever reads the store learns no id."""
    return hashlib.sha256(session_id.encode()).hexdigest()
