"""One container as a real process of this machine: started, probed, started again, ended."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import httpx2
from lightkube import ApiError
from lightkube.models.core_v1 import Container, Probe

from workbook_lib.kit.logs import get_logger
from workbook_lib.lab import in_folder
from workbook_lib.lab.kubernetes.environment import ConfigError, expand
from workbook_lib.lab.kubernetes.probes import Prober
from workbook_lib.lab.kubernetes.status import ContainerState
from workbook_lib.lab.processes import Process, ProcessError, Supervisor

__all__ = ["IMAGE", "BackOff", "Host", "RunningContainer", "command_line"]

IMAGE = "microservices-workbook"
"""The repository of the one image that a process node "has": this checkout, whatever its tag."""

MESSAGE_LINES, MESSAGE_BYTES = 8, 2048
CONFIG_AGAIN_SECONDS = 0.5
FOREVER = 1e9

_log = get_logger(__name__)


@dataclass(frozen=True)
class Host:
    """What the machine gives to containers."""

    supervisor: Supervisor
    environ: Mapping[str, str]
    """What every process has besides its pod's variables: where programs and our packages are, no more."""


class BackOff:
    """How long to wait before the next start: at once, then 1 s, 2 s, 4 s … 16 s.

    The kubelet waits 10 s, 20 s … 300 s; a reader would watch nothing for minutes. As there, one that has run
    for a while (here a minute) begins anew.
    """

    def __init__(self, first_seconds: float = 1.0, most_seconds: float = 16.0) -> None:
        self._first, self._most = first_seconds, most_seconds
        self._next = 0.0

    def after(self, ran_seconds: float) -> float:
        """The wait after a run of so many seconds."""
        if ran_seconds > 60:
            self._next = 0.0
        wait, self._next = self._next, min(self._most, self._next * 2 or self._first)
        return wait


def command_line(container: Container, variables: Mapping[str, str]) -> list[str]:
    """The process's command. The image's entrypoint is `python`, as in deploy/Dockerfile.

    Raises `ConfigError` when neither a command nor arguments are given.
    """
    words = [*(container.command or ("python",)), *(container.args or ())]
    if len(words) == 1 and not container.command:
        raise ConfigError(f"container {container.name!r} names no service: give it a command or args")
    program, *rest = (expand(word, variables) for word in words)
    return [sys.executable if program in {"python", "python3"} else program, *rest]


class RunningContainer:
    """Keeps one container of a pod running as its restart policy says, until `stop`."""

    def __init__(
        self,
        spec: Container,
        host: Host,
        address: str,
        folder: Path,
        *,
        variables: Callable[[Container], Awaitable[dict[str, str]]],
        changed: Callable[[], None],
        restart_policy: str = "Always",
        grace_seconds: float = 30.0,
        restarts: int = 0,
    ) -> None:
        self.spec = spec
        self.state = ContainerState(spec.name, spec.image or "", restarts=restarts)
        self.process: Process | None = None
        self._host, self._address, self._folder, self._work = host, address, folder, folder / "work"
        self._variables, self._changed = variables, changed
        self._restart_policy, self._grace_seconds = restart_policy, grace_seconds
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._prober = Prober(spec, address, self._run_command)
        self._environment: dict[str, str] = {}
        self._giving_up: asyncio.Task[int | None] | None = None

    @property
    def log_path(self) -> Path:
        """What the present or last process has printed."""
        return self._folder / f"{self.state.restarts}.log"

    async def run(self) -> None:
        """Until it has ended for good, or was stopped."""
        try:
            back_off = BackOff()
            while not self._stopping.is_set():
                began = monotonic()
                code = await self._once()
                if code is None or self._stopping.is_set() or not self._starts_again(code):
                    return
                wait = back_off.after(monotonic() - began)
                if wait:
                    said = self.state.message
                    self.state.wait(
                        "CrashLoopBackOff",
                        f"back-off {wait:g}s restarting failed container; {said}".strip("; "),
                    )
                    self._changed()
                    await self._stopped_within(wait)
                self.state.restarts += 1
        finally:
            self._ended.set()

    def start_no_more(self) -> None:
        """Let what runs run on, and start nothing."""
        self._stopping.set()

    async def stop(self, grace_seconds: float) -> None:
        """preStop, SIGTERM, and SIGKILL once `grace_seconds` have passed since the beginning. Idempotent."""
        self._stopping.set()
        began = monotonic()
        if self.process is not None and self.process.alive:
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._before_stop()
            except TimeoutError:
                _log.warning("preStop took longer than the grace period", container=self.spec.name)
            # The kubelet, too, grants two seconds to a container whose hook has used up all its grace.
            left = max(min(2.0, grace_seconds), grace_seconds - (monotonic() - began))
            await self.process.stop(left)
        await self._ended.wait()

    async def kill(self) -> None:
        """SIGKILL, and no new start."""
        self._stopping.set()
        if self.process is not None:
            await self.process.kill()
        await self._ended.wait()

    async def _once(self) -> int | None:
        """Start it and wait for its end; None when it was stopped before it could be started."""
        while not self._stopping.is_set():
            try:
                self.process = await self._start()
                break
            except (ConfigError, ApiError, httpx2.HTTPError) as error:
                self._wait("CreateContainerConfigError", str(error))
            except ProcessError as error:
                self._wait("RunContainerError", str(error))
            except _NoImage as error:
                self._wait("ErrImagePull", str(error))
            await self._stopped_within(CONFIG_AGAIN_SECONDS)
        else:
            return None
        if self._stopping.is_set():  # while it was being started: whoever stops it saw no process yet
            await self.process.kill()
            return None
        self.state.run(datetime.now(UTC))
        self._changed()
        code = await self._watched(self.process)
        self.state.end(code, datetime.now(UTC), self._last_words())
        _log.info("container ended", container=self.spec.name, how=self.state.said())
        self._changed()
        return code

    async def _start(self) -> Process:
        repository = self.state.image.rpartition("/")[2].partition(":")[0].partition("@")[0]
        if repository != IMAGE:
            raise _NoImage(
                f"{self.state.image!r} can't be pulled: a process node runs commands of {IMAGE!r} only"
            )
        variables = await self._variables(self.spec)
        self._environment = {**self._host.environ, **variables}
        argv = command_line(self.spec, variables)
        # Its working folder lives as long as the pod, as an emptyDir does. Nothing else is mounted.
        self._work.mkdir(parents=True, exist_ok=True)
        folder, forked = self._work, argv[:2] == [sys.executable, "-m"] and argv[2].startswith("services.")
        if forked:
            argv[2:2] = [in_folder.__name__, str(folder.resolve())]
            folder = Path.cwd()
            await self._host.supervisor.prepared()
        return await asyncio.to_thread(
            self._host.supervisor.spawn,
            self.spec.name,
            argv,
            env=self._environment,
            cwd=folder,
            log=self.log_path,
            fork=forked,
        )

    async def _watched(self, process: Process) -> int:
        probing = asyncio.create_task(self._probe(process))
        try:
            while (code := await process.wait(FOREVER)) is None:
                pass
            return code
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)

    async def _probe(self, process: Process) -> None:
        """The startup probe until it has passed, then readiness and liveness side by side."""
        if self.spec.startupProbe:
            started = asyncio.Event()

            def told(well: bool, why: str) -> None:
                started.set() if well else self._give_up(process, f"startup probe failed: {why}")

            watching = asyncio.create_task(self._prober.watch(self.spec.startupProbe, told))
            try:
                await started.wait()
            finally:
                watching.cancel()
        self.state.started = True
        self.state.ready = self.spec.readinessProbe is None
        self._changed()
        async with asyncio.TaskGroup() as probes:
            if self.spec.readinessProbe:
                probes.create_task(self._prober.watch(self.spec.readinessProbe, self._set_ready))
            if self.spec.livenessProbe:
                probes.create_task(
                    self._prober.watch(
                        self.spec.livenessProbe,
                        lambda well, why: (
                            None if well else self._give_up(process, f"liveness probe failed: {why}")
                        ),
                    )
                )

    def _set_ready(self, well: bool, why: str) -> None:
        if well != self.state.ready:
            self.state.ready = well
            _log.info("readiness", container=self.spec.name, ready=well, cause=why)
            self._changed()

    def _give_up(self, process: Process, why: str) -> None:
        """End it, so that it is started again. Not while it is stopped: it may be slow to answer then."""
        under_way = self._giving_up is not None and not self._giving_up.done()
        if not self._stopping.is_set() and process.alive and not under_way:
            _log.warning("container given up", container=self.spec.name, cause=why)
            self._giving_up = asyncio.create_task(process.stop(self._grace_seconds))

    async def _before_stop(self) -> None:
        hook = self.spec.lifecycle.preStop if self.spec.lifecycle else None
        if hook is None:
            return
        if hook.sleep:
            await self._ended_within(hook.sleep.seconds)
        elif hook.exec:
            await self._run_command(list(hook.exec.command or ()))
        elif hook.httpGet:
            await self._prober.ask(Probe(httpGet=hook.httpGet, timeoutSeconds=int(FOREVER)))

    async def _run_command(self, command: list[str]) -> str | None:
        """A hook's or a probe's command; None when it ended with 0."""
        program = sys.executable if command[:1] in (["python"], ["python3"]) else (command[:1] or [""])[0]
        child = await asyncio.create_subprocess_exec(
            program,
            *command[1:],
            env=self._environment,
            cwd=self._work,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            code = await child.wait()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return None if code == 0 else f"command ended with {code}"

    def _starts_again(self, code: int) -> bool:
        return self._restart_policy == "Always" or (self._restart_policy == "OnFailure" and code != 0)

    def _wait(self, reason: str, message: str) -> None:
        if (self.state.phase, self.state.reason, self.state.message) != ("waiting", reason, message):
            self.state.wait(reason, message)
            self._changed()

    async def _stopped_within(self, seconds: float) -> None:
        await _set_within(self._stopping, seconds)

    async def _ended_within(self, seconds: float) -> None:
        await _set_within(self._ended, seconds)

    def _last_words(self) -> str:
        """The end of its log (terminationMessagePolicy: FallbackToLogsOnError)."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - MESSAGE_BYTES))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-MESSAGE_LINES:])
        except OSError:
            return ""


class _NoImage(Exception):
    """The image isn't the one that a process node has."""


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
