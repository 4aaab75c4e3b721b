"""A wait for readiness ends: with an answer, with the process, with a hopeless check, or at its deadline."""

import asyncio
import os
import sys

import pytest

from workbook_lib.lab import LabError
from workbook_lib.lab.processes import Supervisor
from workbook_lib.lab.readiness import Hopeless, until_ready


@pytest.fixture
def process(tmp_path, marked):
    """A program that has printed a line and sleeps."""
    held = Supervisor(tmp_path / "supervisor.log")
    program = "import time; print('warming up', flush=True); time.sleep(600)"
    yield held.spawn(
        "users", [sys.executable, "-c", program], env=os.environ, cwd=tmp_path, log=tmp_path / "users.log"
    )
    held.close()


async def test_it_asks_until_nothing_is_missing(process):
    answers = iter(["no leader yet", OSError("refused"), EOFError(), None])

    async def check() -> str | None:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    await until_ready(process, check, timeout_seconds=5)
    assert next(answers, "asked no more") == "asked no more"


async def test_the_deadline_names_what_is_still_missing(process):
    async def check() -> str | None:
        return "no leader yet"

    with pytest.raises(LabError, match=r"users: not ready after 0\.1 s: no leader yet"):
        await until_ready(process, check, timeout_seconds=0.1)


async def test_one_that_never_answers_counts_as_not_ready(process, monkeypatch):
    monkeypatch.setattr("workbook_lib.lab.readiness.ASK_SECONDS", 0.05)

    async def check() -> str | None:
        await asyncio.Event().wait()
        return None

    with pytest.raises(LabError, match=r"no answer within 0\.05 s"):
        await until_ready(process, check, timeout_seconds=0.1)


async def test_a_hopeless_wait_ends_at_once(process):
    async def check() -> str | None:
        raise Hopeless("the program ended at once")

    with pytest.raises(LabError, match="users: the program ended at once"):
        await until_ready(process, check, timeout_seconds=60)


async def test_an_answer_doesnt_count_once_the_process_is_dead(process):
    """Its port may be answered by somebody else's server."""

    async def check() -> str | None:
        await process.kill()
        return None

    with pytest.raises(LabError, match="was killed by signal 9 while it was starting"):
        await until_ready(process, check, timeout_seconds=60)


async def test_an_error_names_the_process_the_cause_and_the_end_of_its_log(process, until):
    until(lambda: process.log_tail(), 5)
    await process.kill()
    assert str(LabError.died(process, "at noon")) == (
        f"users: the process (pid {process.pid}) was killed by signal 9 at noon. "
        f"The end of {process.log_path}:\nwarming up"
    )
    process.log_path.unlink()
    assert str(LabError.of(process, "no reason")).endswith("(it printed nothing)")
