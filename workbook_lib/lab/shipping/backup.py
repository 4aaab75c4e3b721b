"""A cold backup brought back: checked first, then pushed into a store."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from workbook_lib.lab.shipping.cold import SUMS
from workbook_lib.lab.shipping.store import bulk_client, push

__all__ = ["DamagedBackup", "Segment", "restore", "verify"]

BATCH_RECORDS: Final = 1000


class DamagedBackup(Exception):
    """A file of the backup isn't what was written; the message names it."""


@dataclass(frozen=True)
class Segment:
    """One sealed file of a backup; sizes in bytes, compressed and not."""

    path: Path
    sha256: str
    records: int
    compressed_bytes: int
    plain_bytes: int


def verify(folder: Path) -> list[Segment]:
    """The backup's files, oldest first, each with the sum that it should have.

    Raises `DamagedBackup` for one that differs, that is missing, or that nothing is known of.
    """
    listed = _sums(folder)
    for path in sorted(folder.glob("*.jsonl.gz")):
        if path.name not in listed:
            raise DamagedBackup(f"{path} isn't listed in {SUMS}")
    return [_checked(folder / name, digest) for name, digest in sorted(listed.items())]


async def restore(folder: Path, url: str) -> int:
    """Push a backup's records into the store at `url`; returns how many. Nothing is pushed if a file is bad.

    Repeating is safe where records are told apart by their `record`. Raises `DamagedBackup`, and
    httpx2.HTTPError when the store doesn't take them.
    """
    segments = await asyncio.to_thread(verify, folder)
    restored = 0
    async with bulk_client(url) as client:
        for segment in segments:
            records = _records(segment.path)
            while batch := list(islice(records, BATCH_RECORDS)):
                await push(client, batch)
                restored += len(batch)
    return restored


def _sums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except FileNotFoundError:
        raise DamagedBackup(f"{folder} has no {SUMS}") from None
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _checked(path: Path, expected: str) -> Segment:
    try:
        packed = path.read_bytes()
    except FileNotFoundError:
        raise DamagedBackup(f"{path} is missing") from None
    found = hashlib.sha256(packed).hexdigest()
    if found != expected:
        raise DamagedBackup(f"{path} has SHA-256 {found}, but {SUMS} says {expected}")
    plain = gzip.decompress(packed)
    return Segment(path, found, plain.count(b"\n"), len(packed), len(plain))


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record: dict[str, Any] = json.loads(line)
            yield record
