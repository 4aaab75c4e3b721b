"""The comparison of parked units measures what it says."""

import json
import subprocess
import sys

from benchmarks.concurrency_units import park_tasks, park_threads


def test_as_many_are_parked_as_asked_for():
    tasks, threads = park_tasks(2_000), park_threads(50)
    assert (tasks["units"], threads["units"]) == (2_000, 50)


def test_each_kind_is_one_row_and_a_thread_takes_more_than_a_task():
    command = [sys.executable, "-m", "benchmarks.concurrency_units", "--json"]
    printed = json.loads(
        subprocess.run(command, check=True, timeout=180, capture_output=True, text=True).stdout
    )
    rows = {row["what"]: row for row in printed["rows"]}
    assert set(rows) - {"goroutine"} == {"asyncio task", "thread"}
    assert 0 < rows["asyncio task"]["kib_each"] < rows["thread"]["kib_each"]
    assert "cores" in printed["machine"]
