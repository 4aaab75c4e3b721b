"""Child processes that can't outlive this one: the client of `workbook_lib.lab.supervisor`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, cast

from workbook_lib.lab import seed, supervisor

__all__ = ["Process", "ProcessError", "Supervisor"]

ANSWER_SECONDS = 5.0  # an answer takes milliseconds; beyond this the supervisor is broken
POLL_SECONDS = 0.02
KILL_SECONDS = 10.0  # an end takes milliseconds; a busy machine tells of it when it can
PREPARE_SECONDS = 20.0  # as long as a busy machine needs for the imports; services start without it as well
TERMINATE = signal.SIGTERM


_CAN_FORK = sys.platform.startswith("linux")


class ProcessError(RuntimeError):
    """A program couldn't be started, or the supervisor is gone; the message says which and why."""


class Process:
    """A program started by a `Supervisor`, in a process group of its own, its output in `log_path`."""

    def __init__(self, link: _Link, name: str, argv: Sequence[str], log_path: Path) -> None:
        self.name = name
        self.argv = list(argv)
        self.log_path = log_path
        self.pid = 0
        self.start_time = ""
        self._exit_code: int | None = None
        self._link = link

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for the signal that ended it; None while it runs."""
        if self._exit_code is None and not self._link.alive:
            return -int(signal.SIGKILL)  # the kernel killed it together with its supervisor
        return self._exit_code

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.exit_code is None

    def signal(self, number: int) -> None:
        """Send a signal to the whole process group; nothing happens when it has ended."""
        if self.alive:
            self._link.send({"op": "signal", "pid": self.pid, "signal": int(number)})

    async def wait(self, timeout_seconds: float) -> int | None:
        """Wait for its end; the exit code, or None when it still runs after `timeout_seconds`."""
        deadline = time.monotonic() + timeout_seconds
        while self.alive and time.monotonic() < deadline:  # noqa: ASYNC110 - an Event belongs to one loop
            await asyncio.sleep(POLL_SECONDS)
        return self.exit_code

    async def stop(self, grace_seconds: float = 5.0, number: int = TERMINATE) -> int | None:
        """`number`, and SIGKILL for what is left after `grace_seconds`; returns the exit code. Idempotent."""
        self.signal(number)
        try:
            await self.wait(grace_seconds)
        finally:
            self.signal(signal.SIGKILL)
        return await self.wait(KILL_SECONDS)

    async def kill(self) -> int | None:
        """SIGKILL to the whole process group; returns the exit code. Idempotent."""
        self.signal(signal.SIGKILL)
        return await self.wait(KILL_SECONDS)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it printed."""
        with contextlib.suppress(OSError), self.log_path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 400 * lines))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        return ""


class Supervisor:
    """Starts programs and guarantees their end: at `close`, and whenever this process ends in any way.

    `log` takes what the supervisor itself has to say. `grace_seconds` is what programs get between SIGTERM
    and SIGKILL once this process is gone; an outer supervisor needs a longer one than those within. `watch`
    names a process that this one must not outlive (papermill, for a notebook's kernel). Threads and event
    loops of this process may share it. Nothing is started before the first `spawn`.
    """

    def __init__(
        self,
        log: Path,
        *,
        grace_seconds: float = 0.6,
        watch: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.log_path = log
        self._env = dict(os.environ if env is None else env)
        self._arguments = [str(grace_seconds)]
        self._watch = watch
        self._link: _Link | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def alive(self) -> bool:
        """Whether it runs (also True before the first `spawn`)."""
        return self._link is None or self._link.alive

    @property
    def pid(self) -> int | None:
        """Process id of the supervisor; None before the first `spawn`."""
        return self._link.popen.pid if self._link else None

    def spawn(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        fork: bool = False,
    ) -> Process:
        """Start a program with exactly this environment; takes milliseconds. Raises `ProcessError`.

        With `fork` a `python -m` is forked from what `prepare` has prepared, as far as it is.
        """
        words = [str(word) for word in argv]
        link = self._started()
        process = Process(link, name, words, log)
        log.parent.mkdir(parents=True, exist_ok=True)
        request: dict[str, object] = {
            "op": "spawn",
            "argv": words,
            "env": dict(env),
            "cwd": str(cwd),
            "log": str(log),
            "fork": fork,
        }
        answer = link.ask(request, process)
        if answer.get("event") != "spawned":
            raise ProcessError(f"{name} couldn't be started: {answer.get('error', 'the supervisor ended')}")
        return process

    def has_imported(self, modules: Sequence[str]) -> bool:
        """Whether to `prepare` them costs nothing: it was forked from a process that has imported them.

        Raises `ProcessError`.
        """
        return isinstance(self._started().popen, seed.Sprout) and seed.supervisor_has(modules)

    def prepare(self, modules: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Let a Python import these modules, from which programs in `cwd` can be forked; returns at once.

        Only the first call does something, and only on Linux. Raises `ProcessError`.
        """
        link = self._started()
        with self._lock:
            if link.prepared is not None:
                return
            link.prepared = not _CAN_FORK
        if _CAN_FORK:
            script = str(Path(supervisor.__file__).with_name("template.py"))
            argv = [sys.executable, "-P", script, str(link.popen.pid), *modules]
            where = {"cwd": str(cwd), "log": str(self.log_path)}
            link.send({"op": "prepare", "argv": argv, "env": dict(env), **where})

    async def prepared(self, timeout_seconds: float = PREPARE_SECONDS) -> None:
        """Wait until what `prepare` was asked for is there, has failed, or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        while self._link and self._link.alive and self._link.prepared is False:
            if time.monotonic() >= deadline:
                return
            await asyncio.sleep(POLL_SECONDS)

    def close(self) -> None:
        """End every program (SIGTERM, grace, SIGKILL) and the supervisor itself. Idempotent, bounded."""
        with self._lock:
            self._closed = True
            if self._link is not None:
                self._link.close()

    def _started(self) -> _Link:
        with self._lock:
            if self._closed:
                raise ProcessError("this supervisor was closed")
            if self._link is None:
                self._link = _Link(self._launch())
                weakref.finalize(self, self._link.close)
            if not self._link.alive:
                raise ProcessError(
                    f"the supervisor has died, and everything it held with it; see {self.log_path}"
                )
            return self._link

    def _launch(self) -> subprocess.Popen[bytes] | seed.Sprout:
        identities = [supervisor.identity(pid) for pid in (os.getpid(), self._watch) if pid]
        if None in identities:
            raise ProcessError(f"the process to watch ({self._watch}) is gone")
        watched = [f"{pid}:{start}" for pid, start in filter(None, identities)]
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        # Isolated and without site: up in 20 ms, and nothing can shadow the standard library.
        argv = [sys.executable, "-I", "-S", supervisor.__file__, *self._arguments, *watched]
        with self.log_path.open("ab") as log:
            if planted := seed.take_supervisor():
                with contextlib.suppress(OSError):
                    return planted.sprout(
                        argv, env=self._env, cwd=Path.cwd(), stdout=subprocess.PIPE, stderr=log.fileno()
                    )
            return subprocess.Popen(
                argv,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )


class _Link:
    """The two pipes to a running supervisor, and the thread that reads its events."""

    def __init__(self, popen: subprocess.Popen[bytes] | seed.Sprout) -> None:
        self.popen = popen
        self.alive = True
        self.prepared: bool | None = None
        """Whether the template's preparation is over, well or not; None before it was asked for."""
        self._stdin = cast("IO[bytes]", popen.stdin)
        self._stdout = cast("IO[bytes]", popen.stdout)
        self._owner_pid = os.getpid()
        self._numbers = itertools.count(1)
        self._asked: dict[int, tuple[threading.Event, dict[str, object], Process]] = {}
        self._running: dict[int, Process] = {}
        self._write_lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="supervisor-events", daemon=True)
        self._reader.start()

    def send(self, request: dict[str, object]) -> None:
        try:
            with self._write_lock:
                self._stdin.write(json.dumps(request).encode() + b"\n")
                self._stdin.flush()
        except (OSError, ValueError) as error:
            raise ProcessError(f"the supervisor (pid {self.popen.pid}) has died: {error}") from None

    def ask(self, request: dict[str, object], process: Process) -> dict[str, object]:
        number = next(self._numbers)
        answered, answer = threading.Event(), dict[str, object]()
        self._asked[number] = (answered, answer, process)
        self.send({**request, "id": number})
        answered.wait(ANSWER_SECONDS)
        return answer

    def close(self) -> None:
        if os.getpid() != self._owner_pid:  # a fork of this process owns nothing
            return
        with contextlib.suppress(OSError), self._write_lock:
            self._stdin.close()
        try:
            self.popen.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(ANSWER_SECONDS)
        if threading.current_thread() is not self._reader:
            self._reader.join(ANSWER_SECONDS)

    def _read(self) -> None:
        with self._stdout:
            for line in self._stdout:
                self._on_event(json.loads(line))
        self.alive = False
        for answered, _, _ in list(self._asked.values()):
            answered.set()

    def _on_event(self, event: dict[str, object]) -> None:
        if event["event"] == "exit":
            if process := self._running.pop(int(str(event["pid"])), None):
                process._exit_code = int(str(event["code"]))
            return
        if event["event"] == "prepared":
            self.prepared = True
            return
        answered, answer, process = self._asked.pop(int(str(event["id"])))
        answer.update(event)
        if event["event"] == "spawned":
            process.pid, process.start_time = int(str(event["pid"])), str(event["start"])
            self._running[process.pid] = process
        answered.set()
