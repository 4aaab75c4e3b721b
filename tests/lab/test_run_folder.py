"""A run writes in one folder; the next run of the chapter ends what a dead one left, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from workbook_lib.lab import supervisor
from workbook_lib.lab.processes import Supervisor
from workbook_lib.lab.run_folder import RUN_ID, RunFolder, project_root

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def sleeper(marked):
    started: list[subprocess.Popen[bytes]] = []

    def start(**env: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(SLEEPS, env={**os.environ, **env}, start_new_session=True))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


def left_by(folder: RunFolder, owner: tuple[int, str]) -> None:
    """Make a run look as if `owner` had made it and ended without a stop."""
    file = folder.path / "processes.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "owner": owner}))


def list_process(folder: RunFolder, process: subprocess.Popen[bytes], program: str) -> None:
    """Write a process into processes.json, as one started as `program`."""
    file = folder.path / "processes.json"
    pid, start = supervisor.identity(process.pid) or (0, "")
    entry = {"name": "redis", "pid": pid, "start": start, "argv": [program]}
    file.write_text(json.dumps({**json.loads(file.read_text()), "processes": [entry]}))


def dead_owner() -> tuple[int, str]:
    gone = subprocess.Popen(["true"])
    identity = supervisor.identity(gone.pid) or (gone.pid, "1")
    gone.wait()
    return identity


def test_a_dead_runs_processes_are_ended_with_all_that_they_started(tmp_path, sleeper):
    earlier = RunFolder(tmp_path, "3.2")
    direct, nested = sleeper(**{RUN_ID: earlier.run_id}), sleeper(**{RUN_ID: earlier.run_id + "/inner"})
    stranger = sleeper(**{RUN_ID: earlier.run_id + "x"})
    left_by(earlier, dead_owner())
    reaped = RunFolder(tmp_path, "3.2").reaped
    assert direct.wait(10) == nested.wait(10) == -9
    assert {f"(pid {direct.pid})", f"(pid {nested.pid})"} == {each[each.index("(") :] for each in reaped}
    assert stranger.poll() is None


def test_a_live_run_of_the_same_chapter_isnt_touched(tmp_path, sleeper):
    live = sleeper()
    earlier = RunFolder(tmp_path, "3.2")
    process = sleeper(**{RUN_ID: earlier.run_id})
    left_by(earlier, supervisor.identity(live.pid))
    assert RunFolder(tmp_path, "3.2").reaped == []
    assert process.poll() is None
    assert earlier.path.is_dir()


def test_a_listed_process_that_hides_its_mark_is_ended_but_not_a_later_one_with_its_id(tmp_path, sleeper):
    """Redis before 6.2 and PostgreSQL overwrite the memory in which Linux shows their environment."""
    for program, code in ((sys.executable, -9), ("redis-server", None)):
        earlier = RunFolder(tmp_path, program)
        process = sleeper()
        list_process(earlier, process, program)
        left_by(earlier, dead_owner())
        RunFolder(tmp_path, program)
        if code is None:
            assert process.poll() is None
        else:
            assert process.wait(10) == code


def test_another_process_with_the_owners_id_is_not_the_owner(tmp_path, sleeper):
    earlier = RunFolder(tmp_path, "3.2")
    process = sleeper(**{RUN_ID: earlier.run_id})
    left_by(earlier, (os.getpid(), "1"))
    RunFolder(tmp_path, "3.2")
    assert process.wait(10) == -9


def test_only_the_last_few_folders_are_kept_and_broken_ones_are_removed(tmp_path):
    folders = []
    for _ in range(5):
        folder = RunFolder(tmp_path, "3.2")
        folder.record(ended=True)
        folders.append(folder.path)
    (folders[-1] / "processes.json").write_text("{")
    last = RunFolder(tmp_path, "3.2")
    assert sorted(last.chapter_folder.iterdir()) == [*folders[-2:], last.path]


def test_it_lists_its_processes_with_start_times(tmp_path, marked):
    folder = RunFolder(tmp_path, "3.2")
    held = Supervisor(folder.log_path("supervisor"))
    process = held.spawn(
        "users-2", SLEEPS, env=os.environ, cwd=folder.data_folder("users-2"), log=folder.log_path("users-2")
    )
    folder.add(process)
    facts = json.loads((folder.path / "processes.json").read_text())
    assert facts["owner"] == list(supervisor.identity(os.getpid()))
    (listed,) = facts["processes"]
    assert (listed["name"], listed["pid"], listed["argv"]) == ("users-2", process.pid, SLEEPS)
    assert supervisor.is_alive((listed["pid"], listed["start"]))
    held.close()
    assert not psutil.pid_exists(process.pid)


def test_a_nested_run_has_a_nested_id(tmp_path, monkeypatch):
    monkeypatch.setenv(RUN_ID, "outer")
    assert RunFolder(tmp_path, "3.2").run_id.startswith("outer/")


def test_names_never_leave_the_folder(tmp_path):
    folder = RunFolder(tmp_path, "../3.2")
    assert folder.log_path("../../x").parent == folder.path
    assert folder.path.is_relative_to(tmp_path / ".workbook")


def test_the_root_is_the_project_wherever_in_it_a_notebook_runs(tmp_path):
    here = Path(__file__).parents[2]
    assert project_root(here / "notebooks") == here
    assert project_root(tmp_path) == tmp_path
