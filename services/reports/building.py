"""Building a report: real work on the disk, in pieces so small that other requests always get through."""

import asyncio
import csv
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import uuid4

from services.reports.domain import Sale, sales

__all__ = ["build_report"]

# Small, so that a batch's thread gives the interpreter back to the event loop within a millisecond or so.
_BATCH_ROWS: Final = 250


async def build_report(path: Path, rows: int, seed: int) -> None:
    """Write a CSV file of `rows` sales. It appears under its name when it is whole. Raises OSError."""
    # A job that is delivered twice may be built twice at the same time.
    part = path.with_name(f"{path.stem}-{uuid4().hex[:8]}.part")
    try:
        await asyncio.to_thread(_append, part, [Sale._fields])
        lines = sales(rows, seed)
        for _ in range(0, rows, _BATCH_ROWS):
            await asyncio.to_thread(_append, part, islice(lines, _BATCH_ROWS))
        await asyncio.to_thread(part.replace, path)
    finally:
        part.unlink(missing_ok=True)


def _append(path: Path, lines: Iterable[tuple[object, ...]]) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
        file.flush()
        os.fsync(file.fileno())  # On the disk, not only on its way there.
