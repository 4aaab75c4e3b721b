"""The exercise of 2.2: a lock that others can rely on."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Final

from workbook_lib.lab import command, packages
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["lock"]

_WHEEL: Final = "pricing-2.0.0-*.whl"


@exercise("2.2", "A lock for a stranger")
async def lock(lab: Lab, answer: Path) -> Finding:
    """Installs what the file says on two machines: after a newer release, and from an index tampered with."""
    return await asyncio.to_thread(_judged, lab.folder / "index", answer)


def _judged(index: Path, answer: Path) -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        later, altered = Path(folder) / "later", Path(folder) / "altered"
        for copy in (later, altered):
            shutil.copytree(index, copy)
        packages.release(later, "pricing", "2.9.0", "total_cents = None\n")
        packages.tamper(next(altered.glob(_WHEEL)), "pricing/__init__.py", "print('not reviewed')\n")
        honest, refusal = _installed(answer, later), _installed(answer, altered)
    if honest not in ("", "2.0.0"):
        return no(
            "A release that nobody has tried came in. What does the file say of versions to come?",
            evidence=f"after pricing 2.9.0 was published, {honest} was installed",
        )
    if refusal:
        return no(
            "The version is the right one, and the file in the index isn't what it was when you looked.",
            evidence=f"the altered wheel of pricing {refusal} was installed",
        )
    if not honest:
        return no(
            "The real release is refused. Which wheel lay in the index when the file was made?",
            evidence="pricing wasn't installed from an index that nobody has touched",
        )
    return yes("pricing 2.0.0 was installed although 2.9.0 is there, and an altered wheel of it was refused")


def _installed(requirements: Path, index: Path) -> str:
    """The version of pricing that an installation brings, or nothing."""
    target = index / "installed"
    offline = packages.offline(index / "cache")
    sources = ("--no-cache", "--no-index", "--find-links", index, "--target", target)
    try:
        command.run("uv", "pip", "install", *sources, "-r", requirements, env=offline)
    except command.CommandFailed:
        return ""
    return next((path.name.split("-")[1].removesuffix(".dist") for path in target.glob("pricing-*")), "")
