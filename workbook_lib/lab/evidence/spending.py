"""What processes of the lab take: processor time since a moment, and memory now; their children included."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil

from workbook_lib.lab.handle import Handle

__all__ = ["Spending", "memory_bytes"]


class Spending:
    """Processor time of services and servers, from when this is made: `Spending(lab["users"], …)`."""

    def __init__(self, *handles: Handle) -> None:
        self._handles = handles
        self._before = self._now()

    def cpu_seconds(self) -> dict[str, float]:
        """What each has used since then, by the handle's name."""
        return {name: seconds - self._before[name] for name, seconds in self._now().items()}

    def _now(self) -> dict[str, float]:
        return {handle.name: _sum(handle, _cpu_seconds) for handle in self._handles}


def memory_bytes(*handles: Handle) -> dict[str, int]:
    """What each holds now, by the handle's name.

    On Linux the proportional set size, in which a page that several processes share counts once in all (their
    libraries; everything that a process had when it was forked); elsewhere the resident set size.
    """
    return {handle.name: round(_sum(handle, _memory)) for handle in handles}


def _sum(handle: Handle, figure: Callable[[psutil.Process], float]) -> float:
    process = psutil.Process(handle.pid)
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            total += figure(each)
    return total


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _memory(process: psutil.Process) -> float:
    whole = process.memory_full_info()
    return float(getattr(whole, "pss", whole.rss))
