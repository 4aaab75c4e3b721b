"""The shop in its profile for small machines: four services in one process group, and Redis beside it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import psutil

from workbook_lib.lab.handle import Handle
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.services import ServiceSpec, check_service, read_spec

__all__ = ["EDGE_SERVICES", "edge_members", "start_edge"]

EDGE_SERVICES: Final = ("inventory", "orders", "users", "gateway")
"""Callees first."""
GROUP: Final = "workbook_lib.kit.service.group"


async def start_edge(lab: Lab, env: Mapping[str, str] | None = None) -> Handle:
    """Start the group as "edge"; its main address is the gateway's. Databases are kept from start to start.

    Redis has to run in this lab; of all its other servers the group is told nothing, save by `env`. Raises
    `LabError` as `Lab.start` does.
    """
    redis = lab["redis"].environment
    folder = lab.folder / "edge"
    folder.mkdir(exist_ok=True)
    specs = {name: read_spec(lab.root, name) for name in EDGE_SERVICES}

    def command(ports: Mapping[str, int]) -> list[str]:
        databases = {
            f"{name.upper()}_DATABASE_URL": f"sqlite:///{folder / f'{name}.db'}"
            for name in ("inventory", "orders", "users")
        }
        told = {**_environment(_by_service(ports), specs), **databases, **redis, **(env or {})}
        modules = [f"services.{name}" for name in EDGE_SERVICES]
        return [
            "env",
            *(f"{key}={value}" for key, value in told.items()),
            sys.executable,
            "-m",
            GROUP,
            *modules,
        ]

    async def check(ports: Mapping[str, int]) -> str | None:
        for name, own in _by_service(ports).items():
            if missing := await check_service(specs[name], own, 0, reload=False):
                return missing
        return None

    return await lab.run_program("edge", command, check, ports=_requests(specs))


def edge_members(edge: Handle) -> dict[str, psutil.Process]:
    """The processes of a running group by the service that listens there; without those that just start."""
    services = {edge.port(f"{name} http"): name for name in EDGE_SERVICES}
    found: dict[str, psutil.Process] = {}
    for member in psutil.Process(edge.pid).children():
        with suppress(psutil.NoSuchProcess):
            ports = {each.laddr.port for each in member.net_connections() if each.status == "LISTEN"}
            found |= {services[port]: member for port in ports & services.keys()}
    return {name: found[name] for name in EDGE_SERVICES if name in found}


def _environment(ports: Mapping[str, Mapping[str, int]], specs: Mapping[str, ServiceSpec]) -> dict[str, str]:
    """What the services of the group are told: their ports, where the others are, and to keep no traces."""
    told = {"SERVICE_ENVIRONMENT": "staging", "TRACE_RATIO": "0", "MALLOC_ARENA_MAX": "2"}
    for name, own in ports.items():
        told |= specs[name].environment(own, None)
    http = {name: f"http://127.0.0.1:{own['http']}" for name, own in ports.items()}
    grpc = {name: f"127.0.0.1:{own['grpc']}" for name, own in ports.items() if "grpc" in own}
    return told | {
        "GATEWAY_USERS_URL": http["users"],
        "GATEWAY_ORDERS_URL": grpc["orders"],
        "GATEWAY_INVENTORY_URL": grpc["inventory"],
        "USERS_ORDERS_URL": grpc["orders"],
        "ORDERS_INVENTORY_URL": grpc["inventory"],
    }


def _requests(specs: Mapping[str, ServiceSpec]) -> list[PortRequest]:
    """The gateway's first; roles are `gateway http`, `users grpc` and so on."""
    return [
        PortRequest(f"{name} {port.role}", port.preferred)
        for name in reversed(EDGE_SERVICES)
        for port in specs[name].ports(index=1)
    ]


def _by_service(ports: Mapping[str, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {name: {} for name in EDGE_SERVICES}
    for role, number in ports.items():
        name, _, kind = role.partition(" ")
        found[name][kind] = number
    return found
