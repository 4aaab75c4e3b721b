"""The HTTP side of the cache: what may be cached, under which key, and the headers that tell of it."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from workbook_lib.kit.cache import Cache, CacheError
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.preconditions import Preconditions
from workbook_lib.kit.response_cache.loading import CachePolicy, Fetched, Load, Loader, Result
from workbook_lib.kit.response_cache.store import EntryStore

__all__ = ["CachePolicy", "ResponseCache"]

_CREDENTIALS: Final = frozenset({"authorization", "cookie"})
_FORWARDED: Final[Mapping[Result, str]] = {
    "miss": "fwd=miss",
    "collapsed": "fwd=miss; collapsed",
    "unavailable": "fwd=miss; detail=store-unavailable",
    "bypass": "fwd=bypass",
}

_log = get_logger(__name__)


class ResponseCache:
    """Answers GET requests from Redis, and loads what isn't there once. A resource; `name` is in its headers.

    It has no `check` on purpose: without Redis every answer is still given, later. A load may take
    `load_seconds`; the lock that keeps others from loading the same ends by itself `lease_seconds` after it
    was taken. `protected=False` leaves out single flight and lock, to show what they are for.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        name: str,
        registry: CollectorRegistry | None = None,
        load_seconds: float = 5.0,
        lease_seconds: float = 6.0,
        protected: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._cache = cache
        self._name = name
        self._clock = clock
        self._store = EntryStore(cache)
        self._loader = Loader(
            self._store,
            clock,
            load_seconds=load_seconds,
            lease_seconds=lease_seconds,
            protected=protected,
        )
        self._requests = Counter(
            "response_cache_requests_total", "Requests, by what came of them.", ("result",), registry=registry
        )
        loads = Counter("response_cache_loads_total", "Answers loaded.", registry=registry)
        discarded = Counter(
            "response_cache_discarded_total", "Answers loaded and not kept.", registry=registry
        )
        self._loader.on_load, self._loader.on_discard = loads.inc, discarded.inc

    async def start(self) -> None:
        """Start the client of Redis; it connects with its first command."""
        await self._cache.start()

    async def stop(self) -> None:
        """Cancel what is being loaded, and close the connections."""
        await self._loader.stop()
        await self._cache.stop()

    async def respond(
        self, request: Request, policy: CachePolicy, load: Load, *, vary: Mapping[str, str] | None = None
    ) -> Response:
        """The answer to a GET: from the cache, or what `load` gives. Raises what `load` raises.

        `vary` has, by the name of each header on which the answer depends, what this request's one comes down
        to (a chosen language rather than the header's text, or nearly every caller would have its own entry).
        """
        vary = vary or {}
        credentials = not policy.with_credentials and _CREDENTIALS.intersection(request.headers)
        if policy.ttl_seconds <= 0 or credentials or request.method not in ("GET", "HEAD"):
            self._requests.labels("bypass").inc()
            body = (await load()).model_dump_json().encode()
            return Response(body, media_type="application/json", headers=self._headers("bypass", vary))
        key = _key(request, policy.query, vary)
        tags = (*policy.tags, _path_tag(request.url.path))
        fetched = await self._loader.fetch(key, tags, policy, load)
        self._requests.labels(fetched.result).inc()
        fetched.entry.raise_error()
        return self._answer(request, fetched, vary)

    async def invalidate(self, *tags: str) -> None:
        """Let no entry with one of these tags count any more, in any process.

        After a write, call it when the write is done. Redis being away is logged and not raised: the write
        stays done, and what is cached ends with its time.
        """
        for tag in tags:
            try:
                await self._store.invalidate(tag)
            except CacheError as error:
                _log.warning("not invalidated", tag=tag, cause=error.message)

    async def invalidate_path(self, path: str) -> None:
        """`invalidate` every entry of one path, whatever its query and language."""
        await self.invalidate(_path_tag(path))

    def _answer(self, request: Request, fetched: Fetched, vary: Mapping[str, str]) -> Response:
        entry, now = fetched.entry, self._clock.now().timestamp()
        headers = self._headers(fetched.result, vary)
        headers["ETag"] = entry.etag
        # Others may keep it and must ask each time, which costs a 304: they can't hear of an invalidation.
        headers["Cache-Control"] = "no-cache"
        if fetched.result in ("hit", "stale"):
            headers["Age"] = str(max(0, int(now - entry.loaded_at)))
            headers["Cache-Status"] = f"{self._name}; hit; ttl={int(entry.fresh_until - now)}"
        elif fetched.stored:
            headers["Cache-Status"] += "; stored"
        if Preconditions(if_none_match=request.headers.get("if-none-match", "")).names(entry.etag):
            return Response(status_code=304, headers=headers)
        return Response(entry.body, media_type="application/json", headers=headers)

    def _headers(self, result: Result, vary: Mapping[str, str]) -> dict[str, str]:
        """Cache-Status (RFC 9211) for what was forwarded, and Vary."""
        headers = {"Cache-Status": f"{self._name}; {_FORWARDED.get(result, 'hit')}"}
        return headers | ({"Vary": ", ".join(vary)} if vary else {})


def _key(request: Request, names: Collection[str], vary: Mapping[str, str]) -> str:
    """One word for path, query in any order, and what the answer varies by; of a fixed length."""
    query = sorted(item for item in request.query_params.multi_items() if item[0] in names)
    parts = [request.url.path, query, sorted(vary.items())]
    return hashlib.sha256(to_json(parts)).hexdigest()


def _path_tag(path: str) -> str:
    return f"path:{path}"
