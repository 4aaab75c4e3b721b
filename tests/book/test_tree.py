"""A run's processes are found by its mark, weighed together, and none survives."""

import os
import subprocess
import sys
import uuid

import pytest

from workbook_lib.book.tree import kill_marked, marked, memory_mb
from workbook_lib.lab.run_folder import RUN_ID

IDLE = "import sys; sys.stdin.read()"
IDLE_WITH_CHILD = (
    "import subprocess, sys; held = bytearray(60_000_000); print('up', flush=True);"
    f"subprocess.run([sys.executable, '-c', {'held = bytearray(40_000_000); ' + IDLE!r}])"
)


@pytest.fixture
def start():
    started = []

    def start_marked(mark, code):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, RUN_ID: mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start_marked
    for process in started:
        process.kill()
        process.communicate(timeout=5)


def test_marked_finds_a_run_and_the_runs_nested_in_it_and_no_other(start):
    run = uuid.uuid4().hex
    inner = start(f"{run}/01_first/abc", IDLE)
    other = start(f"{run}0", IDLE)
    assert [process.pid for process in marked(run)] == [inner.pid]
    assert [process.pid for process in marked(f"{run}0")] == [other.pid]


def test_kill_marked_ends_all_and_names_them(start):
    run = uuid.uuid4().hex
    pids = {start(run, IDLE).pid, start(f"{run}/a", IDLE).pid}
    killed = kill_marked(run)
    assert all(any(f"(pid {pid})" in name for name in killed) for pid in pids)
    assert marked(run) == []
    assert kill_marked(run) == []


def test_memory_is_that_of_the_whole_tree(start, wait_until):
    process = start(uuid.uuid4().hex, IDLE_WITH_CHILD)
    process.stdout.readline()
    wait_until(lambda: 100 < memory_mb(process.pid) < 160)


def test_a_process_that_is_gone_weighs_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(timeout=10)
    assert memory_mb(process.pid) == 0
