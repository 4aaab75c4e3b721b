"""Order traffic from a notebook or a test: it runs in a process of its own, so neither distorts the other."""

from __future__ import annotations

import asyncio
import json as json_codec
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from workbook_lib.lab.traffic.generator import LoadPlan
from workbook_lib.lab.traffic.result import LoadResult

__all__ = [
    "HeldConnections",
    "TrafficError",
    "TrafficProcess",
    "hold_connections",
    "run_load",
    "traffic_process",
]

START_SECONDS: Final = 20.0
END_SECONDS: Final = 2.0
HOLD_SECONDS: Final = 60.0
MAX_ANSWER_BYTES: Final = 64 << 20
STDERR_CHARACTERS: Final = 2_000


class TrafficError(RuntimeError):
    """The traffic process failed or didn't come to an end; the message holds the end of what it wrote."""


async def run_load(
    url: str,
    *,
    method: str = "GET",
    json: Any = None,  # noqa: ANN401 - whatever JSON can hold
    headers: Mapping[str, str] | None = None,
    rate: float | None = None,
    concurrency: int = 10,
    seconds: float = 5.0,
    warmup_seconds: float = 0.0,
    max_requests: int = 100_000,
    timeout_seconds: float = 5.0,
    label_header: str = "",
    ca_file: str | Path | None = None,
    until: asyncio.Event | None = None,
) -> LoadResult:
    """Send requests for `seconds`, at most `max_requests` of them, and return every latency.

    It ends earlier when `until` is set: what the load has to outlast is over. Every other parameter is of
    `LoadPlan`: with a `rate` the model is open, without it closed with `concurrency` clients. Raises
    ValueError for a plan out of bounds and TrafficError when the process that sends them fails.
    """
    plan = LoadPlan(
        url,
        method=method,
        json=json,
        headers=dict(headers or {}),
        rate=rate,
        concurrency=concurrency,
        seconds=seconds,
        warmup_seconds=warmup_seconds,
        max_requests=max_requests,
        timeout_seconds=timeout_seconds,
        label_header=label_header,
        ca_file=str(ca_file) if ca_file else "",
    )
    bound = START_SECONDS + plan.warmup_seconds + plan.seconds + 2 * plan.timeout_seconds
    async with traffic_process() as process:
        answer = await process.order(plan.to_wire(), bound, until=until)
        return LoadResult.from_wire(plan.what, answer)


@asynccontextmanager
async def hold_connections(url: str, count: int) -> AsyncIterator[HeldConnections]:
    """Hold `count` open connections to the server of `url`; inside the block they are all there at once.

    Fewer are open when a limit of open files (of this machine or of the server) doesn't allow more; see
    `.problem`.
    """
    async with traffic_process() as process:
        order = {"job": "hold", "url": url, "count": count}
        answer = await process.order(order, START_SECONDS + HOLD_SECONDS)
        yield HeldConnections(count, answer["open"], answer["seconds"], answer["problem"], process)


class TrafficProcess:
    """A running `python -m workbook_lib.lab.traffic` and the questions to it."""

    def __init__(self, process: asyncio.subprocess.Process, stderr: IO[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the traffic process is spoken to through pipes")
        self._process = process
        self._orders, self._answers = process.stdin, process.stdout
        self._stderr = stderr

    async def order(
        self, order: Mapping[str, Any], timeout_seconds: float, *, until: asyncio.Event | None = None
    ) -> dict[str, Any]:
        """Send one order and wait for its answer; `until` ends a load. Raises TrafficError."""
        try:
            self._orders.write(json_codec.dumps(order).encode() + b"\n")
            await self._orders.drain()
        except ConnectionError as error:
            raise self._error(f"took no order ({error!r})") from error
        ending = asyncio.create_task(self._end_load(until)) if until else None
        try:
            return await self.answer(timeout_seconds)
        finally:
            if ending:
                ending.cancel()

    async def answer(self, timeout_seconds: float) -> dict[str, Any]:
        """Wait for one more answer. Raises TrafficError."""
        try:
            line = await asyncio.wait_for(self._answers.readline(), timeout_seconds)
        except TimeoutError:
            raise self._error(f"gave no answer within {timeout_seconds:g} s") from None
        if not line:
            code = await self._process.wait()
            raise self._error(f"ended with exit code {code}")
        answer: dict[str, Any] = json_codec.loads(line)
        return answer

    async def end(self) -> None:
        """Close its input, which ends it; kill it when that doesn't help."""
        self._orders.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):  # it may just have ended
                self._process.kill()
            await self._process.wait()
        await self._answers.read()

    async def _end_load(self, until: asyncio.Event) -> None:
        await until.wait()
        with suppress(ConnectionError):  # whoever waits for the load's answer hears of that
            self._orders.write(b'{"job": "end"}\n')
            await self._orders.drain()

    def _error(self, what: str) -> TrafficError:
        self._stderr.seek(0)
        end = self._stderr.read().decode(errors="replace").strip()[-STDERR_CHARACTERS:]
        return TrafficError(f"the traffic process {what}" + (f"; it wrote\n{end}" if end else ""))


@dataclass(frozen=True)
class HeldConnections:
    """Connections that are open now: how many were asked for, how many are, and in how many seconds."""

    requested: int
    open: int
    seconds: float
    problem: str
    _process: TrafficProcess = field(repr=False)

    async def ask(self) -> LoadResult:
        """Send a request on every one of them: an answer proves that the server held it."""
        answer = await self._process.order({"job": "ask"}, HOLD_SECONDS)
        return LoadResult.from_wire(f"one on each of {self.open:,} held connections", answer)


@asynccontextmanager
async def traffic_process() -> AsyncIterator[TrafficProcess]:
    """A new one; it ends with the block, at the latest when this process does."""
    with tempfile.TemporaryFile() as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "workbook_lib.lab.traffic",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            limit=MAX_ANSWER_BYTES,
            # An interrupt of the kernel goes to its whole group; this process ends by its input instead.
            start_new_session=True,
        )
        traffic = TrafficProcess(process, stderr)
        try:
            yield traffic
        finally:
            await asyncio.shield(traffic.end())
