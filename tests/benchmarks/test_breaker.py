"""The breaker's cost is measured beside others', and stays below what a bare timeout costs."""

import json
import subprocess
import sys

import pytest

from benchmarks.breaker import BARE, OURS, OURS_UNTIMED, TIMEOUT

pytestmark = pytest.mark.alone


def measured() -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.breaker", "--json", "--rounds", "10", "--calls", "1000"]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    return {row["way"]: row for row in json.loads(done.stdout)["rows"]}


def test_a_guarded_call_costs_no_more_than_a_bare_timeout_and_a_refusal_less_than_any_call():
    """Ratios of one run, so that a slow machine is no failure; the best of three runs, nor is a busy one."""
    for _ in range(3):
        rows = measured()
        assert set(rows) == {BARE, TIMEOUT, OURS, OURS_UNTIMED, "purgatory", "pybreaker", "aiobreaker"}
        assert all(rows[way]["open_us"] > 0 for way in rows if way not in {BARE, TIMEOUT})
        fast = rows[OURS]["ratio"] <= 1.2 and rows[OURS_UNTIMED]["ratio"] <= 0.9
        if fast and rows[OURS]["open_us"] <= rows[TIMEOUT]["closed_us"]:
            return
    pytest.fail(f"slower than a bare timeout in three runs: {rows}")
