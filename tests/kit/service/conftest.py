"""A small service on the kit: in this process, and as a process of its own."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from workbook_lib.kit import telemetry
from workbook_lib.lab.ports import PortAllocator, PortRequest

DEMO = Path(__file__).with_name("demo_service.py")


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """The spans that end in this process during the test."""
    exporter = InMemorySpanExporter()
    telemetry.configure("demo", "demo-1", None).add_processor(SimpleSpanProcessor(exporter))
    return exporter


class Process:
    """The demo service as `python demo_service.py`, its output in a file."""

    def __init__(self, port: int, log: Path) -> None:
        self.program = DEMO
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def log(self) -> str:
        """Everything printed so far."""
        return self._log.read_text()

    async def start(self, *argv: str, **environment: str) -> None:
        """Start it, without waiting until it is ready."""
        with self._log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                self.program,
                *argv,
                env={**os.environ, "DEMO_PORT": str(self.port), **environment},
                stdout=output,
                stderr=output,
            )

    async def ready(self) -> httpx2.Response:
        """Wait until /health answers, and return that answer."""
        async with asyncio.timeout(30), httpx2.AsyncClient() as client:
            while self._process.returncode is None:
                with contextlib.suppress(httpx2.TransportError):
                    return await client.get(f"{self.url}/health")
                await asyncio.sleep(0.02)
        raise AssertionError(f"ended with {self._process.returncode}:\n{self.log}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self, timeout_seconds: float = 20) -> int:
        """Wait for its end; its exit status."""
        async with asyncio.timeout(timeout_seconds):
            return await self._process.wait()

    async def kill(self) -> None:
        """Leave nothing behind."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    """A demo service process on a port that nobody else gets meanwhile; ended with the test."""
    reservation = PortAllocator().reserve(PortRequest("demo"))
    reservation.hand_over()
    process = Process(reservation.port, tmp_path / "demo.log")
    yield process
    await process.kill()
    reservation.release()
