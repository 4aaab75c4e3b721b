"""Long steps visibly live, are bounded, and end with the process that started them."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from workbook_lib.lab.provision import progress
from workbook_lib.lab.provision.progress import Heartbeat, StepFailed, run_step

# A program that starts another, tells both ids, and goes on for a minute.
FAMILY = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(os.getpid(), child.pid, flush=True)
child.wait(60)
"""

STARTER = """
import sys
from pathlib import Path
from workbook_lib.lab.provision.progress import run_step
run_step([sys.executable, "-c", sys.argv[2]], "step", print, log=Path(sys.argv[1]), timeout_seconds=60,
         activity=lambda printed: sys.stdout.write(printed) and sys.stdout.flush() or "")
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_step_returns_what_its_program_printed(tmp_path: Path, lines: list[str]) -> None:
    printed = run_step(
        python("print('done')"), "Step", lines.append, log=tmp_path / "log", timeout_seconds=20
    )
    assert printed == "done\n"
    assert lines == ["Step"]


def test_a_failed_step_tells_its_exit_code_and_the_end_of_its_output(
    tmp_path: Path, lines: list[str]
) -> None:
    program = python("import sys; print('cause'); sys.exit(3)")
    with pytest.raises(StepFailed, match="exited with code 3") as failure:
        run_step(program, "Step", lines.append, log=tmp_path / "log", timeout_seconds=20)
    assert failure.value.tail == "cause"


def test_a_program_that_a_signal_ends_is_a_failure(tmp_path: Path, lines: list[str]) -> None:
    program = python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(StepFailed, match="exited with code 137"):
        run_step(program, "Step", lines.append, log=tmp_path / "log", timeout_seconds=20)


def test_a_program_that_is_not_there_is_a_failure(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(StepFailed, match="exited with code"):
        run_step(["/no/such/program"], "Step", lines.append, log=tmp_path / "log", timeout_seconds=20)


def test_a_step_that_takes_too_long_ends_with_its_children(tmp_path: Path, lines: list[str]) -> None:
    log = tmp_path / "log"
    with pytest.raises(StepFailed, match="longer than 2 s"):
        run_step(python(FAMILY), "Step", lines.append, log=log, timeout_seconds=2)
    assert_ended([int(word) for word in log.read_text().split()])


def test_killing_the_starter_ends_the_program_and_its_children(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [*python(STARTER), str(tmp_path / "log"), FAMILY], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == "step\n"
    pids = [int(word) for word in starter.stdout.readline().split()]
    starter.send_signal(signal.SIGKILL)
    starter.communicate(timeout=10)
    assert len(pids) == 2
    assert_ended(pids)


def assert_ended(pids: list[int]) -> None:
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_heartbeats_come_at_once_then_every_5_and_later_every_15_seconds(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    heartbeat = Heartbeat("Step", lines.append)
    for second in range(61):
        now = float(second)
        heartbeat.beat("3 of 4" if second > 20 else "")
    assert lines == [
        "Step",
        *(f"Step: {second} s" for second in (5, 10, 15, 20)),
        *(f"Step: {second} s, 3 of 4" for second in (25, 30, 45, 60)),
    ]
