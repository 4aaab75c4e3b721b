"""Rows as a table: plain semantic HTML that still reads where a viewer strips styles, and aligned text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final

from pydantic import BaseModel

from workbook_lib.lab.show.output import Shown

__all__ = ["table"]

CELL_CHARACTERS: Final = 160
CELL: Final = "padding:3px 12px 3px 0;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.25)"


def table(rows: Iterable[Any], caption: str = "", *, columns: Sequence[str] | None = None) -> Shown:
    """Show rows: mappings, dataclasses, pydantic models, or sequences with `columns`; or one mapping's items.

    `columns` also picks and orders the columns of named rows. Numbers stand right.
    """
    if isinstance(rows, Mapping):
        rows, columns = list(rows.items()), columns or ("name", "value")
    records = [_record(row, columns) for row in rows]
    names = list(columns or dict.fromkeys(name for record in records for name in record))
    cells = [[record.get(name) for name in names] for record in records]
    numeric = [all(_is_number(row[place]) for row in cells) and bool(cells) for place in range(len(names))]
    shown = [[_cell(value) for value in row] for row in cells]
    return Shown(_html(names, shown, numeric, caption), _text(names, shown, numeric, caption))


def _record(row: Any, columns: Sequence[str] | None) -> Mapping[str, Any]:  # noqa: ANN401 - rows come in many shapes
    if isinstance(row, Mapping):
        return row
    if isinstance(row, BaseModel):
        return {name: getattr(row, name) for name in columns or type(row).model_fields}
    if dataclasses.is_dataclass(row):
        return {
            name: getattr(row, name) for name in columns or [field.name for field in dataclasses.fields(row)]
        }
    if columns is None:
        raise TypeError(f"a row that is a {type(row).__name__} has no column names: give columns=[…]")
    return dict(zip(columns, row, strict=True))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
        case datetime():
            return value.isoformat(sep=" ", timespec="milliseconds")
        case list() | tuple() | set():
            text = ", ".join(str(item) for item in value)
        case _:
            text = str(value)
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - 1] + "…"


def _html(names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], caption: str) -> str:
    sides = ["right" if is_number else "left" for is_number in numeric]
    head = "".join(
        f'<th style="text-align:{side};{CELL}">{escape(name)}</th>'
        for name, side in zip(names, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{side};{CELL}">{escape(cell)}</td>'
            for cell, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    title = f'<caption style="text-align:left;font-weight:600;padding-bottom:4px">{escape(caption)}</caption>'
    return (
        f'<table style="border-collapse:collapse">{title if caption else ""}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _text(names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], caption: str) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(names, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    ruler = "  ".join("-" * width for width in widths)
    return "\n".join([*([caption] if caption else []), line(names), ruler, *(line(row) for row in rows)])
