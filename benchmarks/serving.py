"""A server under measure: a process of its own, ready when it answers, with the time and memory it takes."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import psutil

from workbook_lib.lab.ports import PortAllocator, PortRequest
from workbook_lib.lab.provision.progress import guarded, tail

__all__ = ["Served", "all_served", "python", "served"]

READY_SECONDS = 60.0
AT_ONCE = 4
# What would make a service of the kit export, register or read settings that the measure doesn't know.
OURS = ("OTEL_", "CONSUL_", "DATABASE_URL", "REDIS_URL", "KAFKA_")


@dataclass(frozen=True)
class Served:
    """A running server and what it takes, its child processes included."""

    url: str
    log: Path
    _guard: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far, in user and kernel mode."""
        times = [process.cpu_times() for process in self._processes]
        return sum(each.user + each.system for each in times)

    @property
    def memory_mb(self) -> float:
        """Resident memory now; pages that its processes share count once where the system tells (Linux)."""
        full = [process.memory_full_info() for process in self._processes]
        return sum(getattr(each, "pss", each.rss) for each in full) / 1e6

    @property
    def processes(self) -> int:
        """How many processes it consists of."""
        return len(self._processes)

    @property
    def _processes(self) -> list[psutil.Process]:
        return self._guard.children(recursive=True)


@contextmanager
def served(command: Sequence[str], path: str = "/", env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Run a server as long as the block (and this process) lasts; `{port}` in `command` becomes a free port.

    It is ready when `path` answers with anything below 500. Raises RuntimeError with the end of what it
    printed when it ends or isn't ready in time.
    """
    reserved = PortAllocator().reserve(PortRequest("server"))
    argv = [part.replace("{port}", str(reserved.port)) for part in command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    with ExitStack() as ending:
        ending.callback(reserved.release)
        log = Path(ending.enter_context(tempfile.TemporaryDirectory())) / "log"
        reserved.hand_over()
        with guarded(argv, log, env=environment | dict(env or {})) as process:
            url = f"http://127.0.0.1:{reserved.port}"
            _wait_until_ready(process, url + path, log)
            yield Served(url, log, psutil.Process(process.pid))


def all_served(
    running: ExitStack, starting: Mapping[str, AbstractContextManager[Served]]
) -> dict[str, Served]:
    """Start several at a time; all end with `running`, also those of a start that fails."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(starting, pool.map(running.enter_context, starting.values()), strict=True))


def python(module: str, *arguments: str) -> list[str]:
    """The command of a module of ours."""
    return [sys.executable, "-m", module, *arguments]


def _wait_until_ready(process: Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - always http on loopback
                answer.read()
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} isn't ready:\n{tail(log.read_text(errors='replace'), 20)}")
