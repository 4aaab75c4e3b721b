"""An instance watch keeps each change of a service's instances, as a real Consul tells of it."""

import uuid
from dataclasses import replace

import pytest

from workbook_lib.kit.consul import Consul, ConsulError, HttpCheck, Registration
from workbook_lib.lab.evidence import InstanceWatch, eventually

pytestmark = pytest.mark.server


async def test_coming_falling_sick_and_going_are_three_samples_with_their_times(consul_url: str):
    service = f"watched-{uuid.uuid4().hex[:8]}"
    well = Registration(id=f"{service}-1", service=service, address="127.0.0.1", port=9)
    sick = replace(well, check=HttpCheck(url="http://127.0.0.1:9/health", interval_seconds=1))
    async with (
        Consul(consul_url, timeout_seconds=20) as consul,
        InstanceWatch(consul_url, service) as watch,
    ):
        assert watch.latest.statuses == {}
        registered = watch.mark("registered")
        await consul.register(well)
        # A check's first moment is random: it could be before the watch has seen it well.
        await eventually(lambda: watch.latest.passing)
        await consul.register(sick)
        await eventually(lambda: watch.seconds_to(f"{service}-1", "critical", registered))
        withdrawn = watch.mark("withdrawn")
        assert watch.seconds_to(f"{service}-1", None, withdrawn) is None
        assert watch.seconds_to(f"{service}-1", "critical", withdrawn) == 0, "so it is already"
        await consul.deregister(f"{service}-1")
        await eventually(lambda: watch.seconds_to(f"{service}-1", None, withdrawn) is not None)
    statuses = [sample.statuses.get(f"{service}-1") for sample in watch.samples]
    assert statuses == [None, "passing", "critical", None]
    assert [len(sample.passing) for sample in watch.samples] == [0, 1, 0, 0]
    assert [sample.at for sample in watch.samples] == sorted(sample.at for sample in watch.samples)
    assert list(watch.marks) == ["registered", "withdrawn"]


async def test_without_consul_there_is_nothing_to_watch():
    watch = InstanceWatch("127.0.0.1:1", "any")
    with pytest.raises(ConsulError):
        await watch.start()
    await watch.stop()
    await watch.stop()
