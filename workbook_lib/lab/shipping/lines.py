"""Log files as records: each line with its place, whether it was written as JSON or as text."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

__all__ = ["BATCH_BYTES", "Batch", "Positions", "read_batch"]

BATCH_BYTES: Final = 256 * 1024
"""How much of the files is in memory at a time."""
LINE_BYTES: Final = 64 * 1024
"""A longer line is shipped in pieces, as text: stores drop what is too large (VictoriaLogs: above 2 MB)."""

# What programs call the same things. Ours come first: structlog in the kit's services.
TIMES: Final = ("time", "timestamp", "ts", "@timestamp")
EVENTS: Final = ("event", "msg", "message")

Positions = Mapping[str, int]
"""By file name, how many of its bytes have been dealt with."""


@dataclass(frozen=True)
class Batch:
    """Some records, and the positions behind them."""

    records: list[dict[str, Any]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)


def read_batch(
    folder: Path, positions: Positions, *, leave_out: Collection[str] = (), to_the_end: bool = False
) -> Batch:
    """The next records of all `*.log` files in `folder`, `BATCH_BYTES` of them at most.

    A file that has become shorter is read from its start. A line without an end is left until it has one,
    unless `to_the_end`: then its writer has gone.
    """
    batch = Batch(positions=dict(positions))
    room = BATCH_BYTES
    for file in sorted(folder.glob("*.log")):
        if file.name in leave_out or room <= 0:
            continue
        size = file.stat().st_size
        at = batch.positions.get(file.name, 0)
        at = 0 if size < at else at
        if size == at:
            continue
        room -= _read_file(file, at, room, batch, to_the_end=to_the_end)
    return batch


def _read_file(file: Path, at: int, room: int, batch: Batch, *, to_the_end: bool) -> int:
    begun = at
    with file.open("rb") as log:
        log.seek(at)
        while at - begun < room:
            line = log.readline(LINE_BYTES)
            if not line or not (line.endswith(b"\n") or len(line) == LINE_BYTES or to_the_end):
                break
            if text := line.decode(errors="replace").rstrip("\r\n"):
                batch.records.append(_record(file, at, text))
            at += len(line)
    batch.positions[file.name] = at
    return at - begun


def _record(file: Path, at: int, line: str) -> dict[str, Any]:
    """One line as a record. `record` tells it from all others: shipped twice, it is still the same."""
    said = _parsed(line)
    known = {
        "time": _time(said),
        "event": next((str(said[name]) for name in EVENTS if said.get(name)), line),
        "service": said.get("service") or file.stem,
        "instance": said.get("instance") or file.stem,
        "record": f"{file.name}:{at}",
    }
    others = {name: value for name, value in said.items() if name not in (*TIMES, *EVENTS) and value != ""}
    return others | known


def _parsed(line: str) -> dict[str, Any]:
    if line.startswith("{"):
        try:
            said = json.loads(line)
        except ValueError:
            return {}
        if isinstance(said, dict):
            return said
    return {}


def _time(said: Mapping[str, Any]) -> str:
    """When the line says that it was written, else now: stores refuse records without a time."""
    for name in TIMES:
        value = said.get(name)
        try:
            if isinstance(value, str):
                told = datetime.fromisoformat(value)
            elif isinstance(value, int | float):
                told = datetime.fromtimestamp(value, UTC)
            else:
                continue
        except (ValueError, OverflowError, OSError):
            continue
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).isoformat()
    return datetime.now(UTC).isoformat()
