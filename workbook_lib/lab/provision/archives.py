"""Official release archives over HTTPS, checked against the publisher's own SHA-256 file.

This project pins no sum of an archive: none is known to it for certain.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import httpx2

from workbook_lib.lab.provision.cache import platform_key
from workbook_lib.lab.provision.catalogue import Program
from workbook_lib.lab.provision.failures import ChecksumMismatch
from workbook_lib.lab.provision.model import Report
from workbook_lib.lab.provision.progress import Heartbeat

__all__ = ["BASE_VARIABLE", "ArchiveUnavailable", "has_archive", "unpack_release"]

BASE_VARIABLE = "WORKBOOK_ARCHIVE_BASE"
"""Names a mirror, such as `https://mirror.example/releases`, that has the publishers' paths below it."""

_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 15.0
_TOTAL_SECONDS = 900.0
_CHUNK_BYTES = 1 << 18
_SUM_OF_ONE = ".sha256"  # the ending of a file with the sum of one file, which may leave its name out
_GO_PLATFORMS = {
    "linux-x86_64": "linux-amd64",
    "linux-arm64": "linux-arm64",
    "macos-x86_64": "darwin-amd64",
    "macos-arm64": "darwin-arm64",
}


class ArchiveUnavailable(RuntimeError):
    """The archive can't be had from here; the message says why in a few words."""


@dataclass(frozen=True)
class _Release:
    """Where a publisher puts an archive, its checksums and, inside it, the program.

    Without a `member` the file is the program itself. `name` and `version` are the program's own where they
    aren't those of the catalogue's entry.
    """

    site: str
    folder: str
    archive: str
    checksums: str
    member: str = ""
    name: str = ""
    version: str = ""


def _kubernetes(name: str) -> _Release:
    return _Release(
        "https://dl.k8s.io", "/v{version}/bin/{os}/{arch}/", name, f"{name}{_SUM_OF_ONE}", name=name
    )


_RELEASES = {
    "victorialogs": _Release(
        "https://github.com",
        "/VictoriaMetrics/VictoriaLogs/releases/download/v{version}/",
        "victoria-logs-{os}-{arch}-v{version}.tar.gz",
        "victoria-logs-{os}-{arch}-v{version}_checksums.txt",
        "victoria-logs-prod",
    ),
    "consul": _Release(
        "https://releases.hashicorp.com",
        "/consul/{version}/",
        "consul_{version}_{os}_{arch}.zip",
        "consul_{version}_SHA256SUMS",
        "consul",
    ),
    # The release that carries Jaeger 2.13.0 is tagged v1.76.0, which holds both generations.
    "jaeger": _Release(
        "https://github.com",
        "/jaegertracing/jaeger/releases/download/v1.76.0/",
        "jaeger-{version}-{os}-{arch}.tar.gz",
        "jaeger-{version}.sha256sum.txt",
        "jaeger-{version}-{os}-{arch}/jaeger",
    ),
    "prometheus": _Release(
        "https://github.com",
        "/prometheus/prometheus/releases/download/v{version}/",
        "prometheus-{version}.{os}-{arch}.tar.gz",
        "sha256sums.txt",
        "prometheus-{version}.{os}-{arch}/prometheus",
    ),
    "kubernetes": _kubernetes("kube-apiserver"),
    "kubectl": _kubernetes("kubectl"),
    "alertmanager": _Release(
        "https://github.com",
        "/prometheus/alertmanager/releases/download/v{version}/",
        "alertmanager-{version}.{os}-{arch}.tar.gz",
        "sha256sums.txt",
        "alertmanager-{version}.{os}-{arch}/alertmanager",
    ),
}
# More that a program needs beside it. KWOK isn't here: its releases have no checksums.
_BESIDE = {
    "kubernetes": (
        *(_kubernetes(name) for name in ("kube-controller-manager", "kube-scheduler", "kubectl")),
        _Release(
            "https://github.com",
            "/etcd-io/etcd/releases/download/v{version}/",
            "etcd-v{version}-{os}-{arch}.tar.gz",
            "SHA256SUMS",
            "etcd-v{version}-{os}-{arch}/etcd",
            name="etcd",
            version="3.6.4",  # as in Kubernetes' own go.mod
        ),
    )
}
_LINUX_ONLY = {"kubernetes"}  # its publisher offers servers for no other system


def has_archive(name: str) -> bool:
    """Whether the program's publisher offers archives that can be checked, one of them for this machine."""
    system = _GO_PLATFORMS.get(platform_key(), "")
    return name in _RELEASES and bool(system) and (name not in _LINUX_ONLY or system.startswith("linux"))


def unpack_release(entry: Program, folder: Path, report: Report) -> tuple[str, str]:
    """Fetch the archive, check it and unpack the program; return its name in `folder`, and its source.

    What it needs beside it is fetched as well. Raises `ArchiveUnavailable` when an archive or its checksum
    can't be had, `ChecksumMismatch` when they differ.
    """
    name, site = _unpack_one(entry, _RELEASES[entry.name], folder, report)
    sites = [site, *(_unpack_one(entry, each, folder, report)[1] for each in _BESIDE.get(entry.name, ()))]
    return name, f"release archive of {' and '.join(dict.fromkeys(sites))}"


def _unpack_one(entry: Program, release: _Release, folder: Path, report: Report) -> tuple[str, str]:
    """The program's name in `folder`, and the site that it came from."""
    system, processor = _GO_PLATFORMS[platform_key()].split("-")

    def fill(template: str) -> str:
        return template.format(version=release.version or entry.version, os=system, arch=processor)

    base = (os.environ.get(BASE_VARIABLE) or release.site).rstrip("/") + fill(release.folder)
    archive, name = fill(release.archive), release.name or entry.name
    fetched = folder / f"{archive}.fetched"
    site = urlsplit(base).netloc
    timeout = httpx2.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
    try:
        with httpx2.Client(timeout=timeout, follow_redirects=True) as client:
            expected = _published_sum(client, base + fill(release.checksums), archive)
            what = f"{entry.title}: fetching {archive} from {site}"
            found = _download(client, base + archive, fetched, Heartbeat(what, report))
        if found != expected:
            raise ChecksumMismatch(
                f"{archive} from {site} has SHA-256 {found}, but its publisher's file says {expected}, so it "
                "isn't used: check the mirror or proxy that it came through, and run the same command again."
            )
        _unpack(fetched, archive, fill(release.member), folder / name)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ArchiveUnavailable(f"{site}: {error or type(error).__name__}") from error
    finally:
        fetched.unlink(missing_ok=True)
    return name, site


def _published_sum(client: httpx2.Client, url: str, archive: str) -> str:
    answer = client.get(url)
    answer.raise_for_status()
    for line in answer.text.splitlines():
        digest, _, name = line.strip().partition(" ")
        named = name.strip().lstrip("*") or (archive if url.endswith(_SUM_OF_ONE) else "")
        if named == archive and len(digest) == hashlib.sha256().digest_size * 2:
            return digest.lower()
    raise ArchiveUnavailable(f"{urlsplit(url).netloc} publishes no checksum of {archive}")


def _download(client: httpx2.Client, url: str, target: Path, heartbeat: Heartbeat) -> str:
    """Save the body and return its SHA-256. A body shorter than was announced is a protocol error."""
    digest = hashlib.sha256()
    deadline = time.monotonic() + _TOTAL_SECONDS
    heartbeat.beat()
    with client.stream("GET", url) as answer, target.open("wb") as output:
        answer.raise_for_status()
        total = int(answer.headers.get("content-length", 0))
        for chunk in answer.iter_raw(_CHUNK_BYTES):
            output.write(chunk)
            digest.update(chunk)
            heartbeat.beat(f"{output.tell() / 1e6:.0f} of {total / 1e6:.0f} MB")
            if time.monotonic() > deadline:
                raise ArchiveUnavailable(f"{urlsplit(url).netloc} took longer than {_TOTAL_SECONDS:.0f} s")
    return digest.hexdigest()


def _unpack(fetched: Path, archive: str, member: str, target: Path) -> None:
    try:
        if not member:
            with fetched.open("rb") as program:
                _write(program, target)
        elif archive.endswith(".zip"):
            with zipfile.ZipFile(fetched) as packed, packed.open(member) as program:
                _write(program, target)
        else:
            with tarfile.open(fetched) as packed_tar:
                unpacked = packed_tar.extractfile(member)
                if unpacked is None:
                    raise KeyError(member)
                with unpacked:
                    _write(unpacked, target)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise ArchiveUnavailable(f"{archive} holds no {member}") from error


def _write(program: IO[bytes], target: Path) -> None:
    with target.open("wb") as output:
        shutil.copyfileobj(program, output)
    target.chmod(0o755)
