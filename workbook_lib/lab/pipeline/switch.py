"""The switch from one deployment to the other: a key in Consul, which the gateway follows."""

from __future__ import annotations

import httpx2

from workbook_lib.kit.consul import Consul
from workbook_lib.kit.deployments import live_key
from workbook_lib.lab.evidence import EvidenceTimeout, eventually, metric
from workbook_lib.lab.pipeline.stages import StageFailed

__all__ = ["Switch"]

SWITCH_SECONDS = 30.0
DRAIN_SECONDS = 30.0
ASK_SECONDS = 10.0


class Switch:
    """Which deployment of a service is live, seen from Consul and from the gateway at `gateway_url`."""

    def __init__(self, consul: Consul, service: str, gateway_url: str) -> None:
        self._consul = consul
        self._service = service
        self._gateway_url = gateway_url
        self._key = live_key(service)

    async def live(self) -> str | None:
        """The deployment that Consul names; None before the first."""
        entry = await self._consul.kv_get(self._key, consistent=True)
        return entry.text if entry is not None else None

    async def to(self, deployment: str) -> str:
        """Switch, and wait until the gateway calls `deployment`; else put it back. Raises StageFailed."""
        entry = await self._consul.kv_get(self._key, consistent=True)
        # Check-and-set: of two pipelines at once, one switches and the other learns of it.
        if not await self._consul.kv_put(self._key, deployment, cas=entry.modify_index if entry else 0):
            raise StageFailed(f"{self._key} was changed by somebody else at the same time")
        try:
            await eventually(lambda: self._called(deployment), SWITCH_SECONDS, interval_seconds=0.05)
        except EvidenceTimeout as error:
            if entry is not None:
                await self._consul.kv_put(self._key, entry.value)
            else:
                await self._consul.kv_delete(self._key)
            raise StageFailed(f"the gateway never called {deployment}: {error}") from error
        return f"{entry.text if entry else 'nothing'} → {deployment}"

    async def drained(self, deployment: str, url: str) -> str:
        """Wait until the old deployment has no request under way. Raises StageFailed."""

        async def idle() -> bool:
            # The question is a request too.
            return await metric(f"{url}/metrics", "http_requests_in_flight") <= 1

        try:
            await eventually(idle, DRAIN_SECONDS, interval_seconds=0.05)
        except EvidenceTimeout as error:
            raise StageFailed(f"{deployment} still has requests under way: {error}") from error
        return f"{deployment} has no request left; it keeps running for a rollback"

    async def _called(self, deployment: str) -> bool:
        async with httpx2.AsyncClient(timeout=ASK_SECONDS, trust_env=False) as client:
            answer = await client.get(f"{self._gateway_url}/deployments/{self._service}")
        return bool(answer.raise_for_status().json()["live"] == deployment)
