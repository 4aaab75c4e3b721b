"""Kafka's jars from Maven repositories through jgo: `python -m workbook_lib.lab.provision.jars FOLDER`.

A process of its own, so that its starter can bound and end it. `kafka_jars.txt` names every jar of
Kafka's broker, with its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jgo.maven import MavenContext

__all__ = ["Jar", "fetch", "main", "pinned_jars"]

_PINNED = Path(__file__).with_name("kafka_jars.txt")
_AT_ONCE = 4


@dataclass(frozen=True)
class Jar:
    """A jar's Maven coordinates and the SHA-256 that its bytes must have."""

    group: str
    artifact: str
    version: str
    sha256: str


def pinned_jars(listing: str | None = None) -> list[Jar]:
    """The jars of the committed list, or of a text of the same form."""
    jars = []
    for line in (_PINNED.read_text() if listing is None else listing).splitlines():
        coordinates, digest = line.split(" --hash=sha256:")
        group, artifact, version = coordinates.split(":")
        jars.append(Jar(group, artifact, version, digest))
    return jars


def fetch(jars: list[Jar], folder: Path) -> None:
    """Put the jars into `folder`, a line of output for each. Raises when one is missing or differs."""
    # Here, since every chapter imports this module and next to none fetches a jar.
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    repository = folder.with_name("maven")
    settings = GlobalSettings.load()
    maven = MavenContext(
        repo_cache=repository,
        remote_repos={**settings.repositories, "central": MAVEN_CENTRAL_URL},
    )
    folder.mkdir()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for done in as_completed([pool.submit(_fetch_one, maven, jar, folder) for jar in jars]):
            print(done.result(), flush=True)
    shutil.rmtree(repository)


def main(argv: list[str]) -> int:
    """Fetch Kafka's jars into the folder that the one argument names; 1 when that fails."""
    try:
        fetch(pinned_jars(), Path(argv[0]))
    except (RuntimeError, OSError) as error:  # what jgo and requests raise
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    return 0


def _fetch_one(maven: MavenContext, jar: Jar, folder: Path) -> str:
    component = maven.project(jar.group, jar.artifact).at_version(jar.version)
    path = component.artifact().resolve()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise RuntimeError(f"checksum mismatch: {path.name} has SHA-256 {found}, pinned is {jar.sha256}")
    path.rename(folder / path.name)
    return path.name


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # other downloads may still be under way, and nothing needs them now
