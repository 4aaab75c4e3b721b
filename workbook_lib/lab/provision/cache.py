"""The user's cache: one folder a program, either whole or absent, written by one process at a time."""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from workbook_lib.lab.provision.catalogue import Program, ways
from workbook_lib.lab.provision.model import ProvisionError, Report
from workbook_lib.lab.provision.progress import Heartbeat

__all__ = ["CacheEntry", "cache_dir", "check_disk", "platform_key"]

_MARKER = "whole.json"
_BUILDING = ".building"
_WAIT_SECONDS = 3600.0


def cache_dir() -> Path:
    """Where provisioned servers live: `WORKBOOK_CACHE`, or this user's cache folder for the workbook."""
    override = os.environ.get("WORKBOOK_CACHE")
    if override:
        return Path(override).expanduser().resolve()
    return user_cache_path("microservices-workbook", appauthor=False)


def platform_key() -> str:
    """Operating system and processor as this project writes them: `linux-x86_64`, `macos-arm64`, …"""
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    return f"{system}-{ {'amd64': 'x86_64', 'aarch64': 'arm64'}.get(machine, machine) }".replace(" ", "")


@dataclass(frozen=True)
class CacheEntry:
    """One program's folder in the cache, keyed by name, version, platform and, if need be, a variant.

    The folder appears by one rename, after everything in it has reached the disk, and holds a marker
    written last. So a provisioning that is killed leaves only a `.building` folder, which never counts
    and which the next one removes.
    """

    program: Program
    variant: str = ""

    @property
    def key(self) -> str:
        """The folder's name."""
        tail = f"-{self.variant}" if self.variant else ""
        return f"{self.program.name}-{self.program.version}-{platform_key()}{tail}"

    @property
    def folder(self) -> Path:
        """Where the program is once whole."""
        return cache_dir() / self.key

    def read(self) -> dict[str, Any] | None:
        """What was recorded when the folder was made whole, or None when there's no whole folder."""
        return self.read_at(self.folder)

    @staticmethod
    def read_at(folder: Path) -> dict[str, Any] | None:
        """What was recorded in a whole folder, or None."""
        try:
            recorded: dict[str, Any] = json.loads((folder / _MARKER).read_bytes())
        except (OSError, ValueError):
            return None
        return recorded

    @contextmanager
    def lock(self, report: Report) -> Iterator[None]:
        """Be the only process that provisions this entry; says so when it has to wait for another.

        A killed holder's lock is released by the operating system. Raises `ProvisionError` after an hour.
        """
        lock = self._lock_file()
        heartbeat = Heartbeat(f"{self.program.title}: waiting for another process that provisions it", report)
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                heartbeat.beat()
                if heartbeat.elapsed_seconds > _WAIT_SECONDS:
                    raise ProvisionError(
                        f"{self.program.title} has been provisioned by another process for an hour; "
                        f"end that process, or {ways(self.program)}."
                    ) from None
                time.sleep(0.2)
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def building(self) -> Iterator[Path]:
        """A new folder to build in; it becomes the entry when the block ends well. Needs the lock.

        The block writes what `read` returns later by calling `record` on the folder.
        """
        self._sweep()
        building = cache_dir() / f"{_BUILDING}~{self.key}~{secrets.token_hex(4)}"
        building.mkdir(parents=True)
        try:
            yield building
            self._publish(building)
        finally:
            _remove(building)

    @staticmethod
    def record(folder: Path, **facts: object) -> None:
        """Write the marker that makes a folder whole."""
        (folder / _MARKER).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")

    def _publish(self, building: Path) -> None:
        for log in building.glob("*.log"):
            log.unlink()
        os.sync()  # what the folder holds reaches the disk before its name does
        if self.folder.exists():
            _remove(self.folder)
        building.rename(self.folder)

    def _sweep(self) -> None:
        for leftover in cache_dir().glob(f"{_BUILDING}~*"):
            key = leftover.name.split("~")[1]
            if key == self.key:
                _remove(leftover)
                continue
            other = FileLock(_locks() / f"{key}.lock")
            try:
                with other.acquire(timeout=0):
                    _remove(leftover)
            except Timeout:
                continue

    def _lock_file(self) -> FileLock:
        return FileLock(_locks() / f"{self.key}.lock")


def check_disk(entry: Program, needed_mb: int) -> None:
    """Raise `ProvisionError` when the cache's disk has less room than the step to come needs."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(cache_dir()).free // 1_000_000
    if free_mb < needed_mb:
        raise ProvisionError(
            f"{entry.title} needs {needed_mb} MB of disk while it is provisioned, and {cache_dir()} has "
            f"{free_mb} MB left: make room, or set WORKBOOK_CACHE to a folder on another disk."
        )


def _locks() -> Path:
    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    # Go makes its module folders read-only.
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)
