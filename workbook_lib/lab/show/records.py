"""Log lines and traces as they read best: one line a record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from workbook_lib.lab.evidence import Trace
from workbook_lib.lab.show.output import Shown

__all__ = ["log_lines", "tree"]

LEADING: Final = ("time", "timestamp", "level", "service", "instance", "event")
# Mid-tones, which read on a light page and on a dark one.
LEVELS: Final = {"warning": "#b7791f", "error": "#d9484d", "critical": "#d9484d"}
CELL: Final = "text-align:left;vertical-align:top;padding:1px 10px 1px 0;font-family:monospace"
PRE: Final = "background:transparent;color:inherit;line-height:1.35;overflow-x:auto"


def log_lines(lines: str | Path | Iterable[str], *, limit: int = 20, **having: str) -> Shown:
    """Show the last `limit` JSON log lines of a file or iterable: time, level, instance, event, the rest.

    `having` keeps the lines in which each given field has that value, for example `trace_id=…`. A line that
    isn't JSON is shown as it is.
    """
    if isinstance(lines, str | Path):  # not splitlines: a value may hold a line separator of Unicode's
        lines = Path(lines).read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
    wanted = [
        record
        for record in map(_parse, lines)
        if all(str(record.get(name)) == value for name, value in having.items())
    ][-limit:]
    rows = [_columns(record) for record in wanted]
    body = "".join(_log_row(row) for row in rows)
    text = "\n".join("  ".join(part for part in row if part) for row in rows)
    return Shown(
        f'<table style="border-collapse:collapse"><tbody>{body}</tbody></table>', text or "no such lines"
    )


def tree(trace: Trace) -> Shown:
    """Show a trace as an indented tree: service, span, protocol and kind, duration."""
    html = [
        f'<span style="color:{LEVELS["error"]}">{escape(line)}</span>'
        if line.endswith("FAILED")
        else escape(line)
        for line in trace.tree().splitlines()
    ]
    return Shown(f'<pre style="{PRE}">' + "\n".join(html) + "</pre>", trace.tree())


def _parse(line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"event": line.rstrip("\n")}


def _columns(record: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    time = str(record.get("time") or record.get("timestamp") or "")
    clock_time = time.partition("T")[2].rstrip("Z")[:12] or time
    who = str(record.get("instance") or record.get("service") or "")
    rest = " ".join(f"{name}={value}" for name, value in record.items() if name not in LEADING)
    return clock_time, str(record.get("level", "")), who, str(record.get("event", "")), rest


def _log_row(row: tuple[str, ...]) -> str:
    def cells() -> Iterator[str]:
        for place, part in enumerate(row):
            colour = f";color:{LEVELS[row[1].lower()]}" if place == 1 and row[1].lower() in LEVELS else ""
            yield f'<td style="{CELL}{colour}">{escape(part)}</td>'

    return f"<tr>{''.join(cells())}</tr>"
