"""A trace that is recorded costs a request something, one that isn't costs less, and neither doubles it."""

import json
import subprocess
import sys

import pytest

ATTEMPTS = 5

pytestmark = pytest.mark.alone


def measured() -> dict[tuple[str, str], dict]:
    arguments = ["-m", "benchmarks.tracing_cost", "--json", "--rounds", "3", "--seconds", "0.4"]
    done = subprocess.run(
        [sys.executable, *arguments], check=False, timeout=120, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {(row["handler"], row["tracing"]): row for row in json.loads(done.stdout)["rows"]}


@pytest.mark.timeout(400)
def test_recording_costs_more_than_not_recording_and_less_than_a_request():
    ratios = []
    for _ in range(ATTEMPTS):
        rows = measured()
        assert {tracing for _, tracing in rows} == {"off", "unsampled", "sampled"}
        order = {tracing: rows["order", tracing]["ratio"] for tracing in ("off", "unsampled", "sampled")}
        ratios.append(order)
        if order["off"] <= order["unsampled"] * 1.05 and order["unsampled"] < order["sampled"] < 2:
            return
    pytest.fail(f"processor time a request, as a ratio to no tracing: {ratios}")
