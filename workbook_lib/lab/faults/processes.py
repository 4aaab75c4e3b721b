"""Faults of a process: killed at once, or stopped by SIGSTOP as if the machine had forgotten it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import psutil

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.handle import Handle

__all__ = ["died", "kill", "paused", "until_stopped"]

POLL_SECONDS = 0.01
STOP_SECONDS = 5.0


async def kill(handle: Handle) -> None:
    """End it by SIGKILL, as in a crash: nothing is flushed, nothing is told to anybody.

    `Lab.start` starts it again on its ports, with its data. Raises `LabError` for a server of the user's own.
    """
    if handle.pid and await handle.kill() is None:
        raise LabError(f"{handle.name} (pid {handle.pid}) has outlived SIGKILL")


@asynccontextmanager
async def paused(handle: Handle) -> AsyncIterator[None]:
    """Inside the block nothing of it runs: SIGSTOP for its whole process tree, SIGCONT at the end.

    Its connections stay open and its peers hear nothing. Raises `LabError` for a server of the user's own.
    """
    processes = _tree(handle.pid)
    try:
        for process in processes:
            process.suspend()
        await until_stopped(handle, processes)
        yield
    finally:
        for process in reversed(processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


async def died(handle: Handle, timeout_seconds: float = 10.0) -> int:
    """Wait until it has ended by itself or by an armed fault, and take that for intended.

    Returns the exit code, negative for a signal. Raises `LabError` when it still runs after the timeout.
    """
    if handle.process is None or (code := await handle.process.wait(timeout_seconds)) is None:
        raise LabError(f"{handle.name} still runs after {timeout_seconds:g} s")
    await handle.kill()  # what is left of its group
    return code


async def until_stopped(
    handle: Handle, processes: Iterable[psutil.Process], timeout_seconds: float = STOP_SECONDS
) -> None:
    """Wait until all these of `handle` stand still. Raises `LabError` at the deadline and at its death."""
    waiting = list(processes)
    try:
        async with asyncio.timeout(timeout_seconds):
            while waiting := [process for process in waiting if not _stands_still(process)]:
                if not handle.alive:
                    raise LabError(f"{handle.name} has died instead of standing still")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise LabError(f"{handle.name} didn't stop within {timeout_seconds:g} s") from None


def _tree(pid: int) -> list[psutil.Process]:
    """The process and all below it, parents first; also those that made a session of their own."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _stands_still(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:  # a child that has ended runs no more
        return True
