"""Secrets that somebody has committed or left in a file, by kingfisher, MongoDB's scanner."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from workbook_lib.lab.audit.finding import AuditError, Finding

__all__ = ["scan_secrets"]

# Of this project, what nobody commits: tools' caches, too, which are many times the files that people write.
DERIVED: Final = (
    *(".venv", ".workbook", "_site", ".hypothesis"),
    *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache"),
)
FOUND: Final = (200, 205)  # kingfisher's exit codes for findings


def scan_secrets(
    folder: Path, *, history: bool = True, exclude: Sequence[str] = DERIVED, timeout_seconds: float = 120.0
) -> list[Finding]:
    """Secrets in the files of a folder and, with `history`, in every commit of its git repository.

    A secret stays in the history after its file is gone; then only replacing it helps. The scan is offline:
    nothing is tried out on its issuer. What was found is named and never quoted. Raises `AuditError`.
    """
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("kingfisher")),
            *("scan", ".", "--quiet", "--format", "jsonl", "--redact"),
            *("--no-validate", "--no-update-check"),
            *("--git-history", "full" if history else "none"),
            *(argument for name in exclude for argument in ("--exclude", name)),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    if done.returncode not in (0, *FOUND):
        raise AuditError(f"kingfisher ended with {done.returncode}: {done.stderr.strip()}")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    if not any(_is_whole(record) for record in records):
        raise AuditError(f"kingfisher hasn't read everything: {done.stdout[-500:]}")
    return sorted({_finding(record) for record in records if "rule" in record})


def _is_whole(record: dict[str, Any]) -> bool:
    counts = record.get("audit", {}).get("summary", {})
    left = ("scan_partial", "scan_failed", "fetch_failed", "pending")
    return counts.get("scan_succeeded", 0) > 0 and not any(counts[each] for each in left)


def _finding(record: dict[str, Any]) -> Finding:
    found = record["finding"]
    commit = found.get("git_metadata", {}).get("commit", {}).get("id", "")
    place = f"{found['path'].removeprefix('./')}:{found['line']}" + (f"@{commit[:9]}" if commit else "")
    return Finding(record["rule"]["id"], place, f"{record['rule']['name']}, {found['confidence']} confidence")
