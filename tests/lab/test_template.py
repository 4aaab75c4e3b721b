"""A service that is forked can't be told from one that is executed, except by how soon it is there."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.structure.rules import ROOT
from workbook_lib.lab import supervisor
from workbook_lib.lab.processes import Process, Supervisor
from workbook_lib.lab.services import PRELOADED
from workbook_lib.lab.template import READ_EARLY

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forks its services")

# Tells all that a program can see of how it was started.
TELLS = """
import asyncio, json, os, random, signal, sys, threading
print(json.dumps({
    "name": __name__, "file": __file__, "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path[0],
    "env": dict(os.environ), "cwd": os.getcwd(), "parent": os.getppid(), "session": os.getsid(0),
    "group": os.getpgid(0),
    "fds": sorted(os.listdir("/proc/self/fd")), "stdin": os.readlink("/proc/self/fd/0"),
    "threads": threading.active_count(), "package": __spec__.name, "modules": len(sys.modules),
    "signals": [str(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
    "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
}), flush=True)
print(random.random(), file=sys.stderr, flush=True)
if "fails" in sys.argv:
    raise RuntimeError("on purpose")
if "exits" in sys.argv:
    sys.exit(7)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
print("up", flush=True)
threading.Event().wait(60)
"""


@pytest.fixture
def held(tmp_path, marked):
    """A supervisor with a template that has imported json, and a module to start."""
    (tmp_path / "tells").mkdir()
    (tmp_path / "tells" / "__init__.py").touch()
    (tmp_path / "tells" / "__main__.py").write_text(TELLS)
    held = Supervisor(tmp_path / "supervisor.log")
    held.prepare(["json"], env=os.environ, cwd=tmp_path)
    asyncio.run(held.prepared())
    yield held
    held.close()
    assert [pid for pid in marked.pids() if pid != os.getpid()] == []


def start(held: Supervisor, folder: Path, *arguments: str, fork: bool = True, **env: str) -> Process:
    argv = [sys.executable, "-m", "tells", *arguments]
    log = folder / f"{len(list(folder.glob('*.log')))}.log"
    return held.spawn("tells", argv, env={**os.environ, **env}, cwd=folder, log=log, fork=fork)


def said(process: Process, until, last: str = "up") -> dict[str, object]:
    until(lambda: last in process.log_tail() or not process.alive, 10)
    return json.loads(process.log_path.read_text().splitlines()[0])


def was_forked(process: Process, until) -> bool:
    """A fork has the room for its arguments that its template was started with."""
    said(process, until)
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[46]) - int(fields[45]) > 4000


def test_a_fork_sees_what_an_executed_program_sees(held, tmp_path, until):
    told = {"TELLS_PORT": "8080", "NOTHING": "", "ACCENT": "é"}
    forked, executed = (start(held, tmp_path, "a", "b c", fork=fork, **told) for fork in (True, False))
    of_fork, of_other = said(forked, until), said(executed, until)
    assert was_forked(forked, until)
    assert not was_forked(executed, until)
    for own in ("session", "group"):
        assert (of_fork.pop(own), of_other.pop(own)) == (forked.pid, executed.pid)
    assert of_fork.pop("modules") != of_other.pop("modules")
    assert of_fork == of_other
    assert of_fork["parent"] == held.pid


def test_a_fork_looks_like_an_executed_program_from_outside(held, tmp_path, marked, until):
    forked, executed = (start(held, tmp_path, "a", fork=fork, TELLS_PORT="1") for fork in (True, False))
    assert was_forked(forked, until)
    said(executed, until)
    one, other = psutil.Process(forked.pid), psutil.Process(executed.pid)
    assert one.cmdline() == other.cmdline()
    assert one.environ() == other.environ()
    assert (one.name(), one.exe(), one.ppid()) == (other.name(), other.exe(), other.ppid())
    assert supervisor.identity(forked.pid) == (forked.pid, forked.start_time)


@pytest.mark.parametrize(("argument", "code"), [("fails", 1), ("exits", 7)])
async def test_a_fork_ends_with_its_own_code_and_last_words(held, tmp_path, argument, code):
    process = start(held, tmp_path, argument)
    assert await process.wait(10) == code
    assert ("RuntimeError: on purpose" in process.log_tail()) == (argument == "fails")


async def test_signals_and_their_codes_are_those_of_any_program(held, tmp_path, until):
    processes = [start(held, tmp_path) for _ in range(3)]
    for process in processes:
        assert was_forked(process, until)
    assert await processes[0].stop() == 3
    assert await processes[1].kill() == -signal.SIGKILL
    processes[2].signal(signal.SIGINT)
    assert await processes[2].wait(5) == -signal.SIGINT


def test_forks_have_randomness_of_their_own(held, tmp_path, until):
    processes = [start(held, tmp_path) for _ in range(3)]
    for process in processes:
        said(process, until)
    drawn = {process.log_path.read_text().splitlines()[1] for process in processes}
    assert len(drawn) == 3


def test_sigkill_of_the_supervisor_takes_forks_and_template_along(held, tmp_path, marked, until):
    process = start(held, tmp_path)
    assert was_forked(process, until)
    os.kill(held.pid, signal.SIGKILL)
    until(lambda: marked.pids() in ([], [os.getpid()]), 2)


async def test_what_is_read_early_is_executed_when_it_differs(held, tmp_path, until):
    different = start(held, tmp_path, PYTHONHASHSEED="3")
    assert not was_forked(different, until)
    assert was_forked(start(held, tmp_path, TELLS_PORT="1"), until)


def test_a_module_that_has_changed_is_imported_anew(held, tmp_path, until, monkeypatch):
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "tells.py").write_text(
        "import early, sys, time\nprint(early.SAYS, 'up', flush=True)\ntime.sleep(60)\n"
    )
    (folder / "early.py").write_text("SAYS = 'before'\n")
    os.utime(folder / "early.py", (1, 1))
    other = Supervisor(tmp_path / "other.log")
    try:
        other.prepare(["early"], env=os.environ, cwd=folder)
        asyncio.run(other.prepared())
        (folder / "early.py").write_text("SAYS = 'after it was edited'\n")
        process = start(other, folder)
        until(lambda: "up" in process.log_tail(), 10)
        assert process.log_tail() == "after it was edited up"
    finally:
        other.close()


def test_a_template_that_dies_is_done_without(held, tmp_path, until):
    (template,) = (p for p in psutil.Process(held.pid).children() if "template.py" in " ".join(p.cmdline()))
    template.kill()
    assert said(start(held, tmp_path), until)["argv"]


async def test_a_template_that_cant_import_is_done_without(tmp_path, marked, until):
    held = Supervisor(tmp_path / "supervisor.log")
    try:
        held.prepare(["no_such_module"], env=os.environ, cwd=tmp_path)
        await held.prepared()
        (tmp_path / "tells.py").write_text(TELLS)
        assert said(start(held, tmp_path), until)["argv"]
        assert "no_such_module" in held.log_path.read_text()
    finally:
        held.close()


RECORDS = """
import importlib, os, sys, wsgiref.handlers  # which copies the whole environment, and uses it for no service
names = set()
class Recording(type(os.environ)):
    def __getitem__(self, name):
        names.add(name)
        return super().__getitem__(name)
os.environ.__class__ = Recording
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(names))
"""


def test_what_the_imports_read_of_the_environment_counts_as_read_early():
    """Else a fork would go by the template's value."""
    shown = subprocess.run(
        [sys.executable, "-c", RECORDS, *PRELOADED], capture_output=True, text=True, check=True, cwd=ROOT
    )
    names = shown.stdout.split()
    assert "OTEL_PYTHON_CONTEXT" in names
    assert [name for name in names if not name.startswith(READ_EARLY)] == []
