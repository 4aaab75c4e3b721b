"""What the lab's tests share: finding processes by the mark that they inherit, and waiting with a bound."""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import psutil
import pytest

MARK = "WORKBOOK_TEST_MARK"


class Marked:
    """All live processes that inherited this test's mark, at any depth and in any session."""

    def __init__(self) -> None:
        self.value = uuid.uuid4().hex

    @property
    def env(self) -> dict[str, str]:
        return {MARK: self.value}

    def processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._carries(process)]

    def pids(self) -> list[int]:
        return [process.pid for process in self.processes()]

    def _carries(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.value
        except (psutil.Error, OSError):
            return False


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Marked]:
    """A mark in this process's environment, inherited by everything that the test starts."""
    mark = Marked()
    monkeypatch.setenv(MARK, mark.value)
    yield mark
    for process in mark.processes():
        with contextlib.suppress(psutil.NoSuchProcess):  # it was just ending
            process.kill()


@pytest.fixture
def until() -> Callable[..., float]:
    """Wait until a condition holds; returns the seconds it took, fails the test after the bound."""

    def wait(condition: Callable[[], object], seconds: float, what: str = "") -> float:
        started = time.monotonic()
        while not condition():
            assert time.monotonic() - started < seconds, f"not within {seconds} s: {what or condition}"
            threading.Event().wait(0.01)
        return time.monotonic() - started

    return wait
