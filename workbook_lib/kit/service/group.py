"""Several services as one process group, for machines with little memory.

`python -m workbook_lib.kit.service.group services.inventory services.orders …` imports what all of them need
and forks one process a service: each keeps its own settings, port, log and database, and ends alone, while
the libraries are in memory once. Callees come first: the group is stopped in reverse order, so that whoever
drains can still call. A service that ends is forked again, after a pause; one that fails five times in a row
as soon as it has started ends the group, so that whoever runs it hears of that.
"""

import contextlib
import ctypes
import gc
import importlib
import math
import os
import runpy
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Final

from workbook_lib.kit import logs

__all__ = ["ServiceGroup", "main"]

FIRST_PAUSE_SECONDS: Final = 0.5
SETTLED_SECONDS: Final = 10.0
"""Whoever has run for so long isn't one that can't start."""
MOST_IN_A_ROW: Final = 5
STOP_SECONDS: Final = 15.0
"""A service's own grace is shorter; then it is killed."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PR_SET_PDEATHSIG: Final = 1


class _Forked(Exception):
    """This is the new process, and it is to run `module`."""

    def __init__(self, module: str) -> None:
        super().__init__(module)
        self.module = module


class ServiceGroup:
    """Modules that are run as `python -m` would, one forked process each. Made and run by `main`.

    It has one thread and no event loop: what a fork inherits has to be nothing but imports.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._running: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._in_a_row = dict.fromkeys(self._modules, 0)
        self._due: dict[str, float] = {}
        self._log = logs.get_logger(__name__)

    def run(self) -> int:
        """Until a signal, or a service that can't be kept up, ends it: the exit code."""
        gc.collect()
        gc.freeze()  # a collection in a fork would write to, and so copy, every page that they share
        self._due = dict.fromkeys(self._modules, 0.0)
        try:
            with _signals() as heard:
                return self._watch(heard)
        except _Forked as fork:
            module = fork.module
        # In the new process, with nothing of the group's left on the stack.
        sys.argv = [module]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return 0

    def _watch(self, heard: int) -> int:
        while True:
            for module in [name for name, due in self._due.items() if due <= time.monotonic()]:
                del self._due[module]
                self._fork(module)
            pause = min(self._due.values(), default=math.inf) - time.monotonic()
            select.select([heard], [], [], None if pause == math.inf else max(0.0, pause))
            received = _read(heard)
            if {signal.SIGTERM, signal.SIGINT} & received:
                self._stop()
                return 0
            if not all(self._has_ended(module, code) for module, code in self._ended()):
                self._stop()
                return 1

    def _fork(self, module: str) -> None:
        """Start it. Raises _Forked in the new process."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            _die_with(parent)
            raise _Forked(module)
        self._running[module], self._started[module] = pid, time.monotonic()

    def _ended(self) -> list[tuple[str, int]]:
        found = []
        for module, pid in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._running[module]
                found.append((module, os.waitstatus_to_exitcode(status)))
        return found

    def _has_ended(self, module: str, code: int) -> bool:
        """Plan its next start; False when that is of no use any more."""
        if code == 0:  # it was asked to, and has drained
            self._in_a_row[module] = 0
        elif time.monotonic() - self._started[module] >= SETTLED_SECONDS:
            self._in_a_row[module] = 1
        else:
            self._in_a_row[module] += 1
        pause = FIRST_PAUSE_SECONDS * 2 ** (self._in_a_row[module] - 1)
        again = self._in_a_row[module] < MOST_IN_A_ROW
        self._log.error("service ended", module=module, code=code, started_again_in=pause if again else None)
        self._due[module] = time.monotonic() + pause
        return again

    def _stop(self) -> None:
        for module in reversed(self._modules):
            if (pid := self._running.pop(module, None)) is not None:
                os.kill(pid, signal.SIGTERM)
                _end(pid)


def main() -> int:
    """The group of the modules in `sys.argv`; the exit code, which is 2 without any."""
    modules = sys.argv[1:]
    if not modules:
        print("usage: python -m workbook_lib.kit.service.group MODULE…", file=sys.stderr)
        return 2
    logs.configure("service-group", f"service-group-{os.getpid()}")
    for module in modules:
        importlib.import_module(f"{module}.app")
    return ServiceGroup(modules).run()


@contextlib.contextmanager
def _signals() -> Iterator[int]:
    """Signals become bytes to read, so that none is missed between two looks."""
    heard, tell = os.pipe()
    os.set_blocking(heard, False)
    os.set_blocking(tell, False)

    def noted(_number: int, _frame: FrameType | None) -> None:
        """What matters is the byte."""

    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, noted)
    try:
        yield heard
    finally:
        os.close(heard)
        os.close(tell)


def _read(heard: int) -> set[int]:
    with contextlib.suppress(BlockingIOError):
        return set(os.read(heard, 4096))
    return set()


def _die_with(parent: int) -> None:
    """Linux: when the parent dies of SIGKILL, its children are told to stop."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def _end(pid: int) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
