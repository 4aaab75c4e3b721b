"""The HTTP client of a service: one shared connection pool, traced, with the kit's errors."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import httpx2

from workbook_lib.kit import errors, telemetry

if TYPE_CHECKING:
    from workbook_lib.kit.breaker import Breakers
    from workbook_lib.kit.consul import Instance
    from workbook_lib.kit.discovery import Instances, Observe, RetryBudget

__all__ = ["IDEMPOTENT", "HttpClient", "trusted"]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods whose requests may be sent again after a broken connection: RFC 9110, 9.2.2."""


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

    With `retries`, a call that failed goes to another instance, within that time and within `budget` (see
    `Failover`, also for `breakers` and `observe`): any call when the connection was refused, since nothing
    was sent; an idempotent one also when the connection broke, when the instance answered 503, and when its
    breaker's timeout has passed.
    """

    def __init__(
        self,
        source: "str | Instances",
        *,
        timeout_seconds: float = 2.0,
        retries: int = 0,
        budget: "RetryBudget | None" = None,
        breakers: "Breakers | None" = None,
        observe: "Observe | None" = None,
    ) -> None:
        # Imported here: discovery is built on Consul's client, which is built on this module.
        from workbook_lib.kit.discovery.failover import Failover
        from workbook_lib.kit.discovery.instances import StaticInstances

        self._fixed = source.rstrip("/") if isinstance(source, str) else None
        instances = StaticInstances.at(source) if isinstance(source, str) else source
        self.failover = Failover(
            instances, retries=retries, budget=budget, breakers=breakers, observe=observe
        )
        """Where calls go, and how many were sent once more."""
        self._timeout_seconds = timeout_seconds
        self._client: httpx2.AsyncClient | None = None

    async def start(self) -> None:
        """Open the connection pool."""
        if self._client is None:
            verify = trusted(self._fixed or "http:")
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

    async def request(
        self, method: str, path: str, *, idempotent: bool | None = None, **options: Unpack[_Options]
    ) -> httpx2.Response:
        """Send one request to the next instance; raises the `ServiceError` of an answer of 400 and above.

        `idempotent` says whether it may be sent again after it may have arrived; by default its method tells.
        """
        client = self._client
        if client is None:
            raise errors.Unavailable("the HTTP client isn't started")
        url = path

        async def attempt(instance: "Instance") -> httpx2.Response:
            nonlocal url
            url = (self._fixed or instance.url) + path
            return await _answered(client, method, url, options)

        repeatable = method in IDEMPOTENT if idempotent is None else idempotent
        try:
            # httpx limits each phase of a call; the caller was promised a limit on the whole.
            async with asyncio.timeout(self._timeout_seconds):
                return await self.failover.call(attempt, lambda error: _may_repeat(error, repeatable))
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise errors.DeadlineExceeded(
                f"{method} {url}: no answer in {self._timeout_seconds} s"
            ) from error


async def _answered(client: httpx2.AsyncClient, method: str, url: str, options: _Options) -> httpx2.Response:
    """One request's answer below 400; what went wrong is the cause of the error raised."""
    try:
        answer = await client.request(method, url, **options)
    except httpx2.TimeoutException:
        raise  # as long as the whole call may take
    except httpx2.TransportError as error:
        raise errors.Unavailable(f"{method} {url}: {error or type(error).__name__}") from error
    if answer.status_code >= 400:
        failed = httpx2.HTTPStatusError(f"HTTP {answer.status_code}", request=answer.request, response=answer)
        raise errors.from_body(answer.status_code, _json_object(answer)) from failed
    return answer


def _may_repeat(error: errors.ServiceError, idempotent: bool) -> bool:
    match error.__cause__:
        case httpx2.ConnectError():
            return True  # it was never sent
        case httpx2.HTTPStatusError():  # of a 504 that it passes on, another instance is as likely a victim
            return idempotent and isinstance(error, errors.Unavailable)
        case _:
            return idempotent and isinstance(error, errors.Unavailable | errors.DeadlineExceeded)


def _json_object(answer: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
