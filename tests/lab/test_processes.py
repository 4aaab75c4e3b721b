"""Programs are started, signalled as groups, awaited with a bound, and reported honestly."""

import asyncio
import gc
import os
import signal
import sys
import threading
import uuid

import psutil
import pytest

from workbook_lib.lab.processes import Process, ProcessError, Supervisor

DRAINS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("up", flush=True)
time.sleep(600)
"""
STUBBORN = DRAINS.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
WITH_CHILD = """
import subprocess, sys
print("up", flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
"""


@pytest.fixture
def held(request, tmp_path, marked):
    supervisor = Supervisor(tmp_path / "supervisor.log", grace_seconds=getattr(request, "param", 0.6))
    yield supervisor
    supervisor.close()
    assert [p.pid for p in marked.processes() if p.pid != os.getpid()] == []


@pytest.fixture
def spawn(held, tmp_path, until):
    def start(program: str, *, up: bool = True) -> Process:
        log = tmp_path / "logs" / f"{uuid.uuid4()}.log"
        process = held.spawn(
            "program", [sys.executable, "-c", program], env=os.environ, cwd=tmp_path, log=log
        )
        if up:
            until(lambda: "up" in process.log_tail(), 20)
        return process

    return start


async def test_sigterm_lets_a_program_drain(spawn):
    process = spawn(DRAINS)
    assert process.alive
    assert process.exit_code is None
    assert await process.stop() == 0
    assert not process.alive
    assert await process.stop() == 0, "stopping again changes nothing"


async def test_one_that_ignores_sigterm_is_killed_after_the_grace(spawn):
    assert await spawn(STUBBORN).stop(grace_seconds=0.2) == -signal.SIGKILL


async def test_signals_reach_the_whole_process_group(spawn, until):
    process = spawn(WITH_CHILD)
    until(lambda: psutil.Process(process.pid).children(), 20)
    (child,) = psutil.Process(process.pid).children()
    assert await process.kill() == -signal.SIGKILL
    until(lambda: _has_ended(child), 10)


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return True


async def test_a_wait_is_bounded(spawn):
    process = spawn(DRAINS)
    assert await process.wait(timeout_seconds=0.05) is None
    process.signal(signal.SIGINT)
    assert await process.wait(timeout_seconds=5) is not None


async def test_output_and_exit_code_are_kept(spawn):
    process = spawn("print('one'); print('two'); print('three'); raise SystemExit(3)", up=False)
    assert await process.wait(5) == 3
    assert process.log_tail(2) == "two\nthree"


async def test_a_program_gets_exactly_its_environment_and_no_input(held, tmp_path, marked):
    program = "import os, sys; print(sorted(set(os.environ) - {'LC_CTYPE'}), sys.stdin.read() == '')"
    process = held.spawn(
        "p", [sys.executable, "-c", program], env={"ONLY": "this"}, cwd=tmp_path, log=tmp_path / "p.log"
    )
    await process.wait(5)
    assert process.log_tail() == "['ONLY'] True"


def test_a_missing_program_is_named(held, tmp_path):
    with pytest.raises(ProcessError, match=r"consul couldn't be started: .*no-such-program"):
        held.spawn("consul", ["/no-such-program"], env={}, cwd=tmp_path, log=tmp_path / "p.log")
    assert held.alive


async def test_after_the_supervisors_death_programs_count_as_killed_and_none_is_started(
    spawn, held, marked, until
):
    process = spawn(DRAINS)
    os.kill(held.pid, signal.SIGKILL)
    until(lambda: not process.alive, 10)
    assert process.exit_code == -signal.SIGKILL
    assert not held.alive
    with pytest.raises(ProcessError, match="supervisor has died"):
        spawn(DRAINS)
    until(lambda: process.pid not in marked.pids(), 10)


@pytest.mark.parametrize("held", [2.0], indirect=True, ids=["grace"])  # one of them has to end by itself
async def test_closing_ends_everything_and_is_idempotent(spawn, held):
    processes = [spawn(DRAINS), spawn(STUBBORN)]
    held.close()
    held.close()
    assert [process.exit_code for process in processes] == [0, -signal.SIGKILL]
    with pytest.raises(ProcessError, match="closed"):
        spawn(DRAINS)


def test_forgetting_the_supervisor_ends_its_programs(tmp_path, marked, until):
    supervisor = Supervisor(tmp_path / "supervisor.log")
    supervisor.spawn(
        "p", [sys.executable, "-c", STUBBORN], env=os.environ, cwd=tmp_path, log=tmp_path / "p.log"
    )
    del supervisor
    gc.collect()
    until(lambda: not [pid for pid in marked.pids() if pid != os.getpid()], 2)


def test_threads_and_event_loops_share_one_supervisor(spawn, held):
    started: list[Process] = []

    def in_a_loop_of_its_own() -> None:
        async def start_and_stop() -> None:
            process = spawn(DRAINS)
            started.append(process)
            await process.stop()

        asyncio.run(start_and_stop())

    threads = [threading.Thread(target=in_a_loop_of_its_own) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [process.exit_code for process in started] == [0, 0, 0, 0]


def test_a_process_to_watch_that_is_gone_already_is_an_error(tmp_path):
    with pytest.raises(ProcessError, match="is gone"):
        Supervisor(tmp_path / "s.log", watch=2**22 + 1).spawn(
            "p", ["true"], env={}, cwd=tmp_path, log=tmp_path / "p"
        )
