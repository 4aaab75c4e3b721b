"""What a Deployment of many pods costs a control plane: seconds until all are ready, and each part's work.

`python -m benchmarks.kubernetes_scale [--json] [--pods 1000]`. The control plane is real; the pods are
KWOK's, which exist in name only: all the work is the control plane's and KWOK's own.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from lightkube import AsyncClient
from lightkube.resources.apps_v1 import Deployment

from benchmarks.figures import add_options, publish
from workbook_lib.lab import Lab, evidence
from workbook_lib.lab.kubernetes.client import client
from workbook_lib.lab.kubernetes.kwok import add_nodes, imaginary

__all__ = ["Row", "measure"]

PODS_A_NODE = 100
TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Row:
    """One process: how long its start took, what the pods cost it, and what it held when all were ready."""

    process: str
    started_s: float
    cpu_s: float
    resident_mb: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--pods", type=int, default=1000)
    options = parser.parse_args()
    rows, notes = asyncio.run(measure(options.pods))
    publish(rows, options, notes=notes)


async def measure(pods: int) -> tuple[list[Row], list[str]]:
    """A row a process, and what has to be said of all. Raises EvidenceTimeout after 600 s."""
    with tempfile.TemporaryDirectory() as folder:
        async with Lab("kubernetes-scale", root=Path(folder)) as lab:
            begun = time.monotonic()
            await lab.start("kubernetes")
            ready = time.monotonic() - begun
            await lab.start("kwok")
            running = {handle.name: psutil.Process(handle.pid) for handle in lab.handles}
            before = {name: _cpu_seconds(process) for name, process in running.items()}
            async with client(lab, namespace="default") as api:
                await add_nodes(api, -(-pods // PODS_A_NODE))
                seconds = await _until_ready(api, pods)
            rows = [
                Row(
                    process=handle.name,
                    started_s=round(handle.seconds, 2),
                    cpu_s=round(_cpu_seconds(running[handle.name]) - before[handle.name], 2),
                    resident_mb=round(running[handle.name].memory_info().rss / 1e6),
                )
                for handle in lab.handles
            ]
    work, held = sum(row.cpu_s for row in rows), sum(row.resident_mb for row in rows)
    return rows, [
        f"the control plane was ready after {ready:.1f} s",
        f"{pods} pods were ready after {seconds:.1f} s, {work:.1f} s of processor time and {held} MB in all",
    ]


async def _until_ready(api: AsyncClient, pods: int) -> float:
    begun = time.monotonic()
    await api.create(imaginary("many", pods))

    async def all_ready() -> bool:
        status = (await api.get(Deployment, "many", namespace="default")).status
        return status is not None and status.readyReplicas == pods

    await evidence.eventually(all_ready, TIMEOUT_SECONDS, interval_seconds=0.25)
    return time.monotonic() - begun


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
