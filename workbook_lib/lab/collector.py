"""Give the lab's Jaeger, which is an OpenTelemetry Collector, other pipelines, and read which it has."""

from __future__ import annotations

import os
import signal
import uuid
from dataclasses import dataclass

import httpx2
import yaml

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle
from workbook_lib.lab.readiness import until_ready
from workbook_lib.lab.servers.jaeger import CONFIGURATION, GENERATION_HEADER, write_configuration

__all__ = ["Pipeline", "configure", "pipelines"]

RELOAD_SECONDS = 20.0


@dataclass(frozen=True)
class Pipeline:
    """One way through a collector: what comes in, what is done to it in order, where it goes.

    A connector is the exporter of one pipeline and the receiver of another.
    """

    name: str
    receivers: tuple[str, ...]
    processors: tuple[str, ...]
    exporters: tuple[str, ...]


async def configure(jaeger: Handle, name: str) -> None:
    """Have it work by `deploy/jaeger/<name>.yaml`; return once it takes spans again.

    By SIGHUP, as any collector reloads. It starts all its parts anew, so what it kept in memory is gone.
    Raises `LabError` when there is no such file, or it doesn't come back.
    """
    jaeger.check()
    process, folder = jaeger.process, jaeger.folder
    if process is None or folder is None:
        raise LabError(f"the collector at {jaeger.url} is your own; the lab doesn't configure it")
    generation = uuid.uuid4().hex[:8]
    ports = {role: reservation.port for role, reservation in jaeger.ports.items()}
    (folder / CONFIGURATION).write_text(write_configuration(name, ports, generation))
    os.kill(process.pid, signal.SIGHUP)

    async def check() -> str | None:
        # The receivers are what it starts last.
        try:
            async with httpx2.AsyncClient(timeout=2.0, trust_env=False) as client:
                answer = await client.get(f"http://127.0.0.1:{ports['otlp_http']}/v1/traces")
        except httpx2.TransportError as error:
            return f"its receivers don't listen ({error!r})"
        served = answer.headers.get(GENERATION_HEADER)
        return None if served == generation else "the old receivers still listen"

    await until_ready(process, check, RELOAD_SECONDS)


def pipelines(jaeger: Handle) -> list[Pipeline]:
    """The pipelines that it is configured with. Raises `LabError` for a collector of the user's own."""
    if jaeger.folder is None:
        raise LabError(f"the collector at {jaeger.url} is your own; its configuration isn't known here")
    configured = yaml.safe_load((jaeger.folder / CONFIGURATION).read_text())["service"]["pipelines"]
    return [
        Pipeline(
            name,
            *(tuple(parts.get(kind, ())) for kind in ("receivers", "processors", "exporters")),
        )
        for name, parts in configured.items()
    ]
