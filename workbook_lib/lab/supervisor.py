"""The process that outlives the kernel by just long enough to end everything the kernel started.

Run as a script by `workbook_lib.lab.processes.Supervisor`, in a session of its own, with JSON lines on stdin
and stdout. Standard library only; one thread only: a parent-death signal is bound to the thread that forked.

    in   {"op": "spawn", "id", "argv", "env", "cwd", "log", "fork"}     {"op": "signal", "pid", "signal"}
         {"op": "prepare", "argv", "env", "cwd", "log"}
    out  {"event": "spawned", "id", "pid", "start"}     {"event": "refused", "id", "error"}
         {"event": "exit", "pid", "code"}     {"event": "prepared", "ready"}

What may be forked is, once a template is prepared (`workbook_lib.lab.template`), and started anew otherwise.

Everything is ended (SIGTERM, then SIGKILL after the grace, then a sweep over all descendants) when stdin
reaches end-of-file, when the owner is gone, when a watched process is gone (the owner is then killed too: a
notebook's kernel must not outlive papermill), or on SIGTERM. As a subreaper it adopts the children of those
that die (PR_SET_CHILD_SUBREAPER, prctl(2)); a child that it adopted has lost its owner and is ended at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

__all__ = ["Identity", "identity", "is_alive", "main"]

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
TICK_SECONDS = 0.2  # how often owner and watched processes are looked at
ORPHAN_TICKS = 5  # adopted children that announce themselves by no signal are looked for every so many ticks
SWEEP_SECONDS = 0.6  # how long the last sweep may take
PADDING = 4096  # bytes, for the arguments and the environment that a fork shows
FORK_SECONDS = 2.0  # a fork takes milliseconds; beyond this the template is broken

Identity = tuple[int, str]  # process id and start time: together they are never reused
ForkTemplate = Callable[
    [dict[str, Any], int, int, Callable[[], None]], "subprocess.Popen[bytes] | None"
]  # the request, its end of the socket, its log, what it does first


def main(argv: list[str], *, fork_template: ForkTemplate | None = None) -> int:
    """Run until the owner is gone. Arguments: grace in seconds, owner `pid:start`, watched `pid:start`…

    `fork_template` makes a template of this process, where that has imported what one imports; None when it
    can't. In the new process it raises, which is passed on from here.
    """
    pid = os.getpid()
    grace_seconds, owner, *watched = argv
    try:
        held = _Supervisor(float(grace_seconds), _parse(owner), [_parse(each) for each in watched])
        held.fork_template = fork_template
        held.run()
    finally:
        if os.getpid() == pid:
            _sweep(pid)
    return 0


def identity(pid: int) -> Identity | None:
    """The identity of a live process; None for one that is gone or a zombie."""
    if LINUX:
        fields = _stat(pid)
        return None if fields is None or fields[0] in "ZX" else (pid, fields[19])
    shown = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(shown) < 2 or shown[0].startswith("Z") else (pid, shown[1].strip().replace(" ", "_"))


def is_alive(process: Identity) -> bool:
    """Whether exactly this process is alive (and not another one that got its id)."""
    return identity(process[0]) == process


def _parse(text: str) -> Identity:
    pid, _, start = text.partition(":")
    return int(pid), start


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (proc(5)): state, ppid, …, start time at index 19."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _parents() -> dict[int, int]:
    """Parent by process id, of every process that isn't a zombie."""
    if not LINUX:
        shown = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,state="], capture_output=True, text=True, check=False
        )
        rows = [line.split() for line in shown.stdout.splitlines()]
        return {int(pid): int(ppid) for pid, ppid, state in rows if not state.startswith("Z")}
    names = os.listdir("/proc")  # noqa: PTH208 - this runs often
    stats = {int(name): _stat(int(name)) for name in names if name.isdigit()}
    return {pid: int(fields[1]) for pid, fields in stats.items() if fields and fields[0] not in "ZX"}


def _tree(root: int, parents: dict[int, int]) -> list[int]:
    """All descendants of `root`, parents before children."""
    found, level = [], [root]
    while level:
        level = [pid for pid, parent in parents.items() if parent in level]
        found += level
    return found


def _kill(pid: int, number: int, *, group: bool = False) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, number)


def _sweep(root: int) -> None:
    """Kill every descendant, again and again until none is left or the bound has passed."""
    deadline = time.monotonic() + SWEEP_SECONDS
    while left := _tree(root, _parents()):
        for pid in left:
            _kill(pid, signal.SIGKILL)
        if time.monotonic() >= deadline:  # asked afterwards: whoever was found late is killed as well
            break
        time.sleep(0.01)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


class _Template:
    """The client of `workbook_lib.lab.template`, which is a child of this process."""

    def __init__(
        self, request: dict[str, Any], die_with_me: Callable[[], None], fork: ForkTemplate | None
    ) -> None:
        self.ready = False
        self._cwd = request["cwd"]
        self.link, theirs = socket.socketpair()
        self.link.settimeout(FORK_SECONDS)
        with theirs, open(request["log"], "ab") as log:  # noqa: PTH123 - the log belongs to the child
            argv: list[str] = [*request["argv"], "--".ljust(PADDING, "-")]
            forked = fork(request, theirs.fileno(), log.fileno(), die_with_me) if fork else None
            self.popen: subprocess.Popen[bytes] = forked or subprocess.Popen(
                argv,
                env={**request["env"], "WORKBOOK_PADDING": "-" * PADDING},
                cwd=self._cwd,
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_me,
            )

    def hear(self) -> bool:
        """Whether it has said that it is ready. Raises OSError, ValueError when it ended instead."""
        self.ready = json.loads(self._line())["threads"] == 1
        return self.ready

    def fork(self, request: dict[str, Any], log: int, allow: Callable[[int], None]) -> bool:
        """Start a program of a Python module; False when the template isn't the one for it.

        It runs when `allow` has been called with its process id. Raises OSError when the template is broken.
        """
        if not self.ready or request["cwd"] != self._cwd:
            return False
        wait, go = os.pipe()
        try:
            data = json.dumps({"argv": request["argv"], "env": request["env"]}).encode() + b"\n"
            sent = socket.send_fds(self.link, [data], [log, wait])
            self.link.sendall(data[sent:])
            answer = json.loads(self._line())
            if pid := answer.get("pid"):
                allow(pid)
                os.write(go, b"!")
            return pid is not None
        finally:
            os.close(wait)
            os.close(go)

    def close(self) -> None:
        self.link.close()
        self.popen.kill()

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            part = self.link.recv(1 << 16)
            if not part:
                raise OSError("the template has ended")
            line += part
        return line


class _Supervisor:
    """The event loop: requests, exits of children, and the tick that looks at owner, watched and orphans."""

    def __init__(self, grace_seconds: float, owner: Identity, watched: list[Identity]) -> None:
        self.grace_seconds = grace_seconds
        self.owner = owner
        self.watched = watched
        self.children: dict[int, subprocess.Popen[bytes] | None] = {}  # None: forked by the template
        self.template: _Template | None = None
        self.fork_template: ForkTemplate | None = None
        self.orphans: dict[int, float] = {}  # adopted process → when it is killed
        self.pending = b""
        self.ending = False
        self.pid = os.getpid()
        if LINUX:
            _prctl(PR_SET_CHILD_SUBREAPER, 1)

    def run(self) -> None:
        wake_in, wake_out = _pipe()
        signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
        # Handlers instead of SIG_IGN: what is ignored stays ignored in the programs that we execute.
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_terminate)
        ticks, next_tick = 0, time.monotonic()
        while not self.ending:
            starting = [self.template.link.fileno()] if self.template and not self.template.ready else []
            readable, _, _ = select.select([0, wake_in, *starting], [], [], TICK_SECONDS)
            if wake_in in readable:
                os.read(wake_in, 4096)
                self._reap()
            if any(each in readable for each in starting):
                self._hear_template()
            if 0 in readable:
                self._read_requests()
            if time.monotonic() >= next_tick:
                ticks, next_tick = ticks + 1, time.monotonic() + TICK_SECONDS
                self._tick(look_for_orphans=ticks % ORPHAN_TICKS == 0)
        self._end()

    def _on_terminate(self, *_: object) -> None:
        self.ending = True

    def _tick(self, *, look_for_orphans: bool) -> None:
        if not all(is_alive(each) for each in self.watched):
            if is_alive(self.owner):
                _kill(self.owner[0], signal.SIGKILL)
            self.ending = True
        if not is_alive(self.owner):
            self.ending = True
        if look_for_orphans or self.orphans:
            self._end_orphans()

    def _read_requests(self) -> None:
        chunk = os.read(0, 1 << 16)
        if not chunk:
            self.ending = True
        *lines, self.pending = (self.pending + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["op"] == "spawn":
                self._spawn(request)
            elif request["op"] == "prepare":
                self._prepare(request)
            elif request["pid"] in self.children:
                # Reaped here only, so the id is still our child's: a signal can't hit a stranger.
                _kill(request["pid"], request["signal"], group=True)

    def _prepare(self, request: dict[str, Any]) -> None:
        if LINUX and self.template is None:
            try:
                self.template = _Template(request, self._die_with_me, self.fork_template)
            except (OSError, ValueError, subprocess.SubprocessError):
                self._tell({"event": "prepared", "ready": False})

    def _hear_template(self) -> None:
        try:
            ready = self.template is not None and self.template.hear()
        except (OSError, ValueError):
            ready = False
        if not ready:
            self._drop_template()
        self._tell({"event": "prepared", "ready": ready})

    def _drop_template(self) -> None:
        if self.template is not None:
            self.template.close()
            self.template = None

    def _spawn(self, request: dict[str, Any]) -> None:
        try:
            with open(request["log"], "ab") as log:  # noqa: PTH123 - the log belongs to the child
                if not (request.get("fork") and self._fork(request, log.fileno())):
                    self._execute(request, log)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._tell({"event": "refused", "id": request["id"], "error": str(error)})

    def _fork(self, request: dict[str, Any], log: int) -> bool:
        if self.template is None:
            return False
        try:
            return self.template.fork(request, log, lambda pid: self._started(request, pid, None))
        except (OSError, ValueError):  # what it may have forked ends by itself: nothing allows it to run
            self._drop_template()
            return False

    def _execute(self, request: dict[str, Any], log: IO[bytes]) -> None:
        child = subprocess.Popen(
            request["argv"],
            env=request["env"],
            cwd=request["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=self._die_with_me if LINUX else None,  # safe: this process has one thread
        )
        self._started(request, child.pid, child)

    def _started(self, request: dict[str, Any], pid: int, child: subprocess.Popen[bytes] | None) -> None:
        self.children[pid] = child
        start = identity(pid)
        self._tell({"event": "spawned", "id": request["id"], "pid": pid, "start": start[1] if start else ""})

    def _die_with_me(self) -> None:
        """In the new child: should the supervisor itself be killed, the child goes too."""
        _prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != self.pid:
            os._exit(1)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                self.orphans.pop(pid, None)
                code = os.waitstatus_to_exitcode(status)
                if pid in self.children:
                    if child := self.children.pop(pid):
                        child.returncode = code
                    self._tell({"event": "exit", "pid": pid, "code": code})
                elif self.template and pid == self.template.popen.pid:
                    self.template.popen.returncode = code
                    self._drop_template()
        self._end_orphans()

    def _end_orphans(self) -> None:
        """Children not started here lost their parent: SIGTERM now, SIGKILL to their tree after the grace."""
        parents = _parents()
        now = time.monotonic()
        own = self.children.keys() | ({self.template.popen.pid} if self.template else set())
        adopted = [pid for pid, parent in parents.items() if parent == self.pid and pid not in own]
        for pid in adopted:
            if pid not in self.orphans:
                self.orphans[pid] = now + self.grace_seconds
                _kill(pid, signal.SIGTERM)
            elif now >= self.orphans[pid]:
                for each in [pid, *_tree(pid, parents)]:
                    _kill(each, signal.SIGKILL)

    def _end(self) -> None:
        deadline = time.monotonic() + self.grace_seconds
        self._drop_template()
        for pid in self.children:
            _kill(pid, signal.SIGTERM, group=True)
        while time.monotonic() < deadline:
            self._reap()
            if not self.children and not _tree(self.pid, _parents()):
                return
            time.sleep(0.02)

    def _tell(self, event: dict[str, object]) -> None:
        try:
            os.write(1, json.dumps(event).encode() + b"\n")
        except OSError:  # nobody listens any more
            self.ending = True


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
