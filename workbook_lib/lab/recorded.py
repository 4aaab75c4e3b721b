"""Figures that take longer to measure than a chapter may: what a benchmark recorded, and its origin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.lab import Lab

__all__ = ["Figures", "figures"]

Cell = str | int | float | bool | list[str] | None


class Figures(BaseModel):
    """What `python -m benchmarks.<name> --record` keeps in `benchmarks/results/<name>.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    measured: date
    machine: str
    notes: tuple[str, ...]
    tables: Mapping[str, list[dict[str, Cell]]]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table of a benchmark that has one; the first of several."""
        return next(iter(self.tables.values()))

    @property
    def caption(self) -> str:
        """When, where and how these figures were measured, in one line."""
        return f"measured {self.measured} on {self.machine} by `{self.command}`"

    def where(self, table: str = "", **values: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a cell's value
        """The rows whose columns have these values, e.g. `where(server="uvicorn")`."""
        rows = self.tables[table] if table else self.rows
        return [row for row in rows if all(row[column] == value for column, value in values.items())]


def figures(lab: Lab, benchmark: str) -> Figures:
    """The latest recorded figures of a benchmark. Raises `LabError` when there are none."""
    path = lab.root / "benchmarks" / "results" / f"{benchmark}.json"
    if not path.is_file():
        raise LabError(
            f"no figures of {benchmark} are recorded: run `python -m benchmarks.{benchmark} --record`"
        )
    return Figures.model_validate_json(path.read_bytes())
