"""A proxy gets into the path of callers without their knowing, and out of it again."""

import asyncio

import httpx2
import pytest
import redis.asyncio

from services.contracts import inventory_pb2, inventory_pb2_grpc, names
from workbook_lib.kit.consul import Consul
from workbook_lib.kit.discovery import RoundRobin, Subscriber
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab import LabError, faults
from workbook_lib.lab.evidence import eventually, healthy_instances

pytestmark = pytest.mark.server

SKU = inventory_pb2.StockRequest(sku="keyboard")


async def test_callers_that_discover_a_service_pass_through_its_proxy_and_feel_its_cut(lab):
    await lab.start("consul", "inventory")
    consul_url = lab["consul"].url
    proxy = await faults.proxy(lab, "inventory", role="grpc")
    (instance,) = await eventually(lambda: healthy_instances(consul_url, names.INVENTORY))
    assert instance.rpc_target == proxy.target
    assert instance.url == lab["inventory"].url  # only the one port has moved

    async with Consul(consul_url, timeout_seconds=20) as consul:
        subscriber = Subscriber(consul, names.INVENTORY, start_timeout_seconds=20)
        stub_type = inventory_pb2_grpc.InventoryServiceStub
        client = RpcClient(RoundRobin(subscriber), stub_type, timeout_seconds=20)
        await subscriber.start()
        await client.start()
        try:
            with client.stub() as stub:
                await stub.GetStock(SKU)
            passed = await proxy.stats()
            assert passed.connections == 1
            assert passed.sent_bytes > 0 < passed.received_bytes
            await proxy.cut()
            with pytest.raises(Unavailable), client.stub() as stub:
                await stub.GetStock(SKU)
            await proxy.restore()
        finally:
            await client.stop()
            await subscriber.stop()
    await proxy.close()
    (instance,) = await eventually(lambda: healthy_instances(consul_url, names.INVENTORY))
    assert instance.rpc_target == lab["inventory"].grpc_target


async def test_a_servers_clients_are_led_through_by_its_variables(lab):
    await lab.start("redis")
    proxy = await faults.proxy(lab, "redis", role="redis")
    assert proxy.environment == {"REDIS_URL": f"redis://{proxy.target}/0"}
    async with redis.asyncio.from_url(
        proxy.environment["REDIS_URL"], socket_timeout=20, retry=None
    ) as client:
        assert await client.ping()
        before = await proxy.stats()
        assert await client.ping()
        assert (await proxy.stats()) - before == faults.Traffic(
            0, 0, len("*1\r\n$4\r\nPING\r\n"), len("+PONG\r\n")
        )
        await proxy.blackhole()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.ping(), 0.3)
        await proxy.restore()
        assert await eventually(client.ping)


async def test_without_consul_callers_are_given_the_proxys_address(echo):
    proxy = await faults.proxy(echo, "echo")
    await proxy.delay(0.05)
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        assert (await client.get(proxy.url)).status_code == 200
    assert (await proxy.stats()).connections == 1
    await proxy.close()
    await proxy.close()
    echo.check()


async def test_kafka_is_refused_since_its_clients_would_go_round_the_proxy(lab):
    with pytest.raises(LabError, match="the address that the broker names"):
        await faults.proxy(lab, "kafka", role="broker")
