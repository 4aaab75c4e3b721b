"""How every benchmark tells its figures: the machine first, then a row a way."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["machine", "publish"]


def machine() -> str:
    """Which machine figures belong to."""
    memory_gib = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.machine()}"
    return f"{system}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {platform.python_version()}"


def publish(rows: Sequence[DataclassInstance], *, as_json: bool, notes: Sequence[str] = ()) -> None:
    """Print the rows as a table, or as JSON for a program to read; `notes` say what else one has to know."""
    figures: list[dict[str, Any]] = [asdict(row) for row in rows]
    if as_json:
        print(json.dumps({"machine": machine(), "rows": figures, "notes": list(notes)}))
    else:
        from workbook_lib.lab import show  # takes longer to import than some benchmarks to run

        print(machine(), show.table(figures), *notes, sep="\n")
