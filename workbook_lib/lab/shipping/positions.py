"""Positions that outlive the process."""

from __future__ import annotations

import json
import os
from pathlib import Path

from workbook_lib.lab.shipping.lines import Positions

__all__ = ["load_positions", "save_positions"]


def load_positions(file: Path) -> dict[str, int]:
    """What was saved last; nothing without such a file."""
    try:
        return {str(name): int(at) for name, at in json.loads(file.read_text()).items()}
    except FileNotFoundError:
        return {}


def save_positions(file: Path, positions: Positions) -> None:
    """Replace the file in one step, so that a crash leaves the old one or the new one."""
    new = file.with_suffix(".new")
    with new.open("w") as output:
        json.dump(dict(positions), output)
        output.flush()
        os.fsync(output.fileno())
    new.replace(file)
