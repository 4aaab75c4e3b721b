"""Kafka as a folder that starts in a second: jars, formatted storage, an ahead-of-time cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbook_lib.lab.provision.cache import CacheEntry, check_disk
from workbook_lib.lab.provision.catalogue import CATALOGUE, ways
from workbook_lib.lab.provision.failures import ChecksumMismatch, explained, needed_by
from workbook_lib.lab.provision.jars import pinned_jars
from workbook_lib.lab.provision.java import Java, java_of_user, java_stamp
from workbook_lib.lab.provision.kafka_start import format_storage, java_command, train
from workbook_lib.lab.provision.model import Found, How, ProvisionError, Report
from workbook_lib.lab.provision.programs import Unusable, parse_version
from workbook_lib.lab.provision.progress import run_step

__all__ = ["find_kafka", "kafka_facts", "kafka_java_command", "provision_kafka"]

_KAFKA = CATALOGUE["kafka"]
_JARS_TIMEOUT_SECONDS = 900.0


@dataclass(frozen=True)
class _Installation:
    """A Kafka that the user has: its folder of jars, and its version."""

    libs: Path
    version: str


def find_kafka() -> Found | None:
    """Kafka's prepared folder in the cache, or None unless it is whole and its Java is as it was."""
    installation = _installation()
    cached = _entry(installation)
    recorded = cached.read()
    if recorded is None or not _whole(cached.folder, recorded):
        return None
    how: How = "path" if installation is not None else "cache"
    return Found("kafka", how, recorded["version"], cached.folder, recorded["source"])


def provision_kafka(report: Report, *, provision_java: Callable[[], Found]) -> Found:
    """Prepare Kafka from the user's installation, else from Maven jars. Raises `ProvisionError`."""
    installation = _installation()
    cached = _entry(installation)
    with explained(_KAFKA), cached.lock(report):
        found = find_kafka()
        if found is not None:
            return found
        check_disk(_KAFKA, _KAFKA.disk_mb)
        java, note = _choose_java(provision_java, report)
        started = time.monotonic()
        with cached.building() as folder:
            source = _gather_jars(folder, installation, report)
            facts = _prepare(folder, java, note, report)
            seconds = round(time.monotonic() - started, 1)
            cached.record(folder, **facts, version=cached.program.version, source=source, seconds=seconds)
        report(f"Kafka: {cached.program.version} is ready ({seconds:.0f} s)")
    return Found(
        "kafka", "path" if installation else "registry", cached.program.version, cached.folder, source
    )


def kafka_java_command(found: Found) -> list[str]:
    """The command that starts Kafka, to be followed by the path of a server.properties file.

    Java's flags and class path are those of the training run, which the ahead-of-time cache is bound
    to (JEP 514). Raises `ProvisionError` when the folder isn't whole.
    """
    folder, recorded = _folder_of(found), kafka_facts(found)
    cache = folder / "kafka.aot" if recorded["ahead_of_time"] else None
    return java_command(folder, Path(recorded["java"]), recorded["jars"], cache=cache)


def kafka_facts(found: Found) -> dict[str, Any]:
    """What was recorded when Kafka was prepared: `java`, `java_version`, `jars`, `ahead_of_time`, `note`.

    `note` says why there is no ahead-of-time cache. Raises `ProvisionError` when the folder isn't whole.
    """
    folder = _folder_of(found)
    recorded = CacheEntry.read_at(folder)
    if recorded is None:
        raise ProvisionError(f"There is no prepared Kafka in {folder}: {ways(_KAFKA)}.")
    return recorded


def _folder_of(found: Found) -> Path:
    if found.path is None:
        raise ProvisionError(f"Kafka at {found.detail} is another's, to be used rather than started.")
    return found.path


def _installation() -> _Installation | None:
    named = os.environ.get(_KAFKA.variable)
    if named:
        try:
            return _installation_at(Path(named).expanduser())
        except Unusable as error:
            raise ProvisionError(
                f"{_KAFKA.variable}={named} can't be used: {error}. Correct it, unset it, or {ways(_KAFKA)}."
            ) from error
    for name in _KAFKA.executables:
        located = shutil.which(name)
        if located is not None:
            try:
                return _installation_at(Path(located))
            except Unusable:
                continue
    return None


def _installation_at(place: Path) -> _Installation:
    """The installation in a folder, or that a start script belongs to. Raises `Unusable`."""
    root = place.resolve() if place.is_dir() else place.resolve().parent.parent
    for libs in (root / "libs", root / "libexec" / "libs"):
        for jar in libs.glob("kafka_2.*.jar"):
            version = re.fullmatch(r"kafka_2\.\d+-(\d[\d.]*)\.jar", jar.name)
            if version is None:
                continue
            if parse_version(version.group(1)) < _KAFKA.minimum:
                raise Unusable(
                    f"it is Kafka {version.group(1)}, and {_KAFKA.minimum[0]}.0 or newer is needed"
                )
            return _Installation(libs, version.group(1))
    raise Unusable("there is no libs folder with Kafka's jars")


def _entry(installation: _Installation | None) -> CacheEntry:
    if installation is None:
        return CacheEntry(_KAFKA)
    variant = hashlib.sha256(str(installation.libs).encode()).hexdigest()[:8]
    return CacheEntry(replace(_KAFKA, version=installation.version), variant)


def _whole(folder: Path, recorded: dict[str, Any]) -> bool:
    needed = [folder / "libs" / jar for jar in recorded["jars"]]
    if recorded["ahead_of_time"]:
        needed.append(folder / "kafka.aot")
    java = Path(recorded["java"])
    wanted = os.environ.get(CATALOGUE["java"].variable) or str(java)
    return (
        Path(wanted).expanduser() == java
        and all(path.exists() for path in needed)
        and os.access(java, os.X_OK)
        and java_stamp(java) == recorded["java_stamp"]
    )


def _choose_java(provision_java: Callable[[], Found], report: Report) -> tuple[Java, str]:
    """The Java to run on, and why there will be no ahead-of-time cache ("" when there will)."""
    users = java_of_user()
    if users is not None and (users.ahead_of_time or os.environ.get(CATALOGUE["java"].variable)):
        return users, "" if users.ahead_of_time else f"Java {users.version} makes no ahead-of-time cache"
    try:
        found = provision_java()
    except ChecksumMismatch:
        raise
    except ProvisionError as error:
        if users is None:
            with needed_by(_KAFKA, CATALOGUE["java"]):
                raise
        note = f"Java {users.version} makes no ahead-of-time cache, and Java 25 can't be had"
        report(
            f"Kafka: {note}, so it will start in about 4 s rather than 1.5 s ({str(error).splitlines()[0]})"
        )
        return users, note
    if found.path is None:
        raise ProvisionError(f"Java was found, but not where: {ways(CATALOGUE['java'])}.")
    return Java(found.path, found.version), ""


def _gather_jars(folder: Path, installation: _Installation | None, report: Report) -> str:
    if installation is not None:
        (folder / "libs").symlink_to(installation.libs)
        return f"jars of {installation.libs.parent}"
    count = len(pinned_jars())
    run_step(
        [sys.executable, "-m", "workbook_lib.lab.provision.jars", str(folder / "libs")],
        f"Kafka: fetching {count} jars (43 MB) from Maven Central",
        report,
        log=folder / "jars.log",
        timeout_seconds=_JARS_TIMEOUT_SECONDS,
        activity=lambda printed: f"{len(printed.splitlines())} of {count}",
    )
    return "Maven Central"


def _prepare(folder: Path, java: Java, note: str, report: Report) -> dict[str, Any]:
    jars = sorted(path.name for path in (folder / "libs").glob("*.jar"))
    shutil.copy(Path(__file__).with_name("log4j2.properties"), folder)
    format_storage(folder, java.path, jars, report)
    if not note:
        note = train(folder, java.path, jars, report)
    return {
        "jars": jars,
        "java": str(java.path),
        "java_version": java.version,
        "java_stamp": java_stamp(java.path),
        "ahead_of_time": not note,
        "note": note,
    }
