"""What processes take is read from the operating system, their children included."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbook_lib.lab.evidence import Spending, eventually, memory_bytes

# Busy until its input ends, so that some of it is left whenever somebody begins to look.
BURN = """
import threading
def burn():
    while True: pass
threading.Thread(target=burn, daemon=True).start()
input()
"""

WAIT = "while os.getppid() == parent: time.sleep(0.02)\n    os._exit(0)"


def _program(code):
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def running():
    """Start programs and name them; each ends with its input."""
    started = []

    def start(name, code):
        process = _program(f"{code}\nprint('ready', flush=True)\ninput()")
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return SimpleNamespace(name=name, pid=process.pid)

    yield start
    for process in started:
        process.communicate("over\n", timeout=10)


async def test_the_work_since_the_beginning_counts_that_of_children_too(running):
    idle = running("idle", "")
    busy = running("busy", f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {BURN!r}])")
    spending = Spending(idle, busy)
    assert await eventually(lambda: _spent(spending, 0.05), interval_seconds=0.05)
    assert spending.cpu_seconds()["idle"] < 0.05


async def _spent(spending, seconds):
    return spending.cpu_seconds()["busy"] > seconds


def test_memory_that_processes_share_counts_once(running):
    """A child that was forked holds the same pages as its parent, and adds little."""
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("no proportional set size here")
    fill = "import os\nheld = bytearray(os.urandom(1 << 20) * 40)\n"
    alone = running("alone", fill)
    forked = running("forked", f"{fill}import time\nparent = os.getpid()\nif os.fork() == 0:\n    {WAIT}")
    held = memory_bytes(alone, forked)
    assert held["alone"] > 40e6
    assert held["forked"] < 1.5 * held["alone"]
