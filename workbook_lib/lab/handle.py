"""What a chapter holds of each process it has started, and the table that `Lab.start` returns."""

from __future__ import annotations

import asyncio
import html
import json
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbook_lib.lab.errors import LabError
from workbook_lib.lab.ports import Reservation
from workbook_lib.lab.processes import Process

__all__ = ["Handle", "Started"]

FOLLOW_SECONDS = 0.05


@dataclass
class Handle:
    """One running server or service instance; its addresses raise `LabError` once it has died by itself."""

    name: str
    environment: dict[str, str] = field(repr=False)
    """What clients need to find it, e.g. CONSUL_HTTP_ADDR."""
    addresses: dict[str, str]
    """Address by role, the main one first."""
    grace_seconds: float = 5.0
    process: Process | None = None
    """None for a server that the user runs."""
    seconds: float = 0.0
    note: str = ""
    ports: dict[str, Reservation] = field(default_factory=dict, repr=False)
    ended: bool = False
    """Stopped or killed on purpose."""
    stop_signal: signal.Signals = signal.SIGTERM
    folder: Path | None = None
    """Where it keeps its files: its database, the configuration that it was given."""
    unshared: frozenset[str] = frozenset()
    """Those of its variables that no service is given unasked."""
    operator_token: str = field(default="", repr=False)
    """What opens the operator routes of a service; "" for everything else."""
    kill_expected: bool = False
    """A fault was ordered that ends it by SIGKILL at some later moment: that death is no loss."""
    outlives_services: bool = False
    """Stopped only after the services, which reach each other through it."""

    @property
    def url(self) -> str:
        """Its main address: an HTTP URL, REDIS_URL, or Kafka's bootstrap servers."""
        self.check()
        return next(iter(self.addresses.values()))

    @property
    def grpc_target(self) -> str:
        """`host:port` of its gRPC server. Raises `LabError` when it has none."""
        self.check()
        if "grpc" not in self.addresses:
            raise LabError(f"{self.name} has no gRPC port")
        return self.addresses["grpc"]

    @property
    def pid(self) -> int:
        """Its process id. Raises `LabError` for a server that the user runs."""
        return self._own_process().pid

    @property
    def log_path(self) -> Path:
        """The file with all that it printed."""
        return self._own_process().log_path

    @property
    def alive(self) -> bool:
        """Whether its process runs (a server that the user runs counts as alive)."""
        return self.process is None or self.process.alive

    def port(self, role: str = "http") -> int:
        """Its port for a role. Raises `LabError` for a role that it doesn't have."""
        self.check()
        if role not in self.ports:
            raise LabError(
                f"{self.name} has no port {role!r}; it has {', '.join(self.ports) or 'none of ours'}"
            )
        return self.ports[role].port

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it printed."""
        return self._own_process().log_tail(lines)

    async def follow(self, timeout_seconds: float = 10.0) -> AsyncIterator[dict[str, Any]]:
        """Its log as it is written, from the beginning, one JSON record at a time; other lines are left out.

        Ends when it has been stopped. Raises TimeoutError when no line comes for `timeout_seconds`.
        """
        with self.log_path.open(encoding="utf-8", errors="replace") as log:
            heard = time.monotonic()
            unfinished = ""
            while True:
                # Read before asking whether it lives, so that its last words aren't missed.
                alive = self.alive
                unfinished += log.readline()
                if unfinished.endswith("\n"):
                    heard, line, unfinished = time.monotonic(), unfinished, ""
                    if line.startswith("{"):
                        yield json.loads(line)
                elif not alive:
                    return
                elif time.monotonic() - heard > timeout_seconds:
                    raise TimeoutError(f"{self.name} has printed nothing for {timeout_seconds:g} s")
                else:
                    await asyncio.sleep(FOLLOW_SECONDS)

    def check(self) -> None:
        """Raise `LabError`, with the end of its log, when it has died by itself."""
        if self.process is None or self.ended or self.process.alive:
            return
        if not (self.kill_expected and self.process.exit_code == -signal.SIGKILL):
            raise LabError.died(self.process, "while the chapter was using it")

    async def stop(self, grace_seconds: float | None = None) -> int | None:
        """Ask it to drain and end (SIGTERM; SIGQUIT for nginx); SIGKILL after the grace. Idempotent.

        Returns the exit code.
        """
        self.ended = True
        try:
            grace = self.grace_seconds if grace_seconds is None else grace_seconds
            return await self.process.stop(grace, self.stop_signal) if self.process else None
        finally:
            self.rest()

    async def kill(self) -> int | None:
        """SIGKILL: it ends as in a crash. Returns the exit code."""
        self.ended = True
        try:
            return await self.process.kill() if self.process else None
        finally:
            self.rest()

    def rest(self) -> None:
        """Use its ports no more; they stay the lab's, for when it is started again. Idempotent."""
        for reservation in self.ports.values():
            reservation.rest()

    def _own_process(self) -> Process:
        if self.process is None:
            where = next(iter(self.addresses.values()))
            raise LabError(f"{self.name} at {where} is your own server; the lab has no process of it")
        return self.process


class Started(list[Handle]):
    """What a start has brought up; shows itself as a table."""

    def __repr__(self) -> str:
        rows = [("name", "pid", "address", "seconds", "note"), *self._rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        return "\n".join(
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th style='text-align:left'>{cell}</th>"
            for cell in ("name", "pid", "address", "seconds", "note")
        )
        body = "".join(
            "<tr>"
            + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row)
            + "</tr>"
            for row in self._rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _rows(self) -> list[tuple[str, str, str, str, str]]:
        return [
            (
                each.name,
                str(each.process.pid) if each.process else "yours",
                ", ".join(each.addresses.values()),
                f"{each.seconds:.2f}",
                each.note,
            )
            for each in self
        ]
