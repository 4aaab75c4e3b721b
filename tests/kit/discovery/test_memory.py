"""A caller that starts while Consul is away has the instances that an earlier run of it was told."""

from datetime import timedelta
from pathlib import Path

import pytest

from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.consul import Consul, Instance, Registration
from workbook_lib.kit.discovery import Directory, EndpointMemory, NoInstances, RoundRobin, Subscriber
from workbook_lib.lab import evidence

SHOP = [Instance("shop-1", "shop", "127.0.0.1", 80, ("v1",), {"grpc_port": "81"})]


def test_what_is_kept_is_recalled_with_its_age_in_another_process(tmp_path: Path) -> None:
    EndpointMemory(tmp_path / "known", clock=ManualClock()).keep("shop", SHOP)
    later = ManualClock(ManualClock().now() + timedelta(seconds=40))
    instances, age_seconds = EndpointMemory(tmp_path / "known", clock=later).recall("shop")
    assert list(instances) == SHOP
    assert instances[0].rpc_target == "127.0.0.1:81"
    assert age_seconds == 40


async def test_what_is_too_old_is_not_used(tmp_path: Path) -> None:
    """Another program may have the address by now."""
    clock = ManualClock()
    memory = EndpointMemory(tmp_path, max_age_seconds=60, clock=clock)
    memory.keep("shop", SHOP)
    await clock.advance(60)
    assert memory.recall("shop") is not None
    await clock.advance(1)
    assert memory.recall("shop") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"confirmed_at": 1e12, "instances": [{"id": 1}]}'])
def test_what_cannot_be_read_is_as_if_it_were_not_there(tmp_path: Path, content: str) -> None:
    memory = EndpointMemory(tmp_path)
    assert memory.recall("shop") is None
    (tmp_path / "shop.json").write_text(content)
    assert memory.recall("shop") is None


def test_a_name_is_no_path_and_a_disk_that_refuses_costs_nobody_a_call(tmp_path: Path) -> None:
    EndpointMemory(tmp_path / "known").keep("../escaped", SHOP)
    assert [path.parent for path in tmp_path.rglob("*.json")] == [tmp_path / "known"]
    (tmp_path / "file").touch()
    EndpointMemory(tmp_path / "file").keep("shop", SHOP)


async def test_a_subscriber_that_starts_without_consul_uses_what_its_forerunner_knew(
    tmp_path: Path, consul_url: str
) -> None:
    memory = EndpointMemory(tmp_path)
    directory = Directory(consul_url, memory=memory)
    found = directory.find("memory-shop", "unused:1")
    async with Consul(consul_url, timeout_seconds=20) as consul:
        await consul.register(Registration(id="m-1", service="memory-shop", address="127.0.0.1", port=9001))
        await directory.start()
        await evidence.eventually(lambda: found.instances)
        await directory.stop()
        await consul.deregister("m-1")
    async with Consul("127.0.0.1:1") as away:
        later = Subscriber(away, "memory-shop", start_timeout_seconds=0.1, memory=memory)
        await later.start()
        assert RoundRobin(later).next().id == "m-1"
        assert later.age_seconds is not None
        assert 0.1 <= later.age_seconds < 60
        await later.stop()
        stranger = Subscriber(away, "other", start_timeout_seconds=0.1, memory=memory)
        await stranger.start()
        with pytest.raises(NoInstances, match="hasn't answered"):
            RoundRobin(stranger).next()
        await stranger.stop()
