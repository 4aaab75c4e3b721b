"""Long steps that visibly live: heartbeats, and programs that end when their starter does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from workbook_lib.lab.provision.model import Report

__all__ = ["Heartbeat", "StepFailed", "run_step"]

_GUARD = Path(__file__).with_name("guard.py")


class StepFailed(RuntimeError):
    """A program that a step ran failed or took too long; `tail` is the end of what it printed."""

    def __init__(self, cause: str, tail: str) -> None:
        super().__init__(cause)
        self.tail = tail


class Heartbeat:
    """Reports that a step has started, and again every few seconds while it lasts."""

    def __init__(self, what: str, report: Report) -> None:
        self._what = what
        self._report = report
        self._started = time.monotonic()
        self._next = 0.0

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the step started."""
        return time.monotonic() - self._started

    def beat(self, detail: str = "") -> None:
        """Report, when it is time to: at once, after 5 s, and then every 5 to 15 s."""
        elapsed = self.elapsed_seconds
        if elapsed < self._next:
            return
        seen = f" ({elapsed:.0f} s{', ' if detail else ''}{detail})" if self._next else ""
        self._report(self._what + seen)
        self._next = elapsed + (5.0 if elapsed < 30 else 15.0)


def run_step(
    argv: list[str],
    what: str,
    report: Report,
    *,
    log: Path,
    timeout_seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    activity: Callable[[str], str] = lambda _: "",
) -> str:
    """Run a program to its end with heartbeats and return what it printed.

    Its output goes to `log`, from which `activity` makes each heartbeat's detail. Raises `StepFailed`
    when it exits with another code than 0 or runs for longer than `timeout_seconds`. Whatever becomes
    of this process, the program and its children end with it.
    """
    heartbeat = Heartbeat(what, report)
    heartbeat.beat()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(_GUARD), *argv],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env) if env is not None else dict(os.environ),
        )
    try:
        code = _wait(process, heartbeat, log, timeout_seconds, activity)
    finally:
        _end(process)
    printed = log.read_text(errors="replace")
    if code is None:
        raise StepFailed(f"it took longer than {timeout_seconds:.0f} s", _tail(printed))
    if code != 0:
        raise StepFailed(f"{Path(argv[0]).name} exited with code {code}", _tail(printed))
    return printed


def _wait(
    process: subprocess.Popen[bytes],
    heartbeat: Heartbeat,
    log: Path,
    timeout_seconds: float,
    activity: Callable[[str], str],
) -> int | None:
    while heartbeat.elapsed_seconds < timeout_seconds:
        try:
            return process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            heartbeat.beat(activity(log.read_text(errors="replace")))
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    # The guard ends its program when its standard input closes.
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def _tail(printed: str, lines: int = 6) -> str:
    return "\n".join([line for line in printed.splitlines() if line.strip()][-lines:])
