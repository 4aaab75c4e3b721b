"""Faults at a named step: `kit.failpoints` in a running service, armed through its operator routes."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx2
import psutil

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.faults.processes import until_stopped
from workbook_lib.lab.handle import Handle

__all__ = ["HeldStep", "disarm", "held_at", "kill_at", "passed"]

ASK_SECONDS = 5.0


class HeldStep:
    """A failpoint at which a service is going to stand still."""

    def __init__(self, handle: Handle, name: str) -> None:
        self.name = name
        self._handle = handle

    async def reached(self, timeout_seconds: float = 10.0) -> None:
        """Wait until the service stands still there. Raises `LabError` when it doesn't come to it in time."""
        try:
            await until_stopped(self._handle, [psutil.Process(self._handle.pid)], timeout_seconds)
        except LabError as error:
            raise LabError(f"{self.name} wasn't reached: {error}") from None


@asynccontextmanager
async def held_at(handle: Handle, name: str, *, count: int = 1) -> AsyncIterator[HeldStep]:
    """Let a service stop itself (SIGSTOP) when it passes failpoint `name` for the `count`-th time.

    Inside the block, after `HeldStep.reached`, it stands there and the rest of the system goes on. At the end
    the failpoint is disarmed and the service runs on (SIGCONT). Raises `LabError` when it can't be armed.
    """
    await _arm(handle, name, "stop", count)
    try:
        yield HeldStep(handle, name)
    finally:
        if handle.process is not None:
            handle.process.signal(signal.SIGCONT)
        if handle.alive:
            await disarm(handle, name)


async def kill_at(handle: Handle, name: str, *, count: int = 1) -> None:
    """Let a service kill itself (SIGKILL) when it passes failpoint `name` for the `count`-th time.

    Wait for it with `died`; this death doesn't stop the notebook. Raises `LabError` when it can't be armed.
    """
    await _arm(handle, name, "kill", count)
    handle.kill_expected = True


async def disarm(handle: Handle, name: str) -> None:
    """Take back what was armed at failpoint `name`. Raises `LabError` when the service doesn't answer."""
    await _ask(handle, "DELETE", name)
    handle.kill_expected = False


async def passed(handle: Handle) -> dict[str, int]:
    """The failpoints that a service has passed so far, and how often."""
    counts: dict[str, int] = (await _ask(handle, "GET")).json()["passed"]
    return counts


async def _arm(handle: Handle, name: str, action: str, count: int) -> None:
    await _ask(handle, "PUT", name, {"action": action, "count": count})


async def _ask(
    handle: Handle, method: str, name: str = "", body: dict[str, Any] | None = None
) -> httpx2.Response:
    path = f"/debug/failpoints/{quote(name, safe='')}" if name else "/debug/failpoints"
    headers = {"Authorization": f"Bearer {handle.operator_token}"}
    try:
        async with httpx2.AsyncClient(
            base_url=handle.url, headers=headers, timeout=ASK_SECONDS, trust_env=False
        ) as client:
            answer = await client.request(method, path, json=body)
    except httpx2.HTTPError as error:
        raise LabError(f"{handle.name} doesn't answer at {path}: {error!r}") from error
    if answer.is_error:
        raise LabError(f"{handle.name} refuses {method} {path}: {answer.status_code} {answer.text}")
    return answer
