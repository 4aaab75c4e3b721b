"""Getting an entry: from Redis, from whoever is loading it already, or by loading it ourselves."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel

from workbook_lib.kit.cache import CacheError
from workbook_lib.kit.clock import Clock
from workbook_lib.kit.errors import DeadlineExceeded, NotFound
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.response_cache.entry import Entry
from workbook_lib.kit.response_cache.flights import Flights, Turns
from workbook_lib.kit.response_cache.store import EntryStore, Found

__all__ = ["CachePolicy", "Fetched", "Load", "Loader", "Result"]

_POLL_SECONDS: Final = 0.02
_AWAY_SECONDS: Final = 1.0

_log = get_logger(__name__)

Load = Callable[[], Awaitable[BaseModel]]
Result = Literal["hit", "stale", "miss", "collapsed", "unavailable", "bypass"]


class CachePolicy(NamedTuple):
    """How one route's answers are cached. Times in seconds; `jitter` is the part of them left to chance.

    Without it, entries made at the same moment would end at the same moment.
    """

    ttl_seconds: float = 30.0
    """How long an entry is fresh; 0: the route isn't cached."""
    stale_seconds: float = 0.0
    """How long after that it is still shown while a new one is loaded (RFC 5861)."""
    negative_seconds: float = 2.0
    """How long "not found" is remembered; 0: not at all."""
    jitter: float = 0.1
    query: tuple[str, ...] = ()
    """The parameters on which the answer depends; any other changes nothing, and so can't flood the cache."""
    tags: tuple[str, ...] = ()
    """What the answers tell of: invalidating one of these makes them count no more."""
    with_credentials: bool = False
    """Whether an answer to a request with Authorization or Cookie is anybody's."""


class Fetched(NamedTuple):
    """An entry, how it was come by, and whether it is in Redis now."""

    entry: Entry
    result: Result
    stored: bool = False


class Loader:
    """Fetches entries so that a cold one is loaded once, however many ask for it in however many processes.

    In a process the callers share one look into Redis and one flight. Of the processes one holds a lock in
    Redis, with a lease that is longer than a load may take; the others look every 20 ms whether the entry has
    come, or the lock is free because its holder failed or died. Whoever has outlived its lease keeps nothing:
    its token no longer fits. Without Redis each process loads for itself, and asks Redis again only after a
    second.
    """

    def __init__(
        self, store: EntryStore, clock: Clock, *, load_seconds: float, lease_seconds: float, protected: bool
    ) -> None:
        if lease_seconds <= load_seconds:
            raise ValueError("the lease must be longer than a load may take")
        self.on_load: Callable[[], None] = lambda: None
        self.on_discard: Callable[[], None] = lambda: None
        self._store = store
        self._clock = clock
        self._load_seconds = load_seconds
        self._lease_seconds = lease_seconds
        self._protected = protected
        self._away_until = float("-inf")
        self._flights: Flights[Fetched] = Flights()
        self._looks: Turns[Found] = Turns()

    async def stop(self) -> None:
        """Cancel loads that nobody waits for any more."""
        await self._flights.stop()

    async def fetch(self, key: str, tags: Sequence[str], policy: CachePolicy, load: Load) -> Fetched:
        """The entry for `key`; raises what `load` raises, `DeadlineExceeded` when it takes too long."""
        try:
            found = await self._find(key, tags)
        except CacheError:
            return await self._flights.join(key, lambda: self._uncached(policy, load))
        now = self._clock.now().timestamp()
        if found.entry is not None and now < found.entry.fresh_until:
            return Fetched(found.entry, "hit")
        # Who comes after an invalidation must not get what was being loaded before it.
        flight = (key, tuple(found.versions.values()))

        async def make() -> Fetched:
            return await self._load_once(key, tags, policy, load)

        if (
            found.entry is not None
            and not found.entry.error
            and now < found.entry.fresh_until + policy.stale_seconds
        ):
            self._flights.begin(flight, make)
            return Fetched(found.entry, "stale")
        if not self._protected:
            return await self._load_and_put(key, None, found.versions, policy, load)
        joined = self._flights.under_way(flight)
        fetched = await self._flights.join(flight, make)
        return fetched._replace(result="collapsed", stored=False) if joined else fetched

    async def _find(self, key: str, tags: Sequence[str]) -> Found:
        if self._clock.monotonic() < self._away_until:
            raise CacheError("Redis was away a moment ago")
        try:
            return await self._looks.join(key, lambda: self._store.find(key, tags))
        except CacheError as error:
            self._note_away(error)
            raise

    def _note_away(self, error: CacheError) -> None:
        self._away_until = self._clock.monotonic() + _AWAY_SECONDS
        _log.warning("response cache unavailable", cause=error.message)

    async def _load_once(self, key: str, tags: Sequence[str], policy: CachePolicy, load: Load) -> Fetched:
        deadline = self._clock.monotonic() + 2 * self._lease_seconds
        try:
            while self._clock.monotonic() < deadline:
                token = await self._store.lock(key, self._lease_seconds)
                # Looked at while nobody else can load: what comes later than this look isn't ours to miss.
                found = await self._find(key, tags)
                if found.entry is not None and self._clock.now().timestamp() < found.entry.fresh_until:
                    if token is not None:
                        await self._store.unlock(key, token)
                    return Fetched(found.entry, "collapsed")
                if token is not None:
                    return await self._load_and_put(key, token, found.versions, policy, load)
                await self._clock.sleep(_POLL_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)
        except CacheError as error:
            self._note_away(error)
        return await self._uncached(policy, load)

    async def _uncached(self, policy: CachePolicy, load: Load) -> Fetched:
        return Fetched(await self._load(policy, {}, load), "unavailable")

    async def _load_and_put(
        self, key: str, token: str | None, versions: dict[str, str], policy: CachePolicy, load: Load
    ) -> Fetched:
        try:
            entry = await self._load(policy, versions, load)
        except BaseException:
            if token is not None:
                await self._quietly(self._store.unlock(key, token))
            raise
        seconds = entry.fresh_until - entry.loaded_at + (0 if entry.error else policy.stale_seconds)
        if token is None:
            stored = await self._quietly(self._store.put(key, entry, seconds)) is not False
        else:
            stored = await self._quietly(self._store.put_and_unlock(key, token, entry, seconds)) is True
        if not stored:
            self.on_discard()
        return Fetched(entry, "miss", stored)

    async def _quietly(self, command: Awaitable[bool | None]) -> bool | None:
        """What the command answers; False when Redis went away: the load was done all the same."""
        try:
            return await command
        except CacheError as error:
            self._note_away(error)
            return False

    async def _load(self, policy: CachePolicy, versions: dict[str, str], load: Load) -> Entry:
        self.on_load()
        loaded_at = self._clock.now().timestamp()
        part = 1 - policy.jitter * random.random()  # noqa: S311 (no secret)
        try:
            async with asyncio.timeout(self._load_seconds):
                body = (await load()).model_dump_json().encode()
        except TimeoutError as error:
            raise DeadlineExceeded(f"not loaded in {self._load_seconds} s") from error
        except NotFound as error:
            if not policy.negative_seconds:
                raise
            fresh_until = loaded_at + policy.negative_seconds * part
            return Entry.of_error(error, loaded_at, fresh_until, versions)
        return Entry(body, loaded_at, loaded_at + policy.ttl_seconds * part, versions)
