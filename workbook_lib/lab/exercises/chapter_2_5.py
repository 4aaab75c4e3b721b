"""The exercise of 2.5: an error that the service had not foreseen, and its end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx2

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["unforeseen"]

_LOG_SECONDS: Final = 0.5  # a line is written right after the answer
_TABLE: Final = "items"


@exercise("2.5", "Not foreseen")
async def unforeseen(lab: Lab, since: datetime) -> Finding:
    """Reads what inventory has logged since then, and whether it serves now; repairs its table if need be."""

    def failed() -> list[dict[str, Any]]:
        lines = evidence.log_records(lab["inventory"])
        ours = [line for line in lines if datetime.fromisoformat(line["time"]) >= since]
        return [line for line in ours if line.get("status", "OK") not in {"OK", 200}]

    try:
        failures = await evidence.eventually(failed, _LOG_SECONDS, interval_seconds=0.05)
    except evidence.EvidenceTimeout:
        failures = []
    unexpected = [
        line
        for line in evidence.log_records(lab["inventory"])
        if line["event"] == "unexpected error" and datetime.fromisoformat(line["time"]) >= since
    ]
    async with httpx2.AsyncClient(base_url=lab["gateway"].url, timeout=10, trust_env=False) as gateway:
        serves = (await gateway.get("/v1/stock/keyboard")).is_success
    if not serves:
        _repair((lab["inventory"].folder or lab.folder) / "inventory.db")
    if not failures:
        return no("Inventory hasn't failed a call. Which fault was it that nobody had foreseen?")
    if not unexpected:
        statuses = ", ".join(sorted({str(line["status"]) for line in failures}))
        return no(
            "Inventory has an answer for that: it refused the call with a code of its own. What could happen "
            "to it that no line of its code speaks of?",
            evidence=f"{statuses}, and no unexpected error in its log",
        )
    seen = f"{len(unexpected)} unexpected, fingerprint {unexpected[-1]['fingerprint']}"
    if not serves:
        return no(
            "Nobody had foreseen that. But the fault is still there, and every customer meets it.",
            evidence=f"{seen}; the next call failed, too",
        )
    return yes(f"{seen}; the next call succeeded")


def _repair(database: Path) -> None:
    """Give the table its name back, whatever it is called now."""
    with closing(sqlite3.connect(database, timeout=5)) as connection:
        names = [
            name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
        ]
        for name in names:
            if name != _TABLE and name.startswith(_TABLE) and _TABLE not in names:
                connection.execute(f'ALTER TABLE "{name}" RENAME TO {_TABLE}')
