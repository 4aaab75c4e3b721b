"""SIGKILL at any moment leaves no process behind, and the next run of the same chapter succeeds.

Ten moments a victim, spread over its life by a seed that is printed; WORKBOOK_KILL_SEED chooses others.
"""

import contextlib
import os
import random
import subprocess
import sys
import time
import uuid
from functools import partial

import psutil
import pytest

from workbook_lib.book.tree import marked
from workbook_lib.lab.run_folder import RUN_ID

CHAPTER = "01_small_system"
CELLS = [
    "from workbook_lib.lab import Lab\nlab = Lab('kill')",
    "await lab.start(*{servers!r}, 'welcome')",
    "import httpx2\nanswer = httpx2.get(lab['welcome'].url)\nassert answer.status_code == 200",
    "await lab.stop()",
]
VICTIMS = {
    "kernel": "ipykernel_launcher",
    "papermill": "workbook_lib.book.execute",
    "workbook run": "workbook_lib.cli",
}
# Kafka, whose start and end take longest, where a death is likeliest: in a cell.
SERVERS = {
    "kernel": ["redis", "consul", "kafka"],
    "papermill": ["redis", "consul"],
    "workbook run": ["redis", "consul"],
}
MOMENTS = 10
GONE_SECONDS = 2.0
EARLIER = 0.94  # what a moment that was missed is brought forward by


class _Run:
    """One `workbook run`, marked so that every process of it is found."""

    def __init__(self, folder):
        self.mark = uuid.uuid4().hex
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "workbook_lib.cli", "run", "--no-pages", "--out", "out"],
            cwd=folder,
            env={**os.environ, RUN_ID: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def find(self, program):
        """The process of the run that runs `program`; None when there is none (yet)."""
        for process in marked(self.mark):
            try:
                if program in process.cmdline():
                    return process
            except psutil.Error:
                continue
        return None

    def left(self, victim):
        """What must be gone: everything when the run itself was killed, else everything of the chapter."""
        if victim == "workbook run":
            return marked(self.mark)
        return [process for process in marked(self.mark) if CHAPTER in _mark(process)]

    def wait(self):
        """The exit code and what was printed."""
        printed, _ = self.popen.communicate(timeout=120)
        return self.popen.returncode, printed


def _mark(process):
    try:
        return process.environ().get(RUN_ID, "")
    except psutil.Error:
        return ""


@pytest.fixture
def run(write, tmp_path, victim):
    servers = SERVERS[victim]
    cells = [cell.replace("{servers!r}", repr(servers)) for cell in CELLS]
    write(CHAPTER, *cells, servers=servers, services=["welcome"])
    runs = []

    def start():
        runs.append(_Run(tmp_path))
        return runs[-1]

    yield start
    for each in runs:
        each.popen.kill()
        each.popen.communicate(timeout=10)
        for process in marked(each.mark):
            process.kill()


def _life_seconds(run, program, wait_until):
    """How long the victim lives in a run that nobody disturbs."""
    undisturbed = run()
    victim, age = wait_until(lambda: undisturbed.find(program), 60), _Age()
    wait_until(lambda: not _lives(victim), 60)
    life = age.seconds()
    assert undisturbed.wait()[0] == 0
    return life


@pytest.mark.timeout(900)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_sigkill_leaves_nothing_and_the_next_run_succeeds(run, victim, wait_until):
    seed = int(os.environ.get("WORKBOOK_KILL_SEED", "20261124"))
    moments = random.Random(f"{seed} {victim}")
    life = _life_seconds(run, VICTIMS[victim], wait_until)
    print(f"seed {seed}: the {victim} lives {life:.1f} s")
    for number in range(MOMENTS):
        part = (number + moments.random()) / MOMENTS
        killed, life, moment = _kill_at(part, life, run, victim, wait_until)
        dead = _Age()
        wait_until(partial(_nothing_left, killed, victim), GONE_SECONDS)
        print(f"after {moment:.2f} s: gone within {dead.seconds():.2f} s")
        killed.wait()
        code, printed = run().wait()
        assert code == 0, printed


def _kill_at(part, life, run, victim, wait_until):
    """Kill the victim of a new run after this part of its life; if that is over sooner, aim earlier.

    Runs differ in length, the more so while neighbours come and go: a late moment is hit by aiming before it.
    """
    for misses in range(8):
        started = run()
        process, age = wait_until(partial(started.find, VICTIMS[victim]), 60), _Age()
        wait_until(partial(_is_over, process, age, part * life * EARLIER**misses), 60)
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end in between
            if _lives(process):
                process.kill()
                return started, life, age.seconds()
        life = age.seconds()
        assert started.wait()[0] == 0
    raise AssertionError(f"the {victim} never lives long enough")


class _Age:
    def __init__(self):
        self._born = time.monotonic()

    def seconds(self):
        return time.monotonic() - self._born


def _nothing_left(run, victim):
    return not run.left(victim)


def _is_over(process, age, seconds):
    return age.seconds() >= seconds or not _lives(process)


def _lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return False
