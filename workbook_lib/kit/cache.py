"""A cache in Redis, each command in a span opened by hand."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from workbook_lib.kit import telemetry
from workbook_lib.kit.errors import Unavailable

__all__ = ["Cache", "CacheError", "Script"]


class CacheError(Unavailable):
    """Redis can't be reached, answered late or refused the command. A caller can go on without its cache."""


class Script:
    """A Lua script, which Redis runs as one step: nobody sees or changes anything in between.

    Redis keeps it by its hash, so that only the first call after Redis' start carries the source.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class Cache:
    """Byte strings under the keys of one `namespace`, each with a time to live.

    Every command ends within `timeout_seconds` and raises `CacheError` when it fails. Its CLIENT span is as
    OpenTelemetry's conventions for Redis describe.
    """

    def __init__(self, url: str, *, namespace: str, timeout_seconds: float = 1.0) -> None:
        self._url = url
        self._namespace = namespace
        self._timeout_seconds = timeout_seconds
        self._client: Redis | None = None
        parts = urlsplit(url)
        self._address = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
        self._attributes: dict[str, str | int] = {
            "db.system.name": "redis",
            "db.namespace": parts.path.strip("/") or "0",
            "server.address": parts.hostname or "localhost",
            "server.port": parts.port or 6379,
        }

    async def start(self) -> None:
        """Make the client. Its first command connects, so that a service comes up without Redis too."""
        if self._client is None:
            # One more try at once: a pooled connection may have died with a restarted server.
            retry = Retry(NoBackoff(), retries=1)
            self._client = Redis.from_url(self._url, retry=retry, socket_timeout=self._timeout_seconds)

    async def stop(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def check(self) -> None:
        """Raise `CacheError` unless Redis answers."""
        await self._command("PING")

    async def get(self, key: str) -> bytes | None:
        """The value of `key`; None when there is none or its time is over."""
        value: bytes | None = await self._command("GET", self._full(key))
        return value

    async def get_and_keep(self, key: str, ttl_seconds: float) -> bytes | None:
        """`get`, and in the same step let a value that is there live for `ttl_seconds` from now."""
        value: bytes | None = await self._command("GETEX", self._full(key), "PX", _milliseconds(ttl_seconds))
        return value

    async def take(self, key: str) -> bytes | None:
        """`get` and `delete` in one step: of several callers one gets the value."""
        value: bytes | None = await self._command("GETDEL", self._full(key))
        return value

    async def get_many(self, *keys: str) -> list[bytes | None]:
        """The values of `keys`, all of one moment; None for each that there isn't."""
        values: list[bytes | None] = await self._command("MGET", *map(self._full, keys))
        return values

    async def set(self, key: str, value: bytes, ttl_seconds: float) -> None:
        """Keep `value` for `ttl_seconds`, to the millisecond."""
        await self._command("SET", self._full(key), value, "PX", _milliseconds(ttl_seconds))

    async def add(self, key: str, value: bytes, ttl_seconds: float) -> bool:
        """Keep `value` unless the key has one; whether it was kept. Of many at once, one succeeds."""
        milliseconds = max(1, round(ttl_seconds * 1000))
        return await self._command("SET", self._full(key), value, "NX", "PX", milliseconds) is not None

    async def evaluate(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:  # noqa: ANN401
        """What a Lua script answers, which runs as one step; `keys` are its KEYS, `arguments` its ARGV."""
        return await self._command("EVAL", script, len(keys), *map(self._full, keys), *arguments)

    async def delete(self, key: str) -> None:
        """Forget `key`; one that isn't there is no error."""
        await self._command("DEL", self._full(key))

    async def run(self, script: Script, key: str, *arguments: str | int) -> Any:  # noqa: ANN401 - as it answers
        """Run `script` with `key` as its only key; what it returns."""
        try:
            return await self._command("EVALSHA", script.sha, 1, self._full(key), *arguments)
        except CacheError as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
        return await self._command("EVAL", script.source, 1, self._full(key), *arguments)

    def _full(self, key: str) -> str:
        return f"{self._namespace}:{key}"

    async def _command(self, name: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - as Redis answers
        if self._client is None:
            raise CacheError("the cache isn't started")
        shown = "…" if name == "EVAL" else arguments[0] if arguments else ""
        query = " ".join([name, *([str(shown)] if shown else []), *("?" for _ in arguments[1:])])
        attributes = {**self._attributes, "db.operation.name": name, "db.query.text": query}
        with telemetry.tracer().start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes):
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._client.execute_command(name, *arguments)  # type: ignore[no-untyped-call]
            except TimeoutError as error:
                raise CacheError(
                    f"Redis at {self._address}: no answer to {name} in {self._timeout_seconds} s"
                ) from error
            except RedisError as error:
                raise CacheError(f"Redis at {self._address}: {name} failed: {error}") from error


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
