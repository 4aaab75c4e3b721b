"""Waiting until a process answers its own protocol; a dead one is noticed at once, and no wait is endless."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.processes import Process

__all__ = ["Check", "Hopeless", "http_get", "until_answered", "until_ready"]

Check = Callable[[], Awaitable[str | None]]
"""Asks once; None when ready, else what is still missing. A refused connection may simply be raised."""


class Hopeless(Exception):
    """Raised by a check: waiting is of no use; the message says why."""


POLL_SECONDS = 0.025
POLL_SHARE = 0.05  # of the time waited: what takes long, on a busy machine, isn't slowed down by questions
ASK_SECONDS = 1.0


async def until_ready(process: Process, check: Check, timeout_seconds: float) -> None:
    """Wait until `check` is content. Raises `LabError` at the deadline, and at once if the process ends."""
    started = time.monotonic()
    deadline = started + timeout_seconds
    while True:
        try:
            missing = await _ask(check)
        except Hopeless as error:
            raise LabError.of(process, str(error)) from None
        if not process.alive:  # looked at after the answer: another's server may answer on its port
            raise LabError.died(process, "while it was starting")
        if missing is None:
            return
        if time.monotonic() >= deadline:
            raise LabError.of(process, f"not ready after {timeout_seconds:g} s: {missing}")
        await asyncio.sleep(max(POLL_SECONDS, POLL_SHARE * (time.monotonic() - started)))


async def until_answered(
    name: str, addresses: Mapping[str, str], check: Check, timeout_seconds: float
) -> None:
    """The same for a server that the user runs, of which there's no process to look at."""
    deadline = time.monotonic() + timeout_seconds
    # It may be far away: one question may take all the time that there is.
    while (missing := await _ask(check, max(ASK_SECONDS, timeout_seconds))) is not None:
        if time.monotonic() >= deadline:
            where = ", ".join(f"{variable}={value}" for variable, value in addresses.items())
            raise LabError(
                f"{name}: your own server ({where}) isn't ready: {missing}. Start it, or unset the variable"
            )
        await asyncio.sleep(POLL_SECONDS)


async def _ask(check: Check, seconds: float | None = None) -> str | None:
    """Ask once, for at most so long (ASK_SECONDS); None when ready, else why not."""
    seconds = ASK_SECONDS if seconds is None else seconds
    try:
        async with asyncio.timeout(seconds):
            return await check()
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except (OSError, EOFError, ValueError, http.client.HTTPException) as error:
        return f"{error or type(error).__name__}"


async def http_get(
    url: str, headers: Mapping[str, str] | None = None, *, tls: ssl.SSLContext | None = None
) -> tuple[int, bytes]:
    """GET without proxies; status and body. Raises OSError."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - ours, always http

    def get() -> tuple[int, bytes]:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        )
        try:
            with opener.open(request, timeout=ASK_SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return await asyncio.to_thread(get)
