"""The benchmark of vector stores: recall is measured, and the store of the model service is a fast one."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.alone


def test_usearch_finds_nearly_all_and_is_faster_than_brute_force():
    command = [sys.executable, "-m", "benchmarks.vector_stores", "--json", "--questions", "100"]
    command += ["--only", "brute force (NumPy)", "usearch"]
    done = subprocess.run(command, check=False, timeout=200, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    exact, index = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert exact["recall_at_10"] == 1.0
    assert index["recall_at_10"] >= 0.9
    assert index["p50_ms"] < exact["p50_ms"]
