"""Turns what can go wrong while provisioning into one clear sentence that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from workbook_lib.lab.provision.cache import cache_dir
from workbook_lib.lab.provision.catalogue import Program, ways
from workbook_lib.lab.provision.model import ProvisionError
from workbook_lib.lab.provision.progress import StepFailed

__all__ = ["ChecksumMismatch", "explained", "needed_by"]

_NO_DISK = ("No space left on device", "Disk quota exceeded", "not enough space")
_WRONG_SUM = ("DO NOT MATCH THE HASHES", "SECURITY ERROR", "checksum mismatch")
_NO_WHEEL = ("No matching distribution found", "is not a supported wheel", "Unable to locate package")
_NO_NETWORK = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "nodename nor servname",
    "NewConnectionError",
    "ConnectTimeout",
    "Connection refused",
    "no such host",
    "network is unreachable",
    "Network is unreachable",
    "i/o timeout",
    "connection reset",
    "Temporary failure resolving",
    "Could not connect to",
)


class ChecksumMismatch(ProvisionError):
    """What was fetched isn't what is pinned or published; nothing else is tried in its place."""


@contextmanager
def needed_by(entry: Program, needed: Program) -> Iterator[None]:
    """Say for which server's sake `needed` was to be provisioned, when that fails."""
    try:
        yield
    except ChecksumMismatch:
        raise
    except ProvisionError as error:
        oldest = ".".join(map(str, needed.minimum))
        raise ProvisionError(
            f"{entry.title} needs {needed.title}, which can't be had here: {ways(entry)}; "
            f"or install {needed.title} {oldest} or newer.\n{error}"
        ) from error


@contextmanager
def explained(entry: Program) -> Iterator[None]:
    """Raise `ProvisionError`, with cause and advice, for a failed step or an operating system's error."""
    try:
        yield
    except StepFailed as failure:
        wrong_sum = any(sign in failure.tail for sign in _WRONG_SUM)
        kind = ChecksumMismatch if wrong_sum else ProvisionError
        raise kind(_step_sentence(entry, failure)) from failure
    except OSError as error:
        raise ProvisionError(_system_sentence(entry, error)) from error


def _step_sentence(entry: Program, failure: StepFailed) -> str:
    printed = failure.tail
    if any(sign in printed for sign in _NO_DISK):
        return _no_disk(entry)
    if any(sign in printed for sign in _WRONG_SUM):
        cause = f"What was fetched for {entry.title} doesn't have the checksum that this project pins"
        return f"{cause}, so it isn't used: check the mirror or proxy that it came through.\n{printed}"
    # pip closes a failed look-up with "No matching distribution", so the network's signs come first.
    if any(sign in printed for sign in _NO_NETWORK):
        cause = f"{entry.title} can't be fetched because its package registry can't be reached"
    elif any(sign in printed for sign in _NO_WHEEL):
        cause = f"There is no package of {entry.title} {entry.version} for this machine"
    else:
        cause = f"{entry.title} can't be provisioned ({failure})"
    return f"{cause}: {ways(entry)}.\n{printed}"


def _system_sentence(entry: Program, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_disk(entry)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{entry.title} can't be provisioned because {error.filename or cache_dir()} can't be written: "
            f"set WORKBOOK_CACHE to a folder that can, or {ways(entry)}."
        )
    return f"{entry.title} can't be provisioned ({error}): {ways(entry)}."


def _no_disk(entry: Program) -> str:
    return (
        f"The disk that holds {cache_dir()} is full, so {entry.title} can't be provisioned: make room "
        f"({entry.disk_mb} MB), or set WORKBOOK_CACHE to a folder on another disk."
    )
