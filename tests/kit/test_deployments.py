"""Which deployment of a service is live: followed in a real Consul, in whatever order its news comes."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from workbook_lib.kit.consul import Consul, Registration
from workbook_lib.kit.deployments import LiveInstances, live_key
from workbook_lib.kit.discovery import NoInstances

pytestmark = pytest.mark.server


@pytest.fixture
async def consul(consul_url: str) -> AsyncIterator[Consul]:
    async with Consul(consul_url, timeout_seconds=10) as consul:
        yield consul


@pytest.fixture
def service() -> str:
    return f"shop-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def live(consul: Consul, service: str) -> AsyncIterator[LiveInstances]:
    live = LiveInstances(consul, service, "prod")
    await live.start()
    yield live
    await live.stop()


async def register(consul: Consul, service: str, deployment: str, environment: str = "prod") -> str:
    name = f"{service}-{environment}-{deployment}"
    meta = {"environment": environment, "deployment": deployment}
    await consul.register(Registration(id=name, service=service, address="127.0.0.1", port=9000, meta=meta))
    return name


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - only Consul knows when
            await asyncio.sleep(0.01)


def ids(live: LiveInstances) -> list[str]:
    return [instance.id for instance in live.instances]


async def test_calls_go_to_the_deployment_that_the_key_names_and_move_when_it_changes(consul, service, live):
    blue, green = await register(consul, service, "blue"), await register(consul, service, "green")
    await consul.kv_put(live_key(service), "blue")
    await until(lambda: live.live == "blue")
    assert {live.next().id for _ in range(4)} == {blue}
    await consul.kv_put(live_key(service), "green")
    await until(lambda: live.live == "green")
    assert {live.next().id for _ in range(4)} == {green}


async def test_a_deployment_without_an_instance_does_not_become_live(consul, service, live):
    blue = await register(consul, service, "blue")
    await consul.kv_put(live_key(service), "blue")
    await until(lambda: live.live == "blue")
    await consul.kv_put(live_key(service), "green")
    await until(lambda: live.wanted == "green")
    assert (live.live, live.next().id) == ("blue", blue)
    green = await register(consul, service, "green")
    await until(lambda: live.live == "green")
    assert live.next().id == green


async def test_a_live_deployment_that_loses_its_last_instance_is_not_replaced_by_an_old_one(
    consul, service, live
):
    """An old version may not even fit today's data; going back is a decision."""
    await register(consul, service, "blue")
    green = await register(consul, service, "green")
    await consul.kv_put(live_key(service), "green")
    await until(lambda: live.live == "green")
    await consul.deregister(green)
    await until(lambda: not ids(live))
    with pytest.raises(NoInstances, match="green has none"):
        live.next()


async def test_another_environments_instance_of_the_same_deployment_is_not_called(consul, service, live):
    await register(consul, service, "blue", "staging")
    own = await register(consul, service, "blue")
    await consul.kv_put(live_key(service), "blue")
    await until(lambda: live.live == "blue")
    assert ids(live) == [own]


async def test_without_the_key_nothing_is_live(consul, service, live):
    await register(consul, service, "blue")
    with pytest.raises(NoInstances, match=f"deploy/{service}/active isn't set"):
        live.next()
    await consul.kv_put(live_key(service), "blue")
    await until(lambda: live.live == "blue")
    await consul.kv_delete(live_key(service))
    await until(lambda: live.live is None)


async def test_starting_without_consul_takes_a_bounded_time_and_goes_on(service):
    async with Consul("127.0.0.1:1") as nowhere:
        live = LiveInstances(nowhere, service, "prod", start_timeout_seconds=0.1)
        async with asyncio.timeout(10):
            await live.start()
        with pytest.raises(NoInstances):
            live.next()
        await live.stop()
