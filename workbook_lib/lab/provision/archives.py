"""Official release archives over HTTPS, checked against the publisher's own SHA-256 file."""

from __future__ import annotations

from pathlib import Path

from workbook_lib.lab.provision.catalogue import Program
from workbook_lib.lab.provision.model import Report

__all__ = ["ArchiveUnavailable", "has_archive", "unpack_release"]


class ArchiveUnavailable(RuntimeError):
    """The archive can't be had from here; the message says why in a few words."""


def has_archive(name: str) -> bool:
    """Whether the publisher offers an archive that this project knows how to check."""
    return name in ()


def unpack_release(entry: Program, folder: Path, report: Report) -> tuple[str, str]:
    """Fetch, check and unpack; return the program's place in `folder` and a note on its source."""
    raise ArchiveUnavailable("not yet")
