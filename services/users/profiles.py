"""Profiles by cache-aside: the cache first, on a miss the database, and then the cache is filled."""

from typing import Literal, NamedTuple

from services.users.domain import User
from services.users.store import UserStore
from workbook_lib.kit.cache import Cache, CacheError
from workbook_lib.kit.logs import get_logger

__all__ = ["Profile", "Profiles"]


class Profile(NamedTuple):
    """A user, and where it was read from."""

    user: User
    source: Literal["cache", "database"]


class Profiles:
    """Reads users; each stays in the cache for `ttl_seconds`.

    The resource that holds the cache, deliberately without a `check`: a sick cache makes reads slower, and
    reporting the whole service as failing for it would turn that into an outage.
    """

    def __init__(self, store: UserStore, cache: Cache, ttl_seconds: int) -> None:
        self._store = store
        self._cache = cache
        self._ttl_seconds = ttl_seconds
        self._log = get_logger(__name__)

    async def start(self) -> None:
        """Start the cache."""
        await self._cache.start()

    async def stop(self) -> None:
        """Stop the cache."""
        await self._cache.stop()

    async def get(self, user_id: str) -> Profile:
        """The user with this id. Raises NotFound."""
        if (cached := await self._cached(user_id)) is not None:
            return Profile(User.model_validate_json(cached), "cache")
        user = await self._store.get(user_id)
        await self._keep(user)
        return Profile(user, "database")

    async def _cached(self, user_id: str) -> bytes | None:
        try:
            return await self._cache.get(user_id)
        except CacheError as error:
            self._log.warning("cache unavailable", error=str(error))
            return None

    async def _keep(self, user: User) -> None:
        try:
            await self._cache.set(user.id, user.model_dump_json().encode(), self._ttl_seconds)
        except CacheError as error:
            self._log.warning("cache unavailable", error=str(error))
