"""Long steps that visibly live: heartbeats, and programs that end when their starter does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from workbook_lib.lab.provision.model import Report

__all__ = ["Heartbeat", "StepFailed", "guarded", "run_step", "tail"]

_END_SECONDS = 20.0
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
        seen = f": {elapsed:.0f} s{', ' if detail else ''}{detail}" if self._next else ""
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
    with guarded(argv, log, env=env, cwd=cwd) as process:
        code = _wait(process, heartbeat, log, timeout_seconds, activity)
    printed = log.read_text(errors="replace")
    if code is None:
        raise StepFailed(f"it took longer than {timeout_seconds:.0f} s", tail(printed))
    if code != 0:
        raise StepFailed(f"{Path(argv[0]).name} exited with code {code}", tail(printed))
    return printed


@contextmanager
def guarded(
    argv: list[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs at most as long as the block and as this process; its output goes to `log`.

    `terminate` asks the program itself to end; leaving the block kills what is left of it.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", str(_GUARD), *argv],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=env,
            start_new_session=True,  # Ctrl-C reaches the starter alone, which then ends the block
        )
    try:
        yield process
    finally:
        try:
            process.communicate(timeout=_END_SECONDS)  # closes standard input: the guard then ends all
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=_END_SECONDS)


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


def tail(printed: str, lines: int = 6) -> str:
    """The last lines that aren't blank."""
    return "\n".join([line for line in printed.splitlines() if line.strip()][-lines:])
