"""What Go's net/http/pprof is for: ask a running service where its time goes, and what it is doing now.

GET /debug/profile, /debug/memory and /debug/tasks, for operators only (`OperatorGuard`), and there only where
an operator token is set. None is in the OpenAPI document.
"""

import asyncio
import contextlib
import tracemalloc
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic_core import to_json
from pyinstrument import Profiler
from pyinstrument.frame import Frame
from pyinstrument.processors import aggregate_repeated_calls
from pyinstrument.renderers import SpeedscopeRenderer
from pyinstrument.session import Session

from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.errors import Conflict
from workbook_lib.kit.security.operators import OperatorGuard
from workbook_lib.kit.service.inspection import Allocation, Dump, Memory, allocations, dump, memory

__all__ = ["profiling_routes"]

_INTERVAL_SECONDS = 0.001

Seconds = Annotated[float, Query(ge=0.1, le=30, description="how long to watch")]


class _OneAtATime:
    """Two profiles at once would each find the other; the second caller is told to come again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._taken = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Raises Conflict while somebody else is inside."""
        if self._taken:
            raise Conflict(f"{self._what} is under way; ask again when it has ended.")
        self._taken = True
        try:
            yield
        finally:
            self._taken = False


def profiling_routes(guard: OperatorGuard) -> APIRouter:
    """The routes under /debug, each behind `guard`."""
    routes = APIRouter(prefix="/debug", dependencies=[Depends(guard)], include_in_schema=False)
    profile_taken, memory_traced = _OneAtATime("A profile"), _OneAtATime("A trace of allocations")

    @routes.get("/profile")
    async def profile(
        seconds: Seconds = 5,
        form: Annotated[Literal["frames", "speedscope"], Query(alias="format")] = "frames",
    ) -> Response:
        """Sample the event loop's thread; as a tree of frames, or as a file for https://speedscope.app."""
        with profile_taken.held():
            session = await _sampled(seconds)
        render = _speedscope if form == "speedscope" else _frames
        # The tree of a long profile takes a while to build, and requests go on meanwhile.
        return Response(await asyncio.to_thread(render, session), media_type="application/json")

    @routes.get("/memory")
    async def allocated(seconds: Seconds = 1, top: Annotated[int, Query(ge=1, le=100)] = 20) -> Memory:
        """The process's memory, and the lines that allocated most of what `seconds` have left behind."""
        with memory_traced.held():
            return memory(await _allocated(seconds, top))

    @routes.get("/tasks")
    async def tasks() -> Dump:
        """Where every task waits and what every thread is doing."""
        return dump()

    return routes


async def _sampled(seconds: float) -> Session:
    # "disabled", for all tasks: its asyncio mode would follow this request alone, which only sleeps.
    profiler = Profiler(interval=_INTERVAL_SECONDS, async_mode="disabled")
    profiler.start()
    try:
        await SYSTEM_CLOCK.sleep(seconds)
    finally:
        session = profiler.stop()
    return session


def _frames(session: Session) -> bytes:
    root = aggregate_repeated_calls(session.root_frame(trim_stem=False), {})
    return to_json(
        {
            "seconds": session.duration,
            "cpu_seconds": session.cpu_time,
            "samples": session.sample_count,
            "root": _frame(root) if root else None,
        }
    )


def _frame(frame: Frame) -> dict[str, Any]:
    """A function as it was called from the one above; `seconds` hold its callees' too."""
    owner = f"{frame.class_name}." if frame.class_name else ""
    return {
        "function": owner + frame.function,
        "file": frame.file_path_short or "",
        "line": frame.line_no or 0,
        "seconds": round(frame.time, 6),
        "children": [_frame(child) for child in frame.children if not child.is_synthetic],
    }


def _speedscope(session: Session) -> bytes:
    rendered: str = SpeedscopeRenderer().render(session)
    return rendered.encode()


async def _allocated(seconds: float, top: int) -> list[Allocation]:
    tracemalloc.start()
    try:
        await SYSTEM_CLOCK.sleep(seconds)
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    return await asyncio.to_thread(allocations, snapshot, top)
