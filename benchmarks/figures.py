"""How every benchmark tells its figures: the machine first, then a row a way; and how a chapter gets them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["RESULTS", "add_options", "machine", "publish"]

RESULTS: Final = Path(__file__).parent / "results"


def machine() -> str:
    """Which machine figures belong to."""
    memory_gib = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.machine()}"
    return f"{system}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {platform.python_version()}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """How to tell the figures, for every benchmark's command line."""
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--record", action="store_true", help="keep the figures in benchmarks/results, for the chapters"
    )


def publish(
    figures: Iterable[DataclassInstance] | Mapping[str, Iterable[DataclassInstance]],
    options: argparse.Namespace,
    *,
    notes: Sequence[str] = (),
) -> None:
    """Print the rows (or tables of rows by name), or JSON for a program to read, and record them if asked to.

    `options` are those of `add_options`; `notes` say what else one has to know. What is recorded is read by
    `workbook_lib.lab.recorded`, and has the rows' fields as the benchmark's `TABLES` or `Row` declares them.
    """
    several = figures if isinstance(figures, Mapping) else {"rows": figures}
    tables = {name: [asdict(row) for row in rows] for name, rows in several.items()}
    if options.record:
        _record(tables, notes)
    if options.json:
        print(json.dumps({"machine": machine(), **tables, "notes": list(notes)}))
        return
    from workbook_lib.lab import show  # takes longer to import than some benchmarks to run

    print(machine())
    for name, rows in tables.items():
        print(show.table(rows, caption=name if len(tables) > 1 else ""))
    print(*notes, sep="\n")


def _record(tables: Mapping[str, list[dict[str, Any]]], notes: Sequence[str]) -> None:
    """Write the figures of the benchmark that runs as `__main__`, with all that tells how to repeat them."""
    spec = sys.modules["__main__"].__spec__
    if spec is None:
        raise RuntimeError("figures are recorded of what runs as `python -m benchmarks.<name>`")
    arguments = [each for each in sys.argv[1:] if each not in {"--json", "--record"}]
    recorded = {
        "command": shlex.join(["python", "-m", spec.name, *arguments]),
        "measured": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "notes": list(notes),
        "tables": tables,
    }
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{spec.name.removeprefix('benchmarks.')}.json"
    target.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
    print(f"recorded in {target.relative_to(RESULTS.parents[1])}", file=sys.stderr)
