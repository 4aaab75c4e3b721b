"""A container's probes, asked as the kubelet asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from lightkube.models.core_v1 import Container, Probe

__all__ = ["Asker", "Prober", "named_port"]

Asker = Callable[[Probe], Awaitable[str | None]]
"""Asks once: None when it is well, else what is wrong."""


def named_port(container: Container, port: int | str) -> int:
    """The number of a port that may be given by name. Raises ValueError for a name that there isn't."""
    for each in container.ports or ():
        if each.name == port:
            return each.containerPort
    return int(port)


@dataclass
class Prober:
    """Asks the processes of one container at `host`. A redirect counts as well, as any status below 400."""

    container: Container
    host: str
    run: Callable[[list[str]], Awaitable[str | None]]
    """Runs a command for an exec probe: None when it ended with 0."""

    async def ask(self, probe: Probe) -> str | None:
        """None when it is well, else what is wrong, in the kubelet's words."""
        seconds = probe.timeoutSeconds or 1
        try:
            async with asyncio.timeout(seconds):
                return await self._ask(probe)
        except TimeoutError:
            return f"no answer within {seconds} s"
        except (OSError, aiohttp.ClientError, grpc.aio.AioRpcError, ValueError) as error:
            return str(error) or type(error).__name__

    async def watch(self, probe: Probe, told: Callable[[bool, str], None]) -> None:
        """Ask every period, for ever; tell of a success or failure once its threshold is reached.

        Told again for as long as it stays so.
        """
        await asyncio.sleep(probe.initialDelaySeconds or 0)
        passed = failed = 0
        while True:
            wrong = await self.ask(probe)
            passed, failed = (passed + 1, 0) if wrong is None else (0, failed + 1)
            if passed >= (probe.successThreshold or 1):
                told(True, "")
            elif failed >= (probe.failureThreshold or 3):
                told(False, wrong or "")
            await asyncio.sleep(probe.periodSeconds or 10)

    async def _ask(self, probe: Probe) -> str | None:
        if probe.httpGet:
            get = probe.httpGet
            port = named_port(self.container, get.port)
            url = f"{(get.scheme or 'HTTP').lower()}://{get.host or self.host}:{port}{get.path or '/'}"
            headers = {each.name: each.value for each in get.httpHeaders or ()}
            async with (
                aiohttp.ClientSession() as session,
                session.get(url, headers=headers, ssl=False, allow_redirects=False) as answer,
            ):
                ok = 200 <= answer.status < 400
                return None if ok else f"HTTP probe failed with statuscode: {answer.status}"
        if probe.tcpSocket:
            port = named_port(self.container, probe.tcpSocket.port)
            _, writer = await asyncio.open_connection(probe.tcpSocket.host or self.host, port)
            writer.close()
            return None
        if probe.grpc:
            return await self._ask_grpc(probe.grpc.port, probe.grpc.service or "")
        if probe.exec:
            return await self.run(list(probe.exec.command or ()))
        return None

    async def _ask_grpc(self, port: int, service: str) -> str | None:
        async with grpc.aio.insecure_channel(f"{self.host}:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        serving = health_pb2.HealthCheckResponse.SERVING
        name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return None if answer.status == serving else f"service unhealthy (responded with {name!r})"
