"""A crowd of instances to be killed: real processes, small enough for twenty on a laptop."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from workbook_lib.kit.consul import Consul, HttpCheck, Instance, Registration
from workbook_lib.lab import crowd_member
from workbook_lib.lab.errors import LabError
from workbook_lib.lab.evidence import eventually
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import http_get

__all__ = ["Crowd", "crowd"]


@dataclass(frozen=True)
class Crowd:
    """Instances of a service, each a process with nothing but a /health; made by `crowd`."""

    consul_url: str
    service: str
    pids: Mapping[str, int]
    """Process id by instance id."""
    longest_seconds: float
    """What a death may take to be noticed: the interval of the checks and their timeout."""

    async def kill_all(self) -> dict[str, float]:
        """SIGKILL them all at one moment, and watch them leave the passing list: seconds by instance id.

        Their checks come at different moments of the interval, so their times spread over it. What is left
        of them in Consul is withdrawn. Raises LabError when one is still there after ten times what it may
        take.
        """
        seconds: dict[str, float] = {}
        async with Consul(self.consul_url) as consul:
            answer = await consul.health(self.service)
            started = time.monotonic()
            for pid in self.pids.values():
                os.kill(pid, signal.SIGKILL)
            while len(seconds) < len(self.pids):
                # No watch of kit's: it lets a tenth of a second pass between answers.
                answer = await consul.health(self.service, index=answer.index, wait_seconds=1)
                elapsed = time.monotonic() - started
                there = {instance.id for instance in answer.value}
                seconds |= {name: elapsed for name in self.pids if name not in there | seconds.keys()}
                if elapsed > 10 * self.longest_seconds:
                    raise LabError(f"still in Consul's passing list after {elapsed:.1f} s: {sorted(there)}")
            for name in self.pids:
                await consul.deregister(name)
        return seconds


async def crowd(
    lab: Lab,
    service: str = "crowd",
    *,
    members: int = 20,
    interval_seconds: float = 1.0,
    timeout_seconds: float = 1.0,
) -> Crowd:
    """Start so many processes, register each in the lab's Consul, and wait until every check passes.

    Consul asks each of them every `interval_seconds`. Raises `LabError` as `Lab.start` does.
    """
    consul_url = lab["consul"].url
    roles = [f"{service}-{number:02}" for number in range(1, members + 1)]
    program = await lab.run_program(
        service,
        lambda ports: [sys.executable, "-P", crowd_member.__file__, *map(str, ports.values())],
        _all_answer,
        ports=[PortRequest(role) for role in roles],
    )
    urls = {role: f"http://127.0.0.1:{program.port(role)}/health" for role in roles}
    pids = {role: int((await http_get(url))[1]) for role, url in urls.items()}
    async with Consul(consul_url) as consul:
        for role in roles:
            check = HttpCheck(
                url=urls[role], interval_seconds=interval_seconds, timeout_seconds=timeout_seconds
            )
            await consul.register(
                Registration(
                    id=role, service=service, address="127.0.0.1", port=program.port(role), check=check
                )
            )

        async def everyone() -> list[Instance] | None:
            passing = (await consul.health(service)).value
            return passing if len(passing) == members else None

        await eventually(everyone)
    return Crowd(consul_url, service, pids, interval_seconds + timeout_seconds)


async def _all_answer(ports: Mapping[str, int]) -> str | None:
    for port in ports.values():
        status, _ = await http_get(f"http://127.0.0.1:{port}/health")
        if status != 200:
            return f"no member on port {port} yet"
    return None
