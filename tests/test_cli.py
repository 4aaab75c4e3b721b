"""The `workbook` command: what it prints, its exit codes, and that Ctrl-C leaves nothing."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import uuid

import psutil
import pytest

from tests.book.conftest import notebook
from workbook_lib.book.tree import marked
from workbook_lib.lab.run_folder import RUN_ID

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def start(tmp_path):
    """Starts the command in an empty folder, marked, so that what it leaves can be found."""
    started = []

    def start_command(*arguments):
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [sys.executable, "-m", "workbook_lib.cli", *arguments],
            cwd=tmp_path,
            env={**os.environ, RUN_ID: mark, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process, mark

    yield start_command
    for process in started:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def chapter_file(tmp_path):
    """Writes a chapter into the folder that the command is started in."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    return lambda name, *cells, **metadata: (folder / f"{name}.ipynb").write_text(notebook(cells, **metadata))


def _read_until(process, text):
    """The lines up to the first that holds `text`."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"{text!r} is not in {''.join(lines)}")


def test_help_names_every_command_and_is_quick(start):
    """By the processor's time: other processes don't count."""
    before = _cpu_seconds()
    process, _ = start("--help")
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert all(name in printed for name in ("doctor", "provision", "up", "run", "list", "lab"))
    assert _cpu_seconds() - before < 3


def _cpu_seconds():
    """Of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_without_chapters_the_command_says_where_it_looked(start, tmp_path):
    process, _ = start("list")
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"there are no chapters in {tmp_path / 'notebooks'}" in printed


def test_list_prints_json_that_programs_can_read(start, chapter_file):
    chapter_file("04_3_tracing", chapter="4.3", title="Tracing", covers=["4.3a"], servers=["kafka"])
    process, _ = start("list", "--json")
    (listed,) = json.loads(process.communicate(timeout=20)[0])
    assert listed["chapter"] == "04_3"
    assert listed["file"] == "notebooks/04_3_tracing.ipynb"
    assert listed["servers"] == ["kafka"]
    process, _ = start("list")
    assert "Tracing" in process.communicate(timeout=20)[0]


def test_an_unknown_chapter_is_answered_with_the_list(start, chapter_file):
    chapter_file("04_3_tracing", chapter="4.3", title="Tracing")
    process, _ = start("run", "05")
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "there is no chapter '05'" in printed
    assert "04_3" in printed


def test_doctor_looks_at_servers_and_says_so_by_its_exit_code(start):
    process, _ = start("doctor")
    printed, _ = process.communicate(timeout=60)
    assert all(name in printed for name in ("Python", "Redis", "Kafka", "Consul", "Jaeger", "memory"))
    assert process.returncode == (1 if "✗" in printed else 0)


def test_provision_tells_where_a_server_is(start):
    process, _ = start("provision", "redis")
    printed, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "✓ redis" in printed


def test_provision_refuses_a_server_that_it_does_not_know(start):
    process, _ = start("provision", "oracle")
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "oracle" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_keeps_a_server_until_a_signal_and_leaves_nothing(start, number):
    process, mark = start("up", "redis")
    assert "redis" in _read_until(process, "Ctrl-C stops all")
    assert any("redis" in each.name() for each in marked(mark))
    process.send_signal(number)
    assert "Traceback" not in process.communicate(timeout=20)[0]
    assert process.returncode == 130
    assert marked(mark) == []


def test_up_explains_a_name_that_it_does_not_know(start):
    process, mark = start("up", "redis", "nonsense")
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "nonsense" in printed
    assert "Traceback" not in printed
    assert marked(mark) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_run_ends_its_chapters_on_a_signal(start, chapter_file, number):
    chapter_file("01_waits", "import threading\nthreading.Event().wait()")
    process, mark = start("run", "--out", "out")
    _read_until(process, "started")
    pause = threading.Event()
    while not any("ipykernel" in _command(each) for each in marked(mark)):
        pause.wait(0.05)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted" in printed
    assert "Traceback" not in printed
    assert marked(mark) == []
    assert not psutil.pid_exists(process.pid)


def _command(process):
    with contextlib.suppress(psutil.NoSuchProcess):  # many come and go while a run begins
        return " ".join(process.cmdline())
    return ""


def test_lab_opens_jupyterlab_on_the_entrance_and_on_loopback_only(start, chapter_file):
    chapter_file("00_start_here")
    process, mark = start("lab", "--no-browser", "--port", "18888")
    printed = _read_until(process, "http://127.0.0.1:")
    assert "/lab/tree/00_start_here.ipynb" in printed
    assert "0.0.0.0" not in printed
    process.terminate()
    process.communicate(timeout=20)
    assert marked(mark) == []
