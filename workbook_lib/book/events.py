"""What a child process tells the runner: one JSON object a line, in a file that both know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["EventReader", "EventWriter"]


class EventWriter:
    """Appends events to a file; each line is written whole and at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - any JSON value
        """Write one event with its fields."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **fields}) + "\n")


class EventReader:
    """Reads what has been appended since the last call; half a line stays for the next call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def read(self) -> list[dict[str, Any]]:
        """The new events, oldest first; none while the file doesn't exist."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._position += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines()]
