"""However the owner ends, nothing that it started is alive two seconds later: any session, any depth."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from workbook_lib.lab import supervisor

pytestmark = pytest.mark.alone  # "within 2 s" is measured here

BOUND_SECONDS = 2.0
UP_SECONDS = 60.0

# A program with a child in a session of its own, and a grandchild whose parent has exited (a daemon).
TREE = """
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # its children inherit that
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    time.sleep(0.3 if "daemon" in sys.argv else 600)
    os._exit(0)
time.sleep(600)
"""
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"

# Stands for a kernel: starts programs, says their pids, and does nothing for their end.
OWNER = """
import json, os, sys, time
from pathlib import Path
from workbook_lib.lab.processes import Supervisor
folder, programs, watch = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
held = Supervisor(folder / "supervisor.log", watch=watch or None)
pids = [held.spawn(f"p{n}", [sys.executable, "-c", program, *sys.argv[4:]], env=os.environ, cwd=folder,
                   log=folder / f"p{n}.log").pid for n, program in enumerate(programs)]
print(json.dumps([held.pid, *pids]), flush=True)
time.sleep(600)
"""


def start_owner(
    folder: Path, *programs: str, watch: int = 0, arguments: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            OWNER,
            str(folder),
            json.dumps([textwrap.dedent(p) for p in programs]),
            str(watch),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def pids_of(owner: subprocess.Popen[str]) -> list[int]:
    assert owner.stdout
    return json.loads(owner.stdout.readline())


def kill(owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.communicate(timeout=5)


@pytest.mark.parametrize("moment", [random.Random(seed).uniform(0.0, 0.6) for seed in range(10)])
def test_sigkill_of_the_owner_at_any_moment_leaves_nothing(tmp_path, marked, until, moment):
    owner = start_owner(tmp_path, TREE, STUBBORN, TREE, arguments=("daemon",))
    deadline = time.monotonic() + moment
    until(lambda: time.monotonic() >= deadline, 2)
    kill(owner)
    until(lambda: not marked.pids(), BOUND_SECONDS, "processes left after SIGKILL of their owner")


def test_sigkill_of_the_owner_ends_a_tree_that_is_fully_up(tmp_path, marked, until):
    owner = start_owner(tmp_path, TREE, STUBBORN)
    until(lambda: len(marked.pids()) >= 7, UP_SECONDS, "the tree")
    kill(owner)
    until(lambda: not marked.pids(), BOUND_SECONDS)


def test_a_whole_tree_that_ignores_sigterm_is_swept_away(tmp_path, marked, until):
    owner = start_owner(tmp_path, TREE, arguments=("stubborn",))
    until(lambda: len(marked.pids()) >= 6, UP_SECONDS, "the tree")
    kill(owner)
    until(lambda: not marked.pids(), BOUND_SECONDS)


def test_sigkill_of_the_supervisor_ends_the_programs(tmp_path, marked, until):
    """PR_SET_PDEATHSIG takes the direct children along; it can't reach further down."""
    owner = start_owner(tmp_path, STUBBORN, STUBBORN)
    keeper, *programs = pids_of(owner)
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not set(programs) & set(marked.pids()), BOUND_SECONDS)
    kill(owner)


def test_sigterm_to_the_supervisor_ends_everything(tmp_path, marked, until):
    owner = start_owner(tmp_path, TREE, STUBBORN)
    keeper, *_ = pids_of(owner)
    os.kill(keeper, signal.SIGTERM)
    until(lambda: marked.pids() == [owner.pid], BOUND_SECONDS)
    kill(owner)


def test_a_terminals_interrupt_is_ignored(tmp_path, marked, until):
    owner = start_owner(tmp_path, STUBBORN)
    keeper, program = pids_of(owner)
    os.kill(keeper, signal.SIGINT)
    os.kill(keeper, signal.SIGHUP)
    asked = time.monotonic()
    until(lambda: time.monotonic() - asked > 0.3, 1)
    assert {keeper, program} <= set(marked.pids())
    kill(owner)
    until(lambda: not marked.pids(), BOUND_SECONDS)


def test_when_the_watched_process_vanishes_the_owner_goes_too(tmp_path, marked, until):
    """A notebook's kernel doesn't outlive papermill, even one that is busy in a cell."""
    watched = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    owner = start_owner(tmp_path, TREE, watch=watched.pid)
    pids_of(owner)
    watched.kill()
    watched.wait()
    assert owner.wait(BOUND_SECONDS) == -signal.SIGKILL
    until(lambda: not marked.pids(), BOUND_SECONDS)
    owner.communicate()


def test_nested_supervisors_end_from_the_outside_in(tmp_path, marked, until):
    inner = f"import sys; sys.argv = ['-', {str(tmp_path)!r}, {json.dumps([TREE, STUBBORN])!r}, '0']\n{OWNER}"
    owner = start_owner(tmp_path, inner)
    until(lambda: len(marked.pids()) >= 9, UP_SECONDS, "two owners, two supervisors and their programs")
    kill(owner)
    until(lambda: not marked.pids(), BOUND_SECONDS)


def test_what_a_dead_program_leaves_is_ended_while_the_others_run_on(tmp_path, marked, until):
    owner = start_owner(tmp_path, TREE, STUBBORN)
    keeper, tree, stubborn = pids_of(owner)
    until(lambda: len(marked.pids()) >= 7, UP_SECONDS, "the tree")
    os.kill(tree, signal.SIGKILL)
    until(lambda: set(marked.pids()) == {owner.pid, keeper, stubborn}, BOUND_SECONDS)
    kill(owner)
    until(lambda: not marked.pids(), BOUND_SECONDS)


def test_a_copy_of_the_owner_that_holds_the_pipe_open_delays_nothing(tmp_path, marked, until):
    forking = OWNER.replace("time.sleep(600)", "os.fork(); time.sleep(600)")
    owner = subprocess.Popen(
        [sys.executable, "-c", forking, str(tmp_path), json.dumps([STUBBORN]), "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    keeper, program = pids_of(owner)
    owner.kill()
    owner.wait()
    until(lambda: not {keeper, program} & set(marked.pids()), BOUND_SECONDS)
    for left in marked.processes():
        left.kill()
    owner.communicate(timeout=5)


def test_a_normal_end_of_the_owner_ends_everything(tmp_path, marked, until):
    ending = OWNER.replace("time.sleep(600)", "")
    done = subprocess.run(
        [sys.executable, "-c", ending, str(tmp_path), json.dumps([TREE, STUBBORN]), "0"],
        check=True,
        capture_output=True,
    )
    assert not marked.pids()
    assert not done.stderr


def test_an_identity_tells_a_process_from_a_later_one_with_its_id():
    mine = supervisor.identity(os.getpid())
    assert mine is not None
    assert supervisor.is_alive(mine)
    assert not supervisor.is_alive((os.getpid(), mine[1] + "0"))


def test_a_zombie_counts_as_dead(until):
    child = subprocess.Popen([sys.executable, "-c", ""])
    until(lambda: supervisor.identity(child.pid) is None, UP_SECONDS)
    child.wait()
