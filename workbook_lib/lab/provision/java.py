"""The Java that Kafka runs on: 25 or newer starts it from an ahead-of-time cache."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from workbook_lib.lab.provision.catalogue import CATALOGUE, Program
from workbook_lib.lab.provision.programs import Unusable, executable, named_by_user, parse_version, version_of

__all__ = ["AOT_VERSION", "Java", "java_of_user", "java_stamp"]

AOT_VERSION = 25
"""The first Java that writes its cache in one training run (JEP 514)."""


@dataclass(frozen=True)
class Java:
    """A `java` program and its version, such as 25.0.2."""

    path: Path
    version: str

    @property
    def ahead_of_time(self) -> bool:
        """Whether it can start Kafka from an ahead-of-time cache."""
        return parse_version(self.version)[0] >= AOT_VERSION


def java_of_user() -> Java | None:
    """The newest usable Java of `WORKBOOK_JAVA` (alone, if set), `JAVA_HOME` and PATH, or None.

    Raises `ProvisionError` when `WORKBOOK_JAVA` names no usable one.
    """
    entry = CATALOGUE["java"]
    named = named_by_user(entry)
    if named is not None:
        return Java(named, java_version(named))
    places = []
    if os.environ.get("JAVA_HOME"):
        places.append(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    located = shutil.which("java")
    if located is not None:
        places.append(Path(located))
    usable = [java for java in map(_usable, places) if java and parse_version(java.version) >= entry.minimum]
    return max(usable, key=lambda java: parse_version(java.version), default=None)


def java_version(path: Path) -> str:
    """A Java's version, read from its `release` file, else asked for. Raises `Unusable`."""
    release = path.resolve().parent.parent / "release"
    try:
        recorded = re.search(r'^JAVA_VERSION="([^"]+)"', release.read_text(), re.MULTILINE)
    except OSError:
        recorded = None
    if recorded is not None:
        return recorded.group(1)
    entry: Program = CATALOGUE["java"]
    return version_of(path, entry.version_arguments)


def java_stamp(path: Path) -> list[int]:
    """Size and time of change of a Java's class image, which its ahead-of-time caches are bound to."""
    image = path.resolve().parent.parent / "lib" / "modules"
    status = (image if image.exists() else path.resolve()).stat()
    return [status.st_size, status.st_mtime_ns]


def _usable(path: Path) -> Java | None:
    try:
        return Java(path, java_version(executable(path)))
    except Unusable:
        return None
