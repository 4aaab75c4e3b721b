"""A Python that has imported what services are made of, and forks one for each start of a service.

Importing takes a service two seconds of CPU; a fork of a process that has imported takes milliseconds and
shares its memory. Run as a script by `workbook_lib.lab.supervisor`, its standard input a socket:

    python -P template.py SUPERVISOR_PID MODULE… --PADDING

    in   {"argv": [python, "-m", module, …], "env"} with two descriptors: the log, and a pipe
    out  {"ready": true, "threads"} once; then {"pid"}, or {"unfit": reason}: to be started as usual

What is forked is as if it had been executed: a child of the supervisor, in a session of its own, with exactly
its environment, arguments and log, also for those who look it up in /proc. It runs once a byte comes through
the pipe, and ends without a trace when none comes. A start is unfit where the difference would be seen: the
interpreter or an imported library would have read another environment, or a module's file has changed.
Standard library only besides the modules named; one thread only, since a fork has no other.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["READ_EARLY", "become", "die_with", "main", "receive", "show", "threads"]

PR_SET_PDEATHSIG = 1
DESCRIPTORS = 3
READ_EARLY = (
    *("PYTHON", "_PYTHON", "LD_", "GLIBC_", "MALLOC_", "HOME", "SHELL", "TZ", "LANG", "LC_", "XDG_"),
    *("OTEL_PYTHON_", "OTEL_PROPAGATORS", "OTEL_SPAN_", "GRPC_", "PROMETHEUS_", "prometheus_", "PYDANTIC_"),
    *("NO_COLOR", "FORCE_COLOR", "PSUTIL_", "PYINSTRUMENT_", "WRAPT_", "AIOKAFKA_", "PROTOCOL_BUFFERS_"),
    *("TEMPORARILY_", "OPENSSL_", "SSL_", "UV_", "SQLALCHEMY_", "SPHINX_BUILD"),
)
"""How the variables begin that the interpreter, the C library or an import of ours may read."""


def main(argv: list[str], imported_at: float | None = None) -> int:
    """Import the modules, then fork until the supervisor hangs up. Returns at once in a fork that has run.

    `imported_at` is when the first of them was imported, where they are in memory already.
    """
    supervisor, *modules = argv[1:-1]
    started = imported_at or time.time()
    sys.path.insert(0, str(Path.cwd()))  # as under `python -m`
    die_with(int(supervisor))
    link = socket.socket(fileno=os.dup(0))
    for name in modules:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a fork would write to, and so copy, every page that they share
    files = {file for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))}
    link.sendall(json.dumps({"ready": True, "threads": threads()}).encode() + b"\n")
    while request := receive(link):
        order, (log, go) = request
        answer: dict[str, object] = {}
        if reason := _unfit(order, files, started):
            answer["unfit"] = reason
        elif pid := _fork(link, log, go, int(supervisor)):
            answer["pid"] = pid
        else:
            become(order)
            sys.modules.pop(order["argv"][2], None)  # else runpy warns that it is there already
            # What ends a service ends this program, and in the same way.
            runpy.run_module(order["argv"][2], run_name="__main__", alter_sys=True)
            return 0
        os.close(log)
        os.close(go)
        link.sendall(json.dumps(answer).encode() + b"\n")
    return 0


def receive(link: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next order and its descriptors; None when whoever gives them has hung up."""
    data, descriptors = b"", list[int]()
    while not data.endswith(b"\n"):
        part, received, _, _ = socket.recv_fds(link, 1 << 16, DESCRIPTORS)
        if not part:
            return None
        data, descriptors = data + part, descriptors + received
    return json.loads(data), descriptors


def _unfit(order: dict[str, Any], files: set[str], started: float) -> str | None:
    """Why the service that is asked for would differ from one started afresh."""
    told = order["env"]
    for name in sorted(told.keys() | os.environ.keys()):
        if name.startswith(READ_EARLY) and told.get(name) != os.environ.get(name):
            return f"{name} is read early"
    if threads() != 1:
        return "a library has started a thread"
    for file in files:
        with contextlib.suppress(OSError):  # one within an archive
            if os.stat(file).st_mtime >= started:  # noqa: PTH116 - a thousand files
                return f"{file} has changed"
    return None


def _fork(link: socket.socket, log: int, go: int, supervisor: int) -> int:
    """Fork a grandchild, which the supervisor adopts; 0 in it, once it may run."""
    said, say = os.pipe()
    between = os.fork()
    if between == 0:
        pid = os.fork()
        if pid:
            os.write(say, str(pid).encode())
            os._exit(0)
        os.setsid()
        allowed = os.read(go, 1)  # its parent has ended by now
        die_with(supervisor)
        if not allowed:
            os._exit(1)
        link.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.closerange(3, 64)
        return 0
    os.waitpid(between, 0)
    pid = int(os.read(said, 32))
    os.close(said)
    os.close(say)
    return pid


def become(order: dict[str, Any]) -> None:
    """Take over the environment and the arguments."""
    argv, env = order["argv"], order["env"]
    os.environ.clear()
    os.environ.update(env)
    sys.orig_argv = argv
    sys.argv = ["-m", *argv[3:]]  # runpy puts the module's file in the place of the first
    show(argv, env)


def show(argv: list[str], env: dict[str, str]) -> None:
    """Write what /proc/PID/cmdline and environ say (proc(5)) is read from; the C library has other copies.

    Its caller has made place: the variables come whole as long as there is some, the mark of the run first.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    arguments, arguments_end, variables, variables_end = (int(field) for field in fields[45:49])
    # An end that isn't NUL tells the kernel that this is a title: it is then shown to its own end.
    title = " ".join(argv).encode()[: arguments_end - arguments - 2]
    ctypes.memmove(
        arguments, title.ljust(arguments_end - arguments - 1, b"\0") + b" ", arguments_end - arguments
    )
    size, shown = variables_end - variables, b""
    for name in sorted(env, key=lambda name: name != "WORKBOOK_RUN_ID"):
        entry = os.fsencode(f"{name}={env[name]}") + b"\0"
        shown += entry if len(shown) + len(entry) <= size else b""
    ctypes.memmove(variables, shown.ljust(size, b"\0"), size)


def die_with(parent: int | None) -> None:
    """Let the system kill this process when its parent ends; None ends that."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0 if parent is None else int(signal.SIGKILL), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def threads() -> int:
    """How many threads this process has."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - this runs at each start


if __name__ == "__main__":
    sys.exit(main(sys.argv))
