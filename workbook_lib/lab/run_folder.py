"""Where a chapter's run writes, and what an earlier run of the same chapter left behind."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from workbook_lib.lab import supervisor
from workbook_lib.lab.processes import Process

__all__ = ["RUN_ID", "RunFolder", "project_root"]

RUN_ID = "WORKBOOK_RUN_ID"  # in the environment of everything that a run starts
KEPT_RUNS = 3
REAP_SECONDS = 3.0
_numbers = itertools.count(1)


def project_root(start: Path | None = None) -> Path:
    """The nearest folder from `start` (default: here) up with this project's pyproject; else `start`."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        with contextlib.suppress(OSError):
            if 'name = "microservices-workbook"' in (folder / "pyproject.toml").read_text():
                return folder
    return here


class RunFolder:
    """`<root>/.workbook/<chapter>/<time>-<pid>/`: a log and a data folder per process, and processes.json.

    Making one first ends the processes of earlier runs of this chapter whose owner is dead, and removes all
    but the last few folders. A live run of the same chapter in another kernel isn't touched.
    """

    def __init__(self, root: Path, chapter: str) -> None:
        self.chapter_folder = root / ".workbook" / _file_name(chapter)
        self.reaped = _reap(self.chapter_folder)
        # Nested runs have nested ids, so that whoever started the outer one finds everything by its prefix.
        self.run_id = "/".join(filter(None, [os.environ.get(RUN_ID), uuid.uuid4().hex[:12]]))
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{next(_numbers):03}"
        self.path = self.chapter_folder / name
        self.path.mkdir(parents=True)
        self._processes: list[Process] = []
        self.record(ended=False)

    def log_path(self, name: str) -> Path:
        """The log file of a process."""
        return self.path / f"{_file_name(name)}.log"

    def data_folder(self, name: str) -> Path:
        """A folder of its own for what a process keeps."""
        folder = self.path / _file_name(name)
        folder.mkdir(exist_ok=True)
        return folder

    def add(self, process: Process) -> None:
        """Note a started process in processes.json."""
        self._processes.append(process)
        self.record(ended=False)

    def record(self, *, ended: bool) -> None:
        """Write processes.json: the owner, the run's id, each process; `ended` when all were stopped."""
        facts = {
            "owner": supervisor.identity(os.getpid()),
            "run_id": self.run_id,
            "ended": ended,
            "processes": [
                {"name": p.name, "pid": p.pid, "start": p.start_time, "argv": p.argv} for p in self._processes
            ],
        }
        new = self.path / "processes.json.new"
        new.write_text(json.dumps(facts, indent=1))
        new.replace(self.path / "processes.json")


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in text)


def _reap(chapter_folder: Path) -> list[str]:
    """End what dead owners left; the names and pids of what was ended, for the chapter to show."""
    dead: list[dict[str, Any]] = []
    removable: list[Path] = []
    for folder in sorted(chapter_folder.glob("*/")) if chapter_folder.is_dir() else ():
        try:
            facts = json.loads((folder / "processes.json").read_text())
            over = facts["ended"] or not supervisor.is_alive((facts["owner"][0], facts["owner"][1]))
        except (OSError, ValueError, LookupError, TypeError):
            over, facts = (
                True,
                {"ended": True},
            )  # killed before it had written this, so it had started nothing
        if over:
            removable.append(folder)
            dead += [] if facts["ended"] else [facts]
    ended = _end_left(dead) if dead else []
    for folder in removable[: max(0, len(removable) - KEPT_RUNS + 1)]:
        shutil.rmtree(folder, ignore_errors=True)
    return ended


def _end_left(runs: list[dict[str, Any]]) -> list[str]:
    """Kill what these runs left, however deep (psutil compares start times again before it kills)."""
    ids = [str(run["run_id"]) for run in runs]
    listed = {(each["pid"], each["start"]): each["argv"][0] for run in runs for each in run["processes"]}
    ended: dict[int, str] = {}
    deadline = time.monotonic() + REAP_SECONDS
    while time.monotonic() < deadline:
        left = [process for process in psutil.process_iter() if _belongs(process, ids, listed)]
        if not left:
            break
        for process in left:
            with contextlib.suppress(psutil.Error):
                ended[process.pid] = f"{process.name()} (pid {process.pid})"
                process.kill()
        time.sleep(0.02)  # no wait for a process: it may be a child of ours whose exit code another wants
    return list(ended.values())


def _belongs(process: psutil.Process, run_ids: list[str], listed: Mapping[supervisor.Identity, str]) -> bool:
    """Whether it carries the mark of one of the runs, or is one that they list: id, start time, program."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        mark = process.environ().get(RUN_ID, "")
        if any(mark == each or mark.startswith(each + "/") for each in run_ids):
            return True
        # A program that gives itself a title (Redis before 6.2, PostgreSQL) has overwritten its mark.
        started_as = listed.get(supervisor.identity(process.pid) or (0, ""))
        return started_as is not None and Path(process.exe()).name == Path(started_as).resolve().name
    except (psutil.Error, OSError):
        return False
