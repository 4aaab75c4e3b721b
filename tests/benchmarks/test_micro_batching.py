"""Micro-batching carries far more questions at the same bound on p99."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.alone

LEAST_GAIN = 1.6  # 2.8 to 3.8 were measured on two cores that had nothing else to do
ATTEMPTS = 3


def measured() -> list[dict]:
    command = [sys.executable, "-m", "benchmarks.micro_batching", "--json", "--seconds", "2", "--rounds", "1"]
    done = subprocess.run(command, check=False, timeout=200, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])["rows"]


@pytest.mark.timeout(700)
def test_the_model_service_sustains_far_more_with_micro_batches_at_equal_p99():
    """The machine may be doing something else that meets one way more: up to three attempts."""
    gains = []
    while len(gains) < ATTEMPTS and max(gains, default=0) < LEAST_GAIN:
        alone, batched = measured()
        assert (alone["max_batch"], alone["batch_size"]) == (1, 1.0)
        assert max(alone["p99_ms"], batched["p99_ms"]) <= 500
        gains.append(batched["gain"])
    assert max(gains) >= LEAST_GAIN, gains
