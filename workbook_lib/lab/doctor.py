"""What this machine has of what the workbook needs, and what to do where it hasn't."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psutil
import yaml
from packaging.requirements import Requirement

from workbook_lib.lab.ports import owner_of
from workbook_lib.lab.provision import SERVERS, Found, ProvisionError, cache_dir, find
from workbook_lib.lab.provision.catalogue import CATALOGUE, Program
from workbook_lib.lab.provision.golang import GO_TOOLS
from workbook_lib.lab.provision.java import java_of_user
from workbook_lib.lab.provision.kafka import kafka_facts

__all__ = ["WELL_KNOWN_PORTS", "Finding", "State", "examine"]

State = Literal["ok", "warn", "missing"]
"""`warn`: chapters run, but something differs from what a reader expects; `missing`: some don't run."""

WELL_KNOWN_PORTS = {
    8080: "gateway",
    8500: "Consul",
    8600: "Consul's DNS",
    9092: "Kafka",
    4317: "OTLP over gRPC",
    4318: "OTLP over HTTP",
    16686: "Jaeger",
    6379: "Redis",
    5432: "PostgreSQL",
    9090: "Prometheus",
    9093: "Alertmanager",
    6443: "Kubernetes' API server",
    8088: "nginx over HTTP",
    8443: "nginx over HTTPS",
    50051: "gRPC of the users service",
}
"""The ports that the article and the servers' own documentation use."""

_PYTHON = (3, 11)
_DISTRIBUTION = "microservices-workbook"
_LOCK = Path(__file__).parents[2] / "requirements.lock"
_ANSWER_SECONDS = 0.5
_MEMORY_MB = 1500
_PROJECT_DISK_MB = 500
_OPEN_FILES = 1024


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its state, what was found, and what to do about it ("" when nothing)."""

    topic: str
    state: State
    found: str
    advice: str = ""


def examine() -> list[Finding]:
    """Look at Python, packages, servers, ports and room, in that order. Fetches and starts nothing."""
    servers = [_server(name) for name in SERVERS]
    return [
        _python(),
        _packages(),
        *servers,
        _java(),
        _go(),
        *(_port(number, user) for number, user in WELL_KNOWN_PORTS.items()),
        _memory(),
        _cache_disk(all_there=all(server.state != "missing" for server in servers)),
        _project_disk(),
        _open_files(),
    ]


def _python() -> Finding:
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info >= _PYTHON:
        return Finding("Python", "ok", found)
    return Finding(
        "Python", "missing", found, "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …"
    )


def _packages() -> Finding:
    if _LOCK.exists():
        wrong = list(_unsatisfied(_lock_requirements()))
        source = _LOCK.name
    else:  # installed as a library, without the project around it
        wrong = list(_unsatisfied(metadata.requires(_DISTRIBUTION) or []))
        source = f"the requirements of {_DISTRIBUTION}"
    if not wrong:
        return Finding("packages", "ok", f"as in {source}")
    return Finding(
        "packages", "warn", f"{len(wrong)} not as in {source}: {', '.join(wrong[:5])}", _reinstall()
    )


def _reinstall() -> str:
    return "run `make clean` and the same make target again, which sets up .venv anew"


def _lock_requirements() -> Iterator[str]:
    for line in _LOCK.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            yield line.removesuffix("\\").strip()


def _unsatisfied(requirements: Iterator[str] | list[str]) -> Iterator[str]:
    for line in requirements:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"{requirement.name} is absent"
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            yield f"{requirement.name} is {installed}"


def _server(name: str) -> Finding:
    entry = CATALOGUE[name]
    try:
        found = find(name)
    except ProvisionError as error:
        return Finding(entry.title, "missing", f"{entry.variable} can't be used", str(error))
    if found is None:
        return Finding(entry.title, "missing", "none found", _get(entry))
    if found.how == "endpoint":
        return _endpoint(entry, found)
    half = [variable for variable in entry.endpoint_variables if os.environ.get(variable)]
    if half:
        both = " and ".join(entry.endpoint_variables)
        return Finding(
            entry.title, "warn", f"{_place(found)}; only {half[0]} is set", f"set {both}, or neither"
        )
    if name == "kafka" and not kafka_facts(found)["ahead_of_time"]:
        note = f"{_place(found)}; {kafka_facts(found)['note']}, so it starts in about 4 s rather than 1.5 s"
        return Finding(entry.title, "warn", note, f"delete {found.path} and run `workbook provision kafka`")
    return Finding(entry.title, "ok", _place(found))


def _place(found: Found) -> str:
    version = found.version or "of unknown version"
    if found.how == "cache":
        return f"{version}, provisioned into {found.path} ({found.detail})"
    return f"{version}, {found.path}"


def _get(entry: Program) -> str:
    tool = GO_TOOLS.get(entry.name)
    once = f"up to {tool.minutes} minutes" if tool else "a minute at most"
    running = " and ".join(entry.endpoint_variables)
    return (
        f"run `workbook provision {entry.name}` (a chapter that needs it does so itself; {once}), "
        + (f"or set {running} to a running one, " if running else "")
        + f"or put {entry.executables[0]} on PATH"
    )


def _endpoint(entry: Program, found: Found) -> Finding:
    variables = " and ".join(entry.endpoint_variables)
    try:
        addresses = [_api_server(found.detail)] if entry.name == "kubernetes" else found.detail.split()
    except (OSError, ValueError, yaml.YAMLError) as error:
        return Finding(
            entry.title,
            "missing",
            f"{found.detail} is no kubeconfig: {error}",
            f"correct or unset {variables}",
        )
    silent = [address for address in addresses if not _listens(address)]
    if not silent:
        return Finding(entry.title, "ok", f"{found.detail}, from {variables}")
    return Finding(
        entry.title,
        "missing",
        f"nothing listens at {' and '.join(silent)}, from {variables}",
        f"start it, correct {variables}, or unset {'it' if len(entry.endpoint_variables) == 1 else 'them'}",
    )


def _api_server(kubeconfig: str) -> str:
    """The address of the cluster that a kubeconfig chooses. Raises OSError, ValueError or YAMLError."""
    document = yaml.safe_load(Path(kubeconfig).expanduser().read_text())
    try:
        chosen = document["current-context"]
        (context,) = [each["context"] for each in document["contexts"] if each["name"] == chosen]
        (cluster,) = [c["cluster"] for c in document["clusters"] if c["name"] == context["cluster"]]
        return str(cluster["server"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"it has no {error}") from error


def _listens(address: str) -> bool:
    """Whether a TCP connection to one of the addresses is accepted within half a second."""
    defaults = {"https": 443, "http": 80, "redis": 6379, "rediss": 6379, "postgresql": 5432}
    for one in address.split(","):
        parts = urlsplit(one if "//" in one else f"//{one}")
        try:
            port = parts.port or defaults.get(parts.scheme, 0)
            with socket.create_connection((parts.hostname or "", port), timeout=_ANSWER_SECONDS):
                return True
        except (OSError, ValueError):
            continue
    return False


def _java() -> Finding:
    kafka = find("kafka") if not os.environ.get(CATALOGUE["kafka"].variable) else None
    if kafka is not None and kafka.how == "cache":
        facts = kafka_facts(kafka)
        return Finding(
            "Java", "ok", f"{facts['java_version']}, {facts['java']}, which Kafka was prepared for"
        )
    try:
        users = java_of_user()
    except ProvisionError as error:
        return Finding("Java", "missing", "WORKBOOK_JAVA can't be used", str(error))
    if users is None:
        return Finding("Java", "ok", "none of your own; Kafka gets Java 25 from a Python wheel (104 MB)")
    if users.ahead_of_time:
        return Finding("Java", "ok", f"{users.version}, {users.path}")
    return Finding(
        "Java", "ok", f"{users.version}, {users.path}; Kafka gets Java 25 from a Python wheel (104 MB)"
    )


def _go() -> Finding:
    try:
        found = find("go")
    except ProvisionError as error:
        return Finding("Go", "missing", "WORKBOOK_GO can't be used", str(error))
    if found is not None:
        return Finding("Go", "ok", f"{found.version}, {found.path}")
    return Finding(
        "Go",
        "ok",
        "none of your own; to build Consul, Jaeger or Kubernetes, it comes as a Python wheel (75 MB)",
    )


def _port(number: int, user: str) -> Finding:
    topic = f"port {number}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            taken = f"taken by {owner_of(number)}"
            return Finding(topic, "warn", taken, f"chapters use another port for {user}, and say so")
    return Finding(topic, "ok", f"free for {user}")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available"
    if memory.available >= _MEMORY_MB * 1_000_000:
        return Finding("memory", "ok", found)
    return Finding("memory", "warn", found, "close other programs: a chapter with Kafka needs up to 1.2 GB")


def _cache_disk(*, all_there: bool) -> Finding:
    needed_mb = 200 if all_there else max(tool.disk_mb for tool in GO_TOOLS.values())
    return _disk(
        "disk of the cache", cache_dir(), needed_mb, "set WORKBOOK_CACHE to a folder on another disk"
    )


def _project_disk() -> Finding:
    return _disk("disk of the project", Path.cwd(), _PROJECT_DISK_MB, "work in a folder on another disk")


def _disk(topic: str, folder: Path, needed_mb: int, otherwise: str) -> Finding:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free_mb = shutil.disk_usage(existing).free // 1_000_000
    found = f"{free_mb / 1000:.1f} GB free at {folder}"
    if not os.access(existing, os.W_OK):
        return Finding(topic, "missing", f"{existing} can't be written", otherwise)
    if free_mb >= needed_mb:
        return Finding(topic, "ok", found)
    return Finding(topic, "missing", found, f"make room ({needed_mb} MB are needed), or {otherwise}")


def _open_files() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _OPEN_FILES:
        return Finding("open files", "ok", f"limit {'none' if soft == resource.RLIM_INFINITY else soft}")
    return Finding("open files", "warn", f"limit {soft}", "run `ulimit -n 4096` in this terminal first")
