"""A proxy in front of one port of a service or server: the network between two processes, to be broken.

Toxiproxy has these faults too, but counts no bytes, and would be one more program to build from Go.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbook_lib.kit.consul import Consul, Instance, Registration
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.faults import relay
from workbook_lib.lab.faults.relay import Traffic
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.servers import SERVERS
from workbook_lib.lab.services import read_spec

__all__ = ["Proxy", "proxy"]

ANSWER_SECONDS = 5.0


async def proxy(lab: Lab, name: str, *, role: str = "http", index: int = 1, insert: bool = True) -> Proxy:
    """Start a proxy in front of the port `role` of what the lab calls `name`, instance `index`.

    Where the lab has Consul, callers that find the service there are led through it, unless `insert` is
    False; anybody else passes through it by calling `Proxy.target`. Of a server, start services with
    `env=proxy.environment`. Raises `LabError` for a port that isn't there, and for Kafka: its clients go to
    the address that the broker itself names, and so around any proxy.
    """
    if name == "kafka":
        raise LabError("Kafka's clients go to the address that the broker names: pause or kill it instead")
    handle = lab[name, index]
    upstream = handle.port(role)
    program = await lab.run_program(
        f"{handle.name}-{role}-proxy",
        lambda ports: [sys.executable, "-P", relay.__file__, *map(str, (*ports.values(), upstream))],
        _ready,
        ports=[PortRequest("proxy"), PortRequest("control")],
    )
    service = "" if name in SERVERS else read_spec(lab.root, name).service
    made = Proxy(lab, handle, role, program, service)
    if insert:
        await made.insert()
    return made


class Proxy:
    """A running proxy; made by `proxy`. What is ordered has happened when the call returns."""

    def __init__(self, lab: Lab, handle: Handle, role: str, program: Handle, service: str) -> None:
        self._lab = lab
        self._handle = handle
        self._role = role
        self._program = program
        self._service = service
        self._real_port = handle.port(role)

    @property
    def target(self) -> str:
        """`host:port` to call instead of the service's own."""
        return f"127.0.0.1:{self._program.port('proxy')}"

    @property
    def url(self) -> str:
        """The same as a base URL."""
        return f"http://{self.target}"

    @property
    def environment(self) -> dict[str, str]:
        """The server's variables, leading through the proxy; empty for a service."""
        real = f"127.0.0.1:{self._real_port}"
        return {
            name: value.replace(real, self.target)
            for name, value in self._handle.environment.items()
            if real in value
        }

    async def cut(self) -> None:
        """Reset every connection and refuse new ones, as when the other side's machine has restarted."""
        await self._order({"do": "cut"})

    async def delay(self, seconds: float) -> None:
        """Let everything arrive later by `seconds`, each way and in order."""
        await self._order({"do": "delay", "seconds": seconds})

    async def blackhole(self) -> None:
        """Let nothing through and refuse nothing, as when packets are dropped; it arrives when restored."""
        await self._order({"do": "blackhole"})

    async def restore(self) -> None:
        """Undo `cut`, `delay` and `blackhole`."""
        await self._order({"do": "restore"})

    async def stats(self) -> Traffic:
        """What has passed so far; the difference of two is what passed between them."""
        return await self._order({"do": "nothing"})

    async def insert(self) -> None:
        """Have Consul name the proxy's port, until the service registers anew. Nothing without Consul."""
        await self._announce(self._program.port("proxy"))

    async def close(self) -> None:
        """Have Consul name the service's own port again, and end the proxy. Idempotent."""
        if self._program.alive:
            if self._handle.alive:
                await self._announce(self._real_port)
            await self._program.stop()

    async def _order(self, order: Mapping[str, Any]) -> Traffic:
        self._program.check()
        return await _asked(self._program.port("control"), order)

    async def _announce(self, port: int) -> None:
        """Register the instance as it stands but for this port; its health check stays as it is."""
        environment = self._lab.environment
        if not self._service or "CONSUL_HTTP_ADDR" not in environment:
            return
        async with Consul(
            environment["CONSUL_HTTP_ADDR"],
            token=environment.get("CONSUL_HTTP_TOKEN"),
            timeout_seconds=ANSWER_SECONDS,
        ) as consul:
            for instance in await consul.catalog(self._service):
                if self._is_mine(instance):
                    await consul.register(_registration(self._with_port(instance, port)))
                    await eventually(lambda: self._announced(consul, port), ANSWER_SECONDS)

    async def _announced(self, consul: Consul, port: int) -> bool:
        instances = await consul.catalog(self._service)
        return any(
            self._is_mine(instance) and instance == self._with_port(instance, port) for instance in instances
        )

    def _is_mine(self, instance: Instance) -> bool:
        return instance.id == f"{self._service}-{self._handle.port('http')}"

    def _with_port(self, instance: Instance, port: int) -> Instance:
        if self._role == "http":
            return replace(instance, port=port)
        return replace(instance, meta={**instance.meta, f"{self._role}_port": str(port)})


def _registration(instance: Instance) -> Registration:
    return Registration(
        id=instance.id,
        service=instance.service,
        address=instance.address,
        port=instance.port,
        tags=instance.tags,
        meta=instance.meta,
    )


async def _ready(ports: Mapping[str, int]) -> str | None:
    await _asked(ports["control"], {"do": "nothing"})
    return None


async def _asked(port: int, order: Mapping[str, Any]) -> Traffic:
    """One order to a proxy's process; the traffic so far. Raises TimeoutError, OSError."""
    async with asyncio.timeout(ANSWER_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(json.dumps(order).encode() + b"\n")
            return Traffic(**json.loads(await reader.readline()))
        finally:
            writer.close()
