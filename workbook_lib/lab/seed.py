"""Processes forked in advance, for what is started when its starter has threads and can't be forked any more.

Importing takes a kernel and a lab's services seconds of CPU. A process that has imported, and still has one
thread, plants a seed: a fork of itself that waits. Told what to be, it becomes that within milliseconds: a
child of its planter, in a session of its own, with the arguments, environment and descriptors of a program
that is executed. Unused, it ends with its planter. Linux only, as `workbook_lib.lab.template` is.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NoReturn, cast

from workbook_lib.lab import supervisor, template

__all__ = ["Seed", "Sprout", "fits", "plant", "plant_supervisor", "supervisor_has", "take_supervisor"]

IMPORTED_AT = time.time()
"""What is imported from now on is in memory as its files were; to be imported before all the rest."""
WAIT_SECONDS = 0.02
_early = {name: value for name, value in os.environ.items() if name.startswith(template.READ_EARLY)}
_planted: list[Seed] = []
_imported: set[str] = set()


class Sprout:
    """A child that was forked: as much of `subprocess.Popen` as its starters use."""

    def __init__(self, pid: int, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = None
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code once it has ended. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired([], timeout or 0)
            time.sleep(WAIT_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Seed:
    """A fork that waits to be told what to be; made by `plant`."""

    def __init__(self, pid: int, link: socket.socket) -> None:
        self.planter = os.getpid()
        self._pid = pid
        self._link = link

    def sprout(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | os.PathLike[str],
        stdout: int = 1,
        stderr: int = 2,
    ) -> Sprout:
        """Let it become the program `argv`, with a pipe for its input and, for stdout=PIPE, its output.

        To be called once. Raises OSError when it has died.
        """
        stdin, ours = os.pipe()
        said, told = os.pipe() if stdout == subprocess.PIPE else (None, os.dup(stdout))
        try:
            with self._link:
                order = {"argv": list(argv), "env": dict(env), "cwd": os.fspath(cwd)}
                data = json.dumps(order).encode() + b"\n"
                sent = socket.send_fds(self._link, [data], [stdin, told, stderr])
                if rest := data[sent:]:  # once it has all, it may have hung up
                    self._link.sendall(rest)
        except OSError:
            os.close(ours)
            if said is not None:
                os.close(said)
            raise
        finally:
            os.close(stdin)
            os.close(told)
        answers = os.fdopen(said, "rb") if said is not None else None
        return Sprout(self._pid, os.fdopen(ours, "wb"), answers)


def fits(env: Mapping[str, str]) -> bool:
    """Whether what was imported would be the same with this environment."""
    early = {name: value for name, value in env.items() if name.startswith(template.READ_EARLY)}
    return early == _early


def plant(run: Callable[[list[str]], int | None]) -> Seed | None:
    """Fork what will `run` the arguments that it is told; None where a fork isn't safe.

    In the new process this doesn't return: the program ends as `run` does.
    """
    if not sys.platform.startswith("linux") or template.threads() != 1:
        return None
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _wait(theirs, parent, run)
    theirs.close()
    return Seed(pid, ours)


def _wait(link: socket.socket, parent: int, run: Callable[[list[str]], int | None]) -> NoReturn:
    os.setsid()
    template.die_with(parent)
    template.show([sys.executable, "-m", __name__], dict(os.environ))
    told = template.receive(link)
    if told is None:
        os._exit(0)
    order, descriptors = told
    template.die_with(None)
    link.close()
    _take(descriptors)
    os.chdir(order["cwd"])
    template.become(order)
    sys.exit(run(order["argv"]))


def _take(descriptors: Sequence[int]) -> None:
    """Make these the standard ones, and have no others."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(3, 64)


def plant_supervisor() -> None:
    """Plant what this process's first supervisor, and its template, will be."""
    if seed := plant(_supervise):
        _planted.append(seed)
        _imported.update(sys.modules)


def supervisor_has(modules: Sequence[str]) -> bool:
    """Whether the supervisor that was planted has these modules in memory, and so can fork its template."""
    return _imported >= set(modules)


def take_supervisor() -> Seed | None:
    """The seed that was planted for a supervisor: the first time that it is asked for."""
    # A fork of the planter, as of multiprocessing's, would start a process that isn't its child.
    return _planted.pop() if _planted and _planted[-1].planter == os.getpid() else None


class _Forked(BaseException):
    """This is the new process, and it is to be the template."""

    def __init__(self, request: dict[str, Any], link: int, log: int) -> None:
        super().__init__()
        self.request = request
        self.descriptors = link, log, log


def _supervise(argv: list[str]) -> int:
    try:
        return supervisor.main(argv[4:], fork_template=_fork_template)
    except _Forked as forked:
        request, descriptors = forked.request, forked.descriptors
    # In the new process, with nothing of the supervisor's left on the stack.
    argv = request["argv"]
    _take(descriptors)
    sys.path.pop(0)  # where its planter was started; the template puts its own folder there
    os.chdir(request["cwd"])
    template.become(request)
    return template.main([*argv[2:], ""], IMPORTED_AT)


def _fork_template(
    request: dict[str, Any], link: int, log: int, die_with_me: Callable[[], None]
) -> subprocess.Popen[bytes] | None:
    """In the supervisor: fork the template instead of starting it, if it would be the same; else None."""
    modules = request["argv"][4:]
    if not (fits(request["env"]) and sys.modules.keys() >= set(modules) and template.threads() == 1):
        return None
    if pid := os.fork():
        return cast("subprocess.Popen[bytes]", Sprout(pid))
    os.setsid()
    die_with_me()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    raise _Forked(request, os.dup(link), os.dup(log))  # those told are closed on the way up
