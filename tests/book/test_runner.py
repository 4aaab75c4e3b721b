"""`workbook run` on small chapters: what passes, what fails and how, and what it leaves behind."""

import json
import os

import pytest

pytestmark = pytest.mark.timeout(180)


def _report(folder):
    return {each["notebook"]: each for each in json.loads((folder / "report.json").read_text())["chapters"]}


def test_a_failing_chapter_does_not_stop_the_others_and_tells_its_cell(write, workbook, tmp_path):
    hold = "import time\nheld = b'x' * 100_000_000\ntime.sleep(4)"
    write("01_good", hold, "assert len(held) == 100_000_000", title="Good")
    write("02_bad", "x = 1", "assert x == 2, 'not two'", "never = True", title="Bad")
    done = workbook("run", "-j", "2", "--out", "out")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 of 2 chapters passed" in done.stdout
    assert "AssertionError: not two" in done.stdout
    good, bad = _report(tmp_path / "out").values()
    assert good["status"] == "passed"
    assert good["first_error"] is None
    assert 100 < good["peak_mb"] < 500, "memory is sampled once a second, and this was held for longer"
    assert good["leftovers"] == bad["leftovers"] == []
    assert bad["status"] == "failed"
    assert bad["first_error"] == {
        "cell": 2,
        "source": "assert x == 2, 'not two'",
        "name": "AssertionError",
        "message": "not two",
    }
    assert "papermill" in bad["logs"]


def test_the_longest_chapters_run_first_and_no_more_at_once_than_memory_allows(write, workbook, tmp_path):
    write("01_short", "pass", chapter="1", title="Short", budget={"seconds": 10, "mb": 400})
    write("02_large", "pass", chapter="2", title="Large", budget={"seconds": 20, "mb": 2000})
    write("03_longest", "import time; time.sleep(1)", title="Longest", budget={"seconds": 30, "mb": 2000})
    done = workbook("run", "-j", "2", "--out", "out", "--no-pages")
    assert done.returncode == 0, done.stdout + done.stderr
    titles = [line.split(": ")[-1] for line in done.stdout.splitlines() if "started: " in line]
    assert titles == ["Longest", "Short", "Large"], "the large one waits until it fits"
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["jobs"] == 2
    longest = _report(tmp_path / "out")["03_longest"]
    assert longest["peak_mb"] < report["peak_mb"] < 2500


def test_the_end_of_every_log_of_a_failed_chapter_is_shown(write, workbook, tmp_path):
    start = "from workbook_lib.lab import Lab\nlab = Lab('9')\nawait lab.start('redis')"
    write("01_bad", start, "raise RuntimeError('stop here')", servers=["redis"])
    done = workbook("run", "--out", "out")
    result = _report(tmp_path / "out")["01_bad"]
    assert result["status"] == "failed"
    assert "Ready to accept connections" in result["logs"]["redis"]
    assert "Ready to accept connections" in done.stdout
    assert result["leftovers"] == []


def test_a_cell_that_hangs_ends_its_chapter_with_the_limit_named(write, workbook, tmp_path):
    write("01_hangs", "x = 1", "import threading; threading.Event().wait()", budget={"seconds": 3, "mb": 500})
    assert workbook("run", "--out", "out").returncode == 1
    result = _report(tmp_path / "out")["01_hangs"]
    assert result["status"] == "timeout"
    assert result["first_error"]["cell"] == 2
    assert "limit of" in result["first_error"]["message"]
    assert result["leftovers"] == []


def test_a_chapter_over_its_limit_is_killed_and_its_page_says_so(write, workbook, tmp_path):
    many = ["import asyncio", *["await asyncio.sleep(1)"] * 30]
    write("01_slow", *many, budget={"seconds": 60, "mb": 500})
    assert workbook("run", "--out", "out", "--limit", "10").returncode == 1
    result = _report(tmp_path / "out")["01_slow"]
    assert result["status"] == "timeout"
    assert "the chapter was not done after its limit of 10 s" in result["first_error"]["message"]
    assert (
        "the chapter was not done after its limit of 10 s" in (tmp_path / "out" / "01_slow.html").read_text()
    )


def test_a_kernel_that_dies_is_reported_at_its_cell(write, workbook, tmp_path):
    write("01_dies", "x = 1", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert workbook("run", "--out", "out").returncode == 1
    result = _report(tmp_path / "out")["01_dies"]
    assert result["status"] == "failed"
    assert result["first_error"]["cell"] == 2
    assert "the kernel died" in result["first_error"]["message"]


def test_an_earlier_result_and_its_page_stay_until_its_chapter_runs_again(write, workbook, tmp_path):
    write("01_one", "pass")
    write("02_two", "pass")
    assert workbook("run", "--out", "out").returncode == 0
    first = _report(tmp_path / "out")
    page = (tmp_path / "out" / "01_one.html").stat()
    write("02_two", "1 / 0")
    done = workbook("run", "2", "--out", "out")
    assert done.returncode == 1
    assert "0 of 1 chapters passed" in done.stdout
    second = _report(tmp_path / "out")
    assert second["01_one"] == first["01_one"]
    assert (tmp_path / "out" / "01_one.html").stat().st_mtime_ns == page.st_mtime_ns, "rendered again"
    assert second["02_two"]["first_error"]["name"] == "ZeroDivisionError"


def test_nothing_is_injected_into_the_executed_notebook(write, workbook, tmp_path):
    source = write("01_one", "x = 1", "print(x)")
    assert workbook("run", "--out", "out").returncode == 0
    executed = json.loads((tmp_path / "out" / "executed" / "01_one.ipynb").read_text())
    committed = json.loads(source.read_text())
    assert ["".join(c["source"]) for c in executed["cells"]] == [c["source"] for c in committed["cells"]]
    assert executed["cells"][2]["outputs"][0]["text"] in ("1\n", ["1\n"])
    assert {each.name for each in tmp_path.iterdir()} == {"notebooks", "out", ".workbook"}


def test_a_kafka_that_dies_mid_chapter_is_the_error_of_the_next_cell(write, workbook, tmp_path):
    start = "from workbook_lib.lab import Lab\nlab = Lab('9')\nawait lab.start('kafka')"
    die = (  # it answers before it says that it has started
        "import os\nfrom workbook_lib.lab.evidence import eventually\nprocess = lab['kafka'].process\n"
        "await eventually(lambda: 'Kafka Server started' in process.log_tail())\n"
        "os.kill(process.pid, 9)\nawait process.wait(30)"
    )
    write("01_dies", start, die, "raise RuntimeError('this cell must not run')", servers=["kafka"])
    assert workbook("run", "--out", "out").returncode == 1
    result = _report(tmp_path / "out")["01_dies"]
    assert result["first_error"]["cell"] == 3
    assert "kafka: the process" in result["first_error"]["message"]
    assert "was killed by signal 9" in result["first_error"]["message"]
    assert "Kafka Server started" in result["first_error"]["message"]
    assert result["leftovers"] == []


def test_old_runs_are_cleared_away_and_a_run_under_way_is_not(write, workbook, tmp_path):
    book = tmp_path / ".workbook" / "book"
    for number in range(8):
        (book / f"0101-00000{number}-4194305").mkdir(parents=True)  # above Linux's highest process id
    running = book / f"0101-000000-{os.getpid()}"
    running.mkdir()
    for age, folder in enumerate([running, *sorted(book.glob("*-4194305"))]):
        os.utime(folder, (age, age))
    write("01_good", "x = 1")
    assert workbook("run", "--out", "out").returncode == 0
    assert running.is_dir()
    assert len(list(book.glob("*-4194305"))) < 8
