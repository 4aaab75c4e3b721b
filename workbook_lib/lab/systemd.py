"""Check the systemd unit of `deploy/systemd` as a machine that runs it would, without installing it."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbook_lib.lab import command
from workbook_lib.lab.deployment import deploy_file
from workbook_lib.lab.errors import LabError

__all__ = ["UnitCheck", "check_unit", "read_unit"]

TEMPLATE = "workbook-service@.service"
INSTALLED = "/opt/workbook"
ANALYZE_SECONDS = 20.0


@dataclass(frozen=True)
class UnitCheck:
    """What was found out about a unit.

    `settings` are its sections' settings; one that is given several times has several values. `findings` is
    what `systemd-analyze verify` has to say, nothing when all is well. `exposure` is what `systemd-analyze
    security` says, from 0 (locked up) to 10 (may do anything); None, with the reason in `skipped`, where
    there is no systemd.
    """

    unit: str
    settings: Mapping[str, Mapping[str, tuple[str, ...]]]
    findings: tuple[str, ...] = ()
    exposure: float | None = None
    skipped: str = ""


async def check_unit(service: str, unit: Path | None = None) -> UnitCheck:
    """Check the unit for one service, by default that of `deploy/systemd`, with this Python in its place.

    Raises `LabError` for a file that isn't a unit.
    """
    return await asyncio.to_thread(_check, service, unit or deploy_file(f"systemd/{TEMPLATE}"))


def read_unit(text: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """A unit file's sections, by the rules of systemd.syntax(7). Raises `LabError` at a line that is none."""
    sections: dict[str, dict[str, tuple[str, ...]]] = {}
    current: dict[str, tuple[str, ...]] | None = None
    for number, line in enumerate(re.sub(r"\\\n", " ", text).splitlines(), start=1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if section := re.fullmatch(r"\[(\w+)\]", line):
            current = sections.setdefault(section.group(1), {})
            continue
        name, equals, value = line.partition("=")
        if current is None or not equals or not re.fullmatch(r"[A-Za-z]\w*", name.strip()):
            raise LabError(f"line {number} is neither a section nor a setting of one: {line!r}")
        current[name.strip()] = (*current.get(name.strip(), ()), value.strip())
    return sections


def _check(service: str, unit: Path) -> UnitCheck:
    name = TEMPLATE.replace("@", f"@{service}")
    text = unit.read_text()
    settings = read_unit(text)
    if shutil.which("systemd-analyze") is None:
        return UnitCheck(name, settings, skipped="there is no systemd-analyze on this machine")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / name
        # verify asks whether the program exists; in production it does, under /opt.
        program = f"{INSTALLED}/.venv/bin/python"
        here.write_text(text.replace(program, sys.executable).replace(INSTALLED, str(Path.cwd())))
        findings = tuple(_analyze("verify", here).splitlines())
        judged = _analyze("security", "--offline=true", here)
    verdict = re.search(r"exposure level for .*: ([\d.]+)", judged)
    if verdict is None:
        return UnitCheck(
            name, settings, findings, skipped=f"systemd-analyze doesn't judge files: {judged[:200]}"
        )
    return UnitCheck(name, settings, findings, float(verdict.group(1)))


def _analyze(*arguments: str | Path) -> str:
    try:
        return command.run("systemd-analyze", *arguments, timeout_seconds=ANALYZE_SECONDS).text
    except command.CommandFailed as failure:
        return str(failure)
