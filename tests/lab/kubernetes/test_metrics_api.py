"""What the metrics API counts, and whom it answers."""

import asyncio
import ssl
import sys
import urllib.error
from types import SimpleNamespace

import psutil
import pytest

from workbook_lib.lab import evidence
from workbook_lib.lab.kubernetes import metrics_api
from workbook_lib.lab.kubernetes.metrics_api import CpuRates, matches
from workbook_lib.lab.kubernetes.process_node import PROCESS_NODE_NAME
from workbook_lib.lab.readiness import http_get


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier", True),
        ("app=users", False),
        ("tier!=cache", True),
        ("tier!=front", False),
        ("zone", False),
    ],
)
def test_selectors(selector, fits):
    assert matches({"app": "web", "tier": "front"}, selector) is fits


async def test_a_busy_process_uses_processor_time_and_a_gone_one_is_forgotten(monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)  # two clocks may be read a second apart
    monkeypatch.setattr(metrics_api, "time", clock)
    busy = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
    rates = CpuRates()
    try:
        rates.read({busy.pid})
        assert rates.cores(busy.pid) is None  # one reading is no rate
        clock.now = 1.0

        def used():
            rates.read({busy.pid})
            return psutil.Process(busy.pid).cpu_times().user and rates.cores(busy.pid)

        cores = await evidence.eventually(used)
        times = psutil.Process(busy.pid).cpu_times()
        assert 0 < cores <= times.user + times.system
    finally:
        busy.kill()
        await busy.wait()
    rates.read({busy.pid})
    rates.read(set())
    assert rates.cores(busy.pid) is None


async def test_who_shows_no_certificate_of_the_clusters_is_not_answered(cluster, node):
    del node
    nobody = ssl.create_default_context()
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    port = cluster[PROCESS_NODE_NAME].port("https")
    with pytest.raises((OSError, urllib.error.URLError)):
        await http_get(f"https://127.0.0.1:{port}/healthz", tls=nobody)
