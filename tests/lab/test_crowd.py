"""A killed instance leaves the passing list within one check interval and timeout, measured twenty times."""

from pathlib import Path

import psutil
import pytest

from workbook_lib.kit.consul import Consul
from workbook_lib.lab import Lab
from workbook_lib.lab.crowd import crowd
from workbook_lib.lab.evidence import eventually

pytestmark = [pytest.mark.server, pytest.mark.alone]


async def test_each_of_twenty_killed_instances_leaves_within_an_interval_and_a_timeout(tmp_path: Path):
    async with Lab("crowd", root=tmp_path) as lab:
        await lab.start("consul")
        instances = await crowd(lab, members=20, interval_seconds=1, timeout_seconds=1)
        assert len(set(instances.pids.values())) == 20
        seconds = await instances.kill_all()
        assert seconds.keys() == instances.pids.keys()
        assert max(seconds.values()) <= instances.longest_seconds
        assert max(seconds.values()) - min(seconds.values()) > 0.3  # spread over the interval: not by a timer
        await eventually(lambda: not any(psutil.pid_exists(pid) for pid in instances.pids.values()))
        async with Consul(lab["consul"].url) as consul:
            assert await consul.catalog("crowd") == []
        parent = lab["crowd"].pid
    assert not psutil.pid_exists(parent)


async def test_what_is_not_killed_ends_with_the_lab(tmp_path: Path):
    async with Lab("crowd", root=tmp_path) as lab:
        await lab.start("consul")
        instances = await crowd(lab, members=2)
    assert not any(psutil.pid_exists(pid) for pid in instances.pids.values())
