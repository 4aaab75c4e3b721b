"""The exercise of 1: a service that says who it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import httpx2
import psutil

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["says_who_it_is"]

_NAME: Final = "mine"


@exercise("1", "It says who it is")
async def says_who_it_is(lab: Lab, folder: Path) -> Finding:
    """Waits until what is in `folder` is served, then asks the service for its health and for a greeting."""
    async with httpx2.AsyncClient(base_url=lab[_NAME].url, timeout=5, trust_env=False) as client:

        async def restarted() -> bool:
            return _is_served(lab[_NAME].pid, folder) and (await client.get("/you")).status_code > 0

        await evidence.eventually(restarted, interval_seconds=0.02)
        health = await client.get("/health")
        described = (await client.get("/openapi.json")).json()["paths"]
        greeting = await client.get("/you")
    seen = f"GET /health: {health.status_code} {health.text[:80]}"
    said = _fields(health)
    if "greeting" in said and "/health" in described:
        hint = "The route is there, and another one answered: which of two that match a path is taken?"
        return no(hint, evidence=seen)
    if health.status_code != 200 or not said or "greeting" in said:
        return no(
            "Nothing but the greeting answers: a route of its own is what /health needs.", evidence=seen
        )
    if said.get("service") != _NAME:
        hint = (
            "Something is well; nobody says who. How would the lab tell it from another program on this port?"
        )
        return no(hint, evidence=seen)
    if greeting.status_code != 200 or "greeting" not in _fields(greeting):
        hint = (
            "It says who it is, and has forgotten what it is for: other paths were to be greeted as before."
        )
        return no(hint, evidence=f"GET /you: {greeting.status_code}")
    return yes(f"{seen}, and GET /you is greeted")


def _fields(answer: httpx2.Response) -> dict[str, Any]:
    """The fields of a JSON object; none of anything else."""
    try:
        fields = answer.json()
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _is_served(watcher: int, folder: Path) -> bool:
    """Whether the program that this watcher starts anew at each change is younger than the last change."""
    edited = max(path.stat().st_mtime for path in folder.glob("*.py"))
    children = psutil.Process(watcher).children(recursive=True)
    return max((_started(child) for child in children), default=0.0) >= edited


def _started(process: psutil.Process) -> float:
    """When it was started. psutil reckons that on Linux from the boot's whole second, up to one too early."""
    started: float = process.create_time()
    if psutil.LINUX:
        started += time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - psutil.boot_time()
    return started
