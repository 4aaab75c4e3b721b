"""The model's process, as who asks it sees it: started, asked a batch at a time, started anew when it died.

Why a process and not a thread: one interpreter runs one thread at a time. A forward pass is many short NumPy
calls, and in a thread beside the RPCs each waits for its turn again, a fifth of the pass in all. And what is
written in C++ and Rust can end only its own process.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from workbook_lib.kit.errors import Unavailable

__all__ = ["ModelProcess", "Reading", "Task"]

_FLOAT_BYTES: Final = 4
_LOAD_SECONDS: Final = 60.0  # it takes 0.6, and with an index to make 1.3
_BATCH_SECONDS: Final = 30.0  # 64 texts as long as the model reads take 4
_STOP_SECONDS: Final = 2.0


class Task(NamedTuple):
    """What the process is for."""

    texts: Sequence[str]
    """What can be found; a text's place is its number."""
    folder: str
    """Where the index is kept."""
    wrong_share: float
    """Share of the texts that it misreads; see settings.defect."""
    seed: str


class Reading(NamedTuple):
    """What the model makes of one text."""

    vector: "memoryview[float]"
    """float32, of length 1"""
    nearest: Sequence[tuple[int, float]]
    """Numbers of the nearest texts, each with its cosine, the nearest first."""


class ModelProcess:
    """Reads texts in a process of its own, a batch at a time."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._process: Process | None = None
        self._width = 0

    @property
    def pid(self) -> int | None:
        """Its process id; None when there is none."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start it, and wait until the model is loaded. Raises Unavailable when it can't be."""
        if self._process is None:
            command = [sys.executable, "-m", "services.nlp_model.worker"]
            self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
            self._width, _ = await self._ask(self._task._asdict(), _LOAD_SECONDS)

    async def stop(self) -> None:
        """End it; it has two seconds for a batch under way."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def read(self, texts: Sequence[str]) -> list[Reading]:
        """A reading a text, in their order. Raises Unavailable when a second process ends over them, too."""
        try:
            return await self._read(texts)
        except Unavailable:
            return await self._read(texts)  # reading twice does no harm

    async def _read(self, texts: Sequence[str]) -> list[Reading]:
        await self.start()
        nearest, content = await self._ask(texts, _BATCH_SECONDS, len(texts))
        numbers = memoryview(content).cast("f")
        vectors = (numbers[first : first + self._width] for first in range(0, len(numbers), self._width))
        return [Reading(*each) for each in zip(vectors, nearest, strict=True)]

    async def _ask(self, line: object, seconds: float, vectors: int = 0) -> tuple[Any, bytes]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise Unavailable("the model isn't loaded")
        try:
            async with asyncio.timeout(seconds):
                process.stdin.write(json.dumps(line).encode() + b"\n")
                await process.stdin.drain()
                head = json.loads(await process.stdout.readuntil(b"\n"))
                return head, await process.stdout.readexactly(vectors * self._width * _FLOAT_BYTES)
        except (OSError, EOFError, TimeoutError) as error:
            self._process = None
            how = "had no answer in time" if isinstance(error, TimeoutError) else "ended"
            if process.returncode is None:
                process.kill()
            await process.wait()
            raise Unavailable(f"the model's process {how}; what it printed is in the log") from error
