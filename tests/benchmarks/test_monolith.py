"""Both shops are measured side by side, and a slow neighbour makes only those late who wait for it."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.alone, pytest.mark.server]

LATE_MS = 200


@pytest.mark.timeout(240)
def test_homes_wait_for_slow_recommendations_in_both_systems_and_profiles_in_neither():
    """Medians of one run: what else the machine does meets both routes, which are asked at the same time."""
    command = [sys.executable, "-m", "benchmarks.monolith", "--json", "--only", "slow", "--seconds", "1"]
    done = subprocess.run(command, check=False, timeout=200, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = {(r["dependency"], r["system"], r["route"]): r for r in json.loads(done.stdout)["slow"]}
    assert len(rows) == 8
    for system in ("services", "monolith"):
        usual, late = (rows[dependency, system, "home"] for dependency in ("as usual", "200 ms late"))
        beside = rows["200 ms late", system, "profile"]
        assert late["p50_ms"] - beside["p50_ms"] > LATE_MS * 0.8
        assert beside["failures"] == usual["failures"] == 0
