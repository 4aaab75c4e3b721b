"""How a lab starts the services of `services/`, and a reader's own app."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shlex
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.ports import PortRequest
from workbook_lib.lab.readiness import ASK_SECONDS, Hopeless, http_get

__all__ = [
    "PRELOADED",
    "ServiceSpec",
    "app_command",
    "check_app",
    "check_service",
    "read_spec",
    "service_names",
]

_KIT = (
    *("breaker", "cache", "consul", "deployments", "discovery", "fields", "http", "i18n", "limits.http"),
    *("messaging", "preconditions", "response_cache", "rpc", "rpc.transcoding", "saga", "security.bearer"),
    *("security.cors", "security.cross_site", "security.headers", "security.operators", "security.passwords"),
    *("security.sessions", "security.tokens", "service", "service.breaker_routes", "service.compression"),
    *("service.fault_routes", "service.profiling", "settings", "storage", "tcc"),
)
PRELOADED = tuple(f"workbook_lib.kit.{name}" for name in _KIT)
"""What the services import, most of it more than one of them: together it takes two seconds of CPU."""


@dataclass(frozen=True)
class ServiceSpec:
    """What `services/<folder>/service.toml` says: names, well-known ports, the servers that it needs."""

    folder: Path
    service: str
    port: int
    grpc_port: int | None = None
    needs: tuple[str, ...] = ()
    of_project: bool = True
    """Whether it is one of `services/`; else its folder is a package on its own, such as a checkout's."""

    @property
    def name(self) -> str:
        """The folder's name, which is the service's name in the lab and its module in `services`."""
        return self.folder.name

    def ports(self, index: int) -> list[PortRequest]:
        """The ports of its instance number `index`; only the first gets the well-known ones."""
        wanted = {"http": self.port} | ({"grpc": self.grpc_port} if self.grpc_port else {})
        return [PortRequest(role, number if index == 1 else None) for role, number in wanted.items()]

    def instance(self, port: int) -> str:
        """The name of the instance on this port."""
        return f"{self.service}-{port}"

    def command(self, *, reload: bool = False, arguments: Sequence[str] = ()) -> list[str]:
        """`python -m services.<name>`, started again at each change of its files if `reload`."""
        module = [sys.executable, "-m", f"services.{self.name}" if self.of_project else self.name, *arguments]
        if not reload:
            return module
        watch = [sys.executable, "-m", "watchfiles", "--filter", "python", "--target-type", "command"]
        return [*watch, shlex.join(module), str(self.folder)]

    def environment(self, ports: Mapping[str, int], data_folder: Path | None) -> dict[str, str]:
        """What one instance is told: its ports, its name, its own database (unless the user names one).

        Without a data folder nothing is said of a database.
        """
        prefix = self.name.upper()
        env = {f"{prefix}_PORT": str(ports["http"]), f"{prefix}_INSTANCE": self.instance(ports["http"])}
        if "grpc" in ports:
            env[f"{prefix}_GRPC_PORT"] = str(ports["grpc"])
        if data_folder is not None and not os.environ.get("DATABASE_URL"):
            env[f"{prefix}_DATABASE_URL"] = f"sqlite:///{data_folder / f'{self.name}.db'}"
        return env


def service_names(root: Path) -> list[str]:
    """The services that there are, by their folders."""
    return sorted(path.parent.name for path in _services_folder(root).glob("*/service.toml"))


def read_spec(root: Path, name: str) -> ServiceSpec:
    """The spec of a service. Raises `LabError` for a name that isn't one."""
    file = _services_folder(root) / name / "service.toml"
    try:
        facts = tomllib.loads(file.read_text())
    except FileNotFoundError:
        raise LabError(
            f"there is no server or service named {name!r}; services: {', '.join(service_names(root))}"
        ) from None
    return ServiceSpec(
        file.parent, facts["service"], facts["port"], facts.get("grpc_port"), tuple(facts.get("needs", ()))
    )


async def check_service(spec: ServiceSpec, ports: Mapping[str, int], pid: int, *, reload: bool) -> str | None:
    """/health is 200 and names this very instance, and gRPC health is SERVING where it has gRPC."""
    if reload and (missing := _reloading(pid)):
        return missing
    status, body = await http_get(f"http://127.0.0.1:{ports['http']}/health")
    said = json.loads(body)
    who = (said.get("service"), said.get("instance"))
    if who != (spec.service, spec.instance(ports["http"])):
        return f"port {ports['http']} is answered by {who}"
    if status != 200:
        return f"/health says {status}: {body.decode(errors='replace')[:300]}"
    return await asyncio.to_thread(_grpc_health, ports["grpc"]) if "grpc" in ports else None


def app_command(folder: Path, app: str, port: int, *, reload: bool) -> list[str]:
    """The uvicorn command for a reader's own app."""
    where = ["--app-dir", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "uvicorn", app, *where]
    if reload:
        # No delay: uvicorn watches only after it, and an edit made before that would be lost.
        command += ["--reload", "--reload-dir", str(folder), "--reload-delay", "0"]
    return command


async def check_app(port: int, pid: int, *, reload: bool) -> str | None:
    """Any HTTP answer will do."""
    if reload and (missing := _reloading(pid)):
        return missing
    await http_get(f"http://127.0.0.1:{port}/")
    return None


def _reloading(pid: int) -> str | None:
    """A reloader outlives the program that it has started. Raises `Hopeless` when that one has ended."""
    try:
        children = psutil.Process(pid).children()
        alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        # uvicorn's reloader also has multiprocessing's resource tracker for a child.
        programs = [child for child in alive if "resource_tracker" not in " ".join(child.cmdline())]
    except psutil.Error:
        return "a process of the reloader has just ended"
    if not programs and len(alive) < len(children):
        raise Hopeless("the program ended at once; its reloader waits for a change")
    return None if programs else "the reloader hasn't started it yet"


def _grpc_health(port: int) -> str | None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        try:
            status = stub.Check(health_pb2.HealthCheckRequest(), timeout=ASK_SECONDS).status
        except grpc.RpcError as error:
            return f"gRPC health: {error.code().name}"
    return None if status == health_pb2.HealthCheckResponse.SERVING else f"gRPC health: status {status}"


def _services_folder(root: Path) -> Path:
    """The project's `services/`, else the installed package's."""
    if (root / "services").is_dir():
        return root / "services"
    spec = importlib.util.find_spec("services")
    return (
        Path(next(iter(spec.submodule_search_locations)))
        if spec and spec.submodule_search_locations
        else root
    )
