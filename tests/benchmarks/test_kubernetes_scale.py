"""Pods are counted as ready by the control plane itself, and the figures are those of its own processes."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.alone


@pytest.mark.timeout(240)
def test_every_part_of_the_control_plane_works_for_the_pods():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kubernetes_scale", "--json", "--pods", "40"],
        check=False,
        timeout=200,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    work = {row["process"]: row["cpu_s"] for row in figures["rows"]}
    assert set(work) == {"etcd", "kubernetes", "kube-controller-manager", "kube-scheduler", "kwok"}
    assert max(work, key=work.get) == "kubernetes"  # everybody works through it
    assert all(seconds > 0 for seconds in work.values())
    assert figures["notes"][1].startswith("40 pods were ready after ")
