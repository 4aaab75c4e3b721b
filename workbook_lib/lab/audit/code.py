"""Weaknesses in Python code, by bandit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from workbook_lib.lab.audit.finding import AuditError, Finding

__all__ = ["scan_code"]


def scan_code(folder: Path, *, timeout_seconds: float = 60.0) -> list[Finding]:
    """Weaknesses of medium and high severity in the Python files of a folder. Raises `AuditError`."""
    done = subprocess.run(
        [sys.executable, "-m", "bandit", "-r", ".", "-f", "json", "-q", "--severity-level", "medium"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    if done.returncode not in (0, 1):  # 1: it found something
        raise AuditError(f"bandit: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    if report["errors"]:
        raise AuditError(f"bandit couldn't read everything: {report['errors']}")
    return sorted(
        Finding(
            found["test_id"],
            f"{found['filename'].removeprefix('./')}:{found['line_number']}",
            found["issue_text"],
        )
        for found in report["results"]
    )
