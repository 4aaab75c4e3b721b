"""The sink that is only kept: files rotated by size, compressed, with a checksum each."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import shutil
from collections import deque
from pathlib import Path
from typing import Final

from workbook_lib.lab.shipping.lines import Batch, Positions
from workbook_lib.lab.shipping.positions import load_positions, save_positions

__all__ = ["SUMS", "ColdSink"]

SUMS: Final = "SHA256SUMS"
"""In the format of `sha256sum`, which can check it without any of our code."""


class ColdSink:
    """Appends records as JSON lines to `NNNNNN.jsonl`; full, it becomes `NNNNNN.jsonl.gz` and a line in SUMS.

    A batch is on disk before its positions are saved, so a crash in between doubles lines and loses none.
    """

    name = "cold"

    def __init__(self, folder: Path, *, rotate_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._rotate_bytes = rotate_bytes
        self._file = folder / "positions.json"
        self._positions: Positions = load_positions(self._file)
        self._open = self._recovered()

    @property
    def positions(self) -> Positions:
        """Behind what is on disk."""
        return self._positions

    async def put(self, batch: Batch) -> None:
        """Append the batch; rotate when the file is full."""
        await asyncio.to_thread(self._append, batch)

    async def settle(self) -> None:
        """Nothing is outstanding: what was put is on disk."""

    async def finish(self) -> None:
        """Seal the file that is open, so that the backup is whole."""
        if self._open.exists():
            await asyncio.to_thread(self._seal)

    def _append(self, batch: Batch) -> None:
        lines = deque(json.dumps(record).encode() + b"\n" for record in batch.records)
        while lines:
            with self._open.open("ab") as output:
                while lines and output.tell() < self._rotate_bytes:
                    output.write(lines.popleft())
                output.flush()
                os.fsync(output.fileno())
                full = output.tell() >= self._rotate_bytes
            if full:
                self._seal()
        self._positions = batch.positions
        save_positions(self._file, batch.positions)

    def _seal(self) -> None:
        """Compress, then enter the sum, then remove the original: a crash leaves one of them whole."""
        target = self._open.with_name(f"{self._open.name}.gz")
        part = target.with_suffix(".part")
        with self._open.open("rb") as lines, part.open("wb") as output:
            # Without a name and a time in it, equal lines give equal bytes.
            with gzip.GzipFile(filename="", fileobj=output, mode="wb", mtime=0) as packed:
                shutil.copyfileobj(lines, packed)
            output.flush()
            os.fsync(output.fileno())
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        part.replace(target)
        sums = self._folder / SUMS
        known = sums.read_text() if sums.exists() else ""
        new = sums.with_suffix(".new")
        new.write_text(f"{known}{digest}  {target.name}\n")
        new.replace(sums)
        self._open.unlink()
        self._open = self._numbered(self._last() + 1)

    def _recovered(self) -> Path:
        """The file to go on with: the one left open, without a half line, unless it had been sealed."""
        sums = self._folder / SUMS
        sealed = sums.read_text() if sums.exists() else ""
        for file in sorted(self._folder.glob("*.jsonl")):
            if f"  {file.name}.gz\n" in sealed:
                file.unlink()
                continue
            content = file.read_bytes()
            file.write_bytes(content[: content.rfind(b"\n") + 1])
            return file
        return self._numbered(self._last() + 1)

    def _last(self) -> int:
        return max((int(file.name[:6]) for file in self._folder.glob("??????.jsonl.gz")), default=0)

    def _numbered(self, number: int) -> Path:
        return self._folder / f"{number:06}.jsonl"
