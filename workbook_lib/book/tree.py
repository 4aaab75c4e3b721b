"""The processes of a run: what they weigh together, and that none is left."""

from __future__ import annotations

import contextlib
import time

import psutil

from workbook_lib.lab.run_folder import RUN_ID

__all__ = ["kill_marked", "marked", "memory_mb"]

_POLL_SECONDS = 0.02
_KILL_SECONDS = 2.0


def memory_mb(pid: int) -> float:
    """Memory of a process and all its descendants in MB; shared pages are counted once.

    Proportional set size where the platform has it (Linux), unique set size elsewhere.
    """
    try:
        root = psutil.Process(pid)
        members = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0.0
    return sum(_bytes(member) for member in members) / 1e6


def marked(run_id: str) -> list[psutil.Process]:
    """The live processes with `run_id`, or an id nested in it, as WORKBOOK_RUN_ID in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            mark = process.environ().get(RUN_ID, "")
            if (mark == run_id or mark.startswith(f"{run_id}/")) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill_marked(run_id: str) -> list[str]:
    """Kill every process of the run, again until none is left (at most 2 s); names what it killed."""
    killed: dict[int, str] = {}
    deadline = time.monotonic() + _KILL_SECONDS
    while (left := marked(run_id)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                killed[process.pid] = f"{process.name()} (pid {process.pid})"
                process.kill()
        time.sleep(_POLL_SECONDS)
    return list(killed.values())


def _bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except (psutil.Error, OSError):
        return 0
    return int(getattr(memory, "pss", memory.uss))
