"""Entries, versions of tags and locks, as they lie in Redis."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import uuid4

from workbook_lib.kit.cache import Cache
from workbook_lib.kit.response_cache.entry import Entry

__all__ = ["EntryStore", "Found"]

# Whoever lost the lock while loading must not overwrite what its successor has stored.
_STORE_IF_LOCKED: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""
_UNLOCK: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class Found(NamedTuple):
    """What one look at Redis tells: an entry that still counts, if there is one, and its tags' versions."""

    entry: Entry | None
    versions: dict[str, str]


class EntryStore:
    """Where entries are kept for at most `max_seconds`. Every method raises `CacheError` when Redis is away.

    A tag's version is a random word, absent until the tag is first invalidated. It is kept longer than any
    entry, so that an entry from before can't outlive it.
    """

    def __init__(self, cache: Cache, max_seconds: float = 86_400) -> None:
        self._cache = cache
        self.max_seconds = max_seconds

    async def find(self, key: str, tags: Sequence[str]) -> Found:
        """The entry under `key` if none of its tags was invalidated since it was loaded."""
        stored, *words = await self._cache.get_many(f"entry:{key}", *(f"tag:{tag}" for tag in tags))
        versions = {tag: (word or b"").decode() for tag, word in zip(tags, words, strict=True)}
        try:
            entry = Entry.decode(stored) if stored is not None else None
        except ValueError:
            entry = None  # written by an older or newer program
        return Found(entry if entry and entry.versions == versions else None, versions)

    async def put(self, key: str, entry: Entry, seconds: float) -> None:
        """Keep `entry` without asking who holds the lock."""
        await self._cache.set(f"entry:{key}", entry.encode(), min(seconds, self.max_seconds))

    async def lock(self, key: str, lease_seconds: float) -> str | None:
        """A token if nobody else loads this entry; it is good for `lease_seconds`, whatever becomes of us."""
        token = uuid4().hex
        return token if await self._cache.add(f"lock:{key}", token.encode(), lease_seconds) else None

    async def put_and_unlock(self, key: str, token: str, entry: Entry, seconds: float) -> bool:
        """Keep `entry` and give the lock back in one step; False when the lock has passed to another."""
        milliseconds = max(1, round(min(seconds, self.max_seconds) * 1000))
        keys = (f"lock:{key}", f"entry:{key}")
        kept = await self._cache.evaluate(_STORE_IF_LOCKED, keys, token, entry.encode(), milliseconds)
        return bool(kept == 1)

    async def unlock(self, key: str, token: str) -> None:
        """Give the lock back, if it is still ours."""
        await self._cache.evaluate(_UNLOCK, [f"lock:{key}"], token)

    async def invalidate(self, tag: str) -> None:
        """From now on no entry with this tag counts, nor one that is being loaded anywhere."""
        await self._cache.set(f"tag:{tag}", uuid4().hex.encode(), 2 * self.max_seconds)
