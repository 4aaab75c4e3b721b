"""The HTTP client of a service: one shared connection pool, traced, with the kit's errors."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import httpx2

from workbook_lib.kit import errors, telemetry

if TYPE_CHECKING:
    from workbook_lib.kit.discovery import Instances

__all__ = ["HttpClient", "trusted"]


def trusted(url: str) -> ssl.SSLContext | bool:
    """Whom a client of `url` trusts: the usual authorities for https, nobody for http.

    Loading the authorities takes 50 ms of processor time a client, which http has no use for.
    """
    return True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Options(TypedDict, total=False):
    json: Any
    content: bytes
    headers: Mapping[str, str]
    params: Mapping[str, str | int | float | bool]


class HttpClient:
    """Calls one service, at a base URL or at the instances that discovery finds.

    A resource: start it, or let a service do so. Every call has a deadline and raises the kit's errors: the
    one that the service answered with, `Unavailable` when it can't be reached, `DeadlineExceeded` when it
    doesn't answer in `timeout_seconds`.
    """

    def __init__(self, source: "str | Instances", *, timeout_seconds: float = 2.0) -> None:
        self._source = source
        self._timeout_seconds = timeout_seconds
        self._client: httpx2.AsyncClient | None = None

    async def start(self) -> None:
        """Open the connection pool."""
        if self._client is None:
            verify = trusted(self._source if isinstance(self._source, str) else "http:")
            self._client = httpx2.AsyncClient(timeout=self._timeout_seconds, trust_env=False, verify=verify)
            telemetry.instrument_http(self._client)

    async def stop(self) -> None:
        """Close the connections; calls made afterwards raise `Unavailable`."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(self, path: str, **options: Unpack[_Options]) -> httpx2.Response:
        """`request` with GET."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Unpack[_Options]) -> httpx2.Response:
        """`request` with POST."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Unpack[_Options]) -> httpx2.Response:
        """`request` with PUT."""
        return await self.request("PUT", path, **options)

    async def delete(self, path: str, **options: Unpack[_Options]) -> httpx2.Response:
        """`request` with DELETE."""
        return await self.request("DELETE", path, **options)

    async def request(self, method: str, path: str, **options: Unpack[_Options]) -> httpx2.Response:
        """Send one request to the next instance; raises the `ServiceError` of an answer of 400 and above."""
        if self._client is None:
            raise errors.Unavailable("the HTTP client isn't started")
        base = self._source if isinstance(self._source, str) else self._source.next().url
        url = base.rstrip("/") + path
        try:
            # httpx limits each phase of a call; the caller was promised a limit on the whole.
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._client.request(method, url, **options)
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise errors.DeadlineExceeded(
                f"{method} {url}: no answer in {self._timeout_seconds} s"
            ) from error
        except httpx2.TransportError as error:
            raise errors.Unavailable(f"{method} {url}: {error or type(error).__name__}") from error
        if answer.status_code >= 400:
            raise errors.from_body(answer.status_code, _json_object(answer))
        return answer


def _json_object(answer: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
