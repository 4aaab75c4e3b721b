"""The client of one Consul agent."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2
from opentelemetry.instrumentation.utils import suppress_instrumentation

from workbook_lib.kit import telemetry
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.consul.model import (
    Answer,
    ConsulDenied,
    ConsulError,
    Instance,
    KeyValue,
    Registration,
    go_duration,
    status_of,
    weights,
)
from workbook_lib.kit.consul.watch import WAIT_SECONDS, watch
from workbook_lib.kit.http import trusted

__all__ = ["Consul"]


class Consul:
    """A Consul agent's HTTP API. `url` is as in CONSUL_HTTP_ADDR: a base URL, or host:port.

    `token` is an ACL token's secret (CONSUL_HTTP_TOKEN); what it isn't allowed raises `ConsulDenied`.

    Every call ends within `timeout_seconds`, blocking queries within their wait, Consul's jitter and that,
    and raises `ConsulError` otherwise, and for an answer that Consul never gives. Use it as `async with`, or
    stop it when done; the connections are opened by the first call.
    """

    def __init__(
        self, url: str, *, token: str | None = None, timeout_seconds: float = 2.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        self._headers = {"X-Consul-Token": token} if token else {}
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._client: httpx2.AsyncClient | None = None

    async def start(self) -> None:
        """Nothing to do: a service starts without Consul and finds it when it comes."""

    async def stop(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def register(self, registration: Registration) -> None:
        """Announce an instance; registering the same id again replaces what was."""
        await self._request("PUT", "/v1/agent/service/register", json=registration.to_json())

    async def deregister(self, instance_id: str) -> None:
        """Withdraw an instance; one that Consul doesn't know is no error."""
        await self._request(
            "PUT", f"/v1/agent/service/deregister/{quote(instance_id, safe='')}", missing_ok=True
        )

    async def is_registered(self, instance_id: str) -> bool:
        """Whether this agent knows the instance: an agent that lost its memory in a restart doesn't."""
        path = f"/v1/agent/service/{quote(instance_id, safe='')}"
        with suppress_instrumentation():  # it is asked every few seconds, for no request
            return (await self._query(path, missing_ok=True)).value is not None

    async def set_weight(self, instance_id: str, weight: int) -> None:
        """Change the weight (1 to 65535) of an instance of this agent; its checks stay as they are.

        It lasts until the instance registers anew, which it does with its own weight. Raises `ConsulError`,
        also for an instance that this agent doesn't know.
        """
        path = f"/v1/agent/service/{quote(instance_id, safe='')}"
        known = (await self._query(path)).value
        with self._understanding(path):
            kept = {name: known[name] for name in ("ID", "Address", "Port", "Tags", "Meta")}
            changed = kept | {"Name": known["Service"], "Weights": weights(weight)}
        await self._request("PUT", "/v1/agent/service/register", json=changed)

    async def set_maintenance(self, instance_id: str, *, enabled: bool, reason: str = "") -> None:
        """Take an instance of this agent out of the passing ones, with a reason for operators, or back.

        It stays so when the instance registers anew. Raises `ConsulError` for one that isn't known.
        """
        await self._request(
            "PUT",
            f"/v1/agent/service/maintenance/{quote(instance_id, safe='')}",
            params={"enable": "true" if enabled else "false", "reason": reason},
        )

    async def health(
        self,
        service: str,
        *,
        passing: bool = True,
        index: int = 0,
        wait_seconds: float = 0,
        consistent: bool = False,
    ) -> Answer[list[Instance]]:
        """The instances of `service`, by default those whose checks all pass, in the order of their ids.

        With an index and a wait the query blocks until something newer is there or the wait is over. A
        default read may be stale for a moment; `consistent` has the leader confirm it with its peers first,
        at the price of a round trip.
        """
        params = {"passing": "true"} if passing else {}
        answer = await self._query(
            f"/v1/health/service/{quote(service, safe='')}", params, index, wait_seconds, consistent
        )
        with self._understanding("health"):
            instances = sorted(map(Instance.from_health, answer.value), key=lambda instance: instance.id)
        return Answer(instances, answer.index)

    async def statuses(
        self, service: str, *, index: int = 0, wait_seconds: float = 0
    ) -> Answer[dict[str, str]]:
        """By id, how every registered instance of `service` is: passing, warning or critical.

        An instance is as its worst check is. With an index and a wait the query blocks, as `health` does.
        """
        path = f"/v1/health/service/{quote(service, safe='')}"
        answer = await self._query(path, {}, index, wait_seconds)
        with self._understanding("health"):
            return Answer(dict(sorted(map(status_of, answer.value))), answer.index)

    async def catalog(self, service: str) -> list[Instance]:
        """Every registered instance of `service`, healthy or not."""
        answer = await self._query(f"/v1/catalog/service/{quote(service, safe='')}")
        with self._understanding("catalog"):
            return sorted(map(Instance.from_catalog, answer.value), key=lambda instance: instance.id)

    async def services(self) -> dict[str, list[str]]:
        """The names of all registered services with their tags."""
        services: dict[str, list[str]] = (await self._query("/v1/catalog/services")).value
        return services

    async def leader(self) -> str:
        """host:port of the cluster's leader; raises `ConsulError` while there is none."""
        address: str = (await self._query("/v1/status/leader")).value
        if not address:
            raise ConsulError(f"Consul at {self.url} has no leader")
        return address

    async def kv_get(self, key: str, *, consistent: bool = False) -> KeyValue | None:
        """The entry of `key`, None where there is none. For staleness see `health`."""
        return (await self._kv_query(key, consistent=consistent)).value

    async def kv_list(self, prefix: str) -> list[KeyValue]:
        """All entries whose keys begin with `prefix`, in the order of their keys."""
        return (await self._kv_list_query(prefix)).value

    async def kv_put(self, key: str, value: str | bytes, *, cas: int | None = None) -> bool:
        """Store `value`; False tells that the check failed and nothing was stored.

        With `cas` it is stored only if the entry still has that modify_index; 0 means that there is no entry.
        """
        params = {} if cas is None else {"cas": str(cas)}
        answer = await self._request("PUT", f"/v1/kv/{quote(key)}", params=params, content=value)
        return bool(answer.json())

    async def kv_put_all(self, entries: Mapping[str, str | bytes]) -> int:
        """Store all of `entries` (at most 64, Consul's limit) or none, in one moment; return its index.

        Whoever lists their common prefix sees either none of them changed or all. Raises `ConsulError`.
        """
        changes = [
            {"KV": {"Verb": "set", "Key": key, "Value": base64.b64encode(_bytes(value)).decode()}}
            for key, value in entries.items()
        ]
        answer = await self._request("PUT", "/v1/txn", content=json.dumps(changes))
        with self._understanding("txn"):
            return max(int(result["KV"]["ModifyIndex"]) for result in answer.json()["Results"])

    async def kv_delete(self, key: str) -> None:
        """Remove the entry of `key`; one that isn't there is no error."""
        await self._request("DELETE", f"/v1/kv/{quote(key)}")

    def watch_health(
        self, service: str, *, passing: bool = True, wait_seconds: float = WAIT_SECONDS
    ) -> AsyncGenerator[list[Instance], None]:
        """Follow the instances of `service`; see `watch` for what is yielded when, and for failures."""

        async def ask(index: int, wait: float) -> Answer[list[Instance]]:
            return await self.health(service, passing=passing, index=index, wait_seconds=wait)

        return watch(ask, wait_seconds=wait_seconds, clock=self._clock)

    def watch_statuses(
        self, service: str, *, wait_seconds: float = WAIT_SECONDS
    ) -> AsyncGenerator[dict[str, str], None]:
        """Follow how the instances of `service` are (`statuses`); see `watch` for when, and for failures."""

        async def ask(index: int, wait: float) -> Answer[dict[str, str]]:
            return await self.statuses(service, index=index, wait_seconds=wait)

        return watch(ask, wait_seconds=wait_seconds, clock=self._clock)

    def watch_key(
        self, key: str, *, wait_seconds: float = WAIT_SECONDS
    ) -> AsyncGenerator[KeyValue | None, None]:
        """Follow one entry, None while there is none; see `watch` for when, and for failures."""

        async def ask(index: int, wait: float) -> Answer[KeyValue | None]:
            return await self._kv_query(key, index=index, wait_seconds=wait)

        return watch(ask, wait_seconds=wait_seconds, clock=self._clock)

    def watch_prefix(
        self, prefix: str, *, wait_seconds: float = WAIT_SECONDS
    ) -> AsyncGenerator[list[KeyValue], None]:
        """Follow all entries under `prefix`, as they are at one moment; see `watch` for when."""

        async def ask(index: int, wait: float) -> Answer[list[KeyValue]]:
            return await self._kv_list_query(prefix, index=index, wait_seconds=wait)

        return watch(ask, wait_seconds=wait_seconds, clock=self._clock)

    async def _kv_list_query(
        self, prefix: str, *, index: int = 0, wait_seconds: float = 0
    ) -> Answer[list[KeyValue]]:
        path = f"/v1/kv/{quote(prefix)}"
        answer = await self._query(path, {"recurse": "true"}, index, wait_seconds, missing_ok=True)
        with self._understanding("kv"):
            return Answer([KeyValue.from_json(entry) for entry in answer.value or ()], answer.index)

    async def _kv_query(
        self, key: str, *, index: int = 0, wait_seconds: float = 0, consistent: bool = False
    ) -> Answer[KeyValue | None]:
        answer = await self._query(
            f"/v1/kv/{quote(key)}", {}, index, wait_seconds, consistent, missing_ok=True
        )
        with self._understanding("kv"):
            return Answer(KeyValue.from_json(answer.value[0]) if answer.value else None, answer.index)

    async def _query(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        index: int = 0,
        wait_seconds: float = 0,
        consistent: bool = False,
        *,
        missing_ok: bool = False,
    ) -> Answer[Any]:
        params = {**(params or {})}
        timeout_seconds = self._timeout_seconds
        if consistent:
            params["consistent"] = ""
        if not (index and wait_seconds):
            answer = await self._request("GET", path, params=params, missing_ok=missing_ok)
        else:
            params |= {"index": str(index), "wait": go_duration(wait_seconds)}
            # Consul adds up to a sixteenth of the wait, so that waiting clients don't all come back at once.
            timeout_seconds += wait_seconds * 17 / 16
            with suppress_instrumentation():  # a span of half a minute, of no request, would only be noise
                answer = await self._request(
                    "GET", path, params=params, missing_ok=missing_ok, timeout_seconds=timeout_seconds
                )
        with self._understanding(path):
            value = None if answer.status_code == httpx2.codes.NOT_FOUND else answer.json()
            return Answer(value, int(answer.headers.get("X-Consul-Index", 0)))

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        content: str | bytes | None = None,
        missing_ok: bool = False,
        timeout_seconds: float | None = None,
    ) -> httpx2.Response:
        limit = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        client = self._connected()  # the first one imports, which is no time of Consul's
        try:
            # httpx limits each read of an answer; one that trickles in would never end.
            async with asyncio.timeout(limit):
                answer = await client.request(
                    method, path, params=params, json=json, content=content, timeout=limit
                )
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise ConsulError(f"Consul at {self.url}: no answer to {method} {path} in {limit:g} s") from error
        except httpx2.TransportError as error:
            raise ConsulError(
                f"Consul at {self.url} can't be reached: {str(error) or type(error).__name__}"
            ) from error
        if answer.is_success or (missing_ok and answer.status_code == httpx2.codes.NOT_FOUND):
            return answer
        reason = answer.text.strip()
        message = f"Consul at {self.url}: {method} {path} → {answer.status_code} {reason}"
        if answer.status_code == httpx2.codes.FORBIDDEN:
            raise ConsulDenied(message, reason)
        raise ConsulError(message)

    @contextmanager
    def _understanding(self, what: str) -> Iterator[None]:
        """Whatever answers may not be Consul: a proxy's page, say. That is one more way of being away."""
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConsulError(f"Consul at {self.url}: answer to {what} not understood: {error!r}") from error

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                base_url=self.url, headers=self._headers, trust_env=False, verify=trusted(self.url)
            )
            telemetry.instrument_http(self._client)
        return self._client


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
