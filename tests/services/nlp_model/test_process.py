"""The model's process: it dies, hangs or can't be started, and what its service makes of that."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from services.nlp_model import process
from services.nlp_model.process import ModelProcess, Task
from workbook_lib.kit.errors import Unavailable
from workbook_lib.lab.evidence import eventually

TEXTS = ["How do I reset my password?", "Where is my order?", "Can I pay by invoice?"]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return Task(texts=TEXTS, folder=str(tmp_path_factory.mktemp("index")), wrong_share=0.0, seed="1")


@pytest.fixture
async def model(task):
    model = ModelProcess(task)
    await model.start()
    yield model
    await model.stop()


async def test_each_text_gets_its_vector_and_what_is_nearest_to_it(model):
    readings = await model.read(TEXTS)
    assert [reading.nearest[0][0] for reading in readings] == [0, 1, 2]
    for reading in readings:
        assert sum(each * each for each in reading.vector) == pytest.approx(1, abs=1e-5)
        assert reading.nearest[0][1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("moment", ["idle", "under a batch"])
async def test_a_killed_one_costs_no_answer(model, moment, monkeypatch):
    monkeypatch.setattr(process, "_BATCH_SECONDS", 240.0)  # on a busy machine a batch takes 20 and more
    before = model.pid
    if moment == "idle":
        os.kill(before, signal.SIGKILL)
        (reading,) = await model.read(TEXTS[:1])
    else:
        asking = asyncio.create_task(model.read([TEXTS[0], *["word " * 120] * 60]))
        worker = psutil.Process(before)
        began = worker.cpu_times().user
        # The batch takes seconds of processor time.
        assert await eventually(lambda: worker.cpu_times().user > began + 0.1, interval_seconds=0.01)
        os.kill(before, signal.SIGKILL)
        reading = (await asking)[0]
    assert reading.nearest[0][0] == 0
    assert model.pid != before


async def test_a_hanging_one_is_replaced(model, monkeypatch):
    before = psutil.Process(model.pid)
    before.suspend()
    with monkeypatch.context() as patched:
        patched.setattr(process, "_BATCH_SECONDS", 0.5)
        asking = asyncio.create_task(model.read(TEXTS[1:2]))
        await asyncio.sleep(0)  # it is asked; the one in its place may take its time
    (reading,) = await asking
    assert reading.nearest[0][0] == 1
    assert not before.is_running()


async def test_one_that_does_not_start_is_unavailable(task, monkeypatch):
    monkeypatch.setattr(process.sys, "executable", "false")
    with pytest.raises(Unavailable, match="ended"):
        await ModelProcess(task).start()


async def test_it_ends_when_it_is_stopped(model):
    own = psutil.Process(model.pid)
    await model.stop()
    assert not own.is_running()


def test_it_ends_with_who_started_it(task):
    script = (
        "import asyncio, os, signal\n"
        "from services.nlp_model.process import ModelProcess, Task\n"
        "async def main():\n"
        f"    model = ModelProcess(Task({task.texts!r}, {task.folder!r}, 0.0, '1'))\n"
        "    await model.start()\n"
        "    print(model.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    over = time.monotonic() + 30
    while psutil.pid_exists(int(done.stdout)) and time.monotonic() < over:
        time.sleep(0.05)
    assert not psutil.pid_exists(int(done.stdout))
