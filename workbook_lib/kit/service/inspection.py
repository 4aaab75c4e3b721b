"""A process seen from inside: its memory, its threads, and where each of its asyncio tasks waits."""

import asyncio
import resource
import sys
import threading
import traceback
import tracemalloc
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from pydantic import BaseModel, Field

__all__ = ["Allocation", "Dump", "Memory", "TaskState", "ThreadState", "allocations", "dump", "memory"]


class Allocation(BaseModel):
    """What one line of code has allocated and nobody has given back."""

    file: str
    line: int
    bytes: int
    blocks: int


class Memory(BaseModel):
    """The memory of the process, and who allocated lately."""

    resident_bytes: int | None = Field(description="now; none where the system doesn't tell (not Linux)")
    peak_resident_bytes: int
    allocated: list[Allocation] = Field(description="since the trace began, most first")


class TaskState(BaseModel):
    """One task: the coroutine that it runs and, outermost first, where it waits."""

    name: str
    coroutine: str
    stack: list[str]


class ThreadState(BaseModel):
    """One thread: where it is, outermost first."""

    name: str
    stack: list[str]


class Dump(BaseModel):
    """Everything that is under way."""

    tasks: list[TaskState]
    threads: list[ThreadState]


def memory(allocated: list[Allocation]) -> Memory:
    """The process's memory now."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Memory(
        resident_bytes=_resident_bytes(),
        peak_resident_bytes=peak if sys.platform == "darwin" else peak * 1024,
        allocated=allocated,
    )


def allocations(snapshot: tracemalloc.Snapshot, top: int) -> list[Allocation]:
    """The lines that hold most, less what the trace itself takes."""
    own = tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)
    statistics = snapshot.filter_traces([own]).statistics("lineno")[:top]
    return [
        Allocation(
            file=each.traceback[0].filename, line=each.traceback[0].lineno, bytes=each.size, blocks=each.count
        )
        for each in statistics
    ]


def dump() -> Dump:
    """The running loop's tasks and the process's threads, the caller's own included."""
    tasks = [
        TaskState(name=task.get_name(), coroutine=_name(task.get_coro()), stack=_awaits(task.get_coro()))
        for task in asyncio.all_tasks()
    ]
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    threads = [
        ThreadState(name=names.get(ident, str(ident)), stack=_calls(frame))
        for ident, frame in sys._current_frames().items()
    ]
    return Dump(tasks=tasks, threads=threads)


def _resident_bytes() -> int | None:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else None


def _name(coroutine: Any) -> str:  # noqa: ANN401 - a coroutine, a generator, or what behaves like one
    return getattr(coroutine, "__qualname__", repr(coroutine))


def _awaits(awaited: Any) -> list[str]:  # noqa: ANN401 - each kind of awaitable has its own attributes
    """The chain of awaits of a coroutine; `Task.get_stack` tells only its first."""
    stack = []
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            stack.append(_place(frame.f_code, frame.f_lineno))
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return stack


def _calls(frame: FrameType) -> list[str]:
    return [_place(each.f_code, line) for each, line in reversed(list(traceback.walk_stack(frame)))]


def _place(code: CodeType, line: int | None) -> str:
    return f"{code.co_qualname} ({code.co_filename}:{line})"
