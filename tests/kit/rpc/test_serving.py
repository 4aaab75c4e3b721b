"""The server's life: its port, health, reflection, and a drain that loses no call."""

import asyncio
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.kit.rpc.conftest import SERVICE, Echo, call, calling, serving
from workbook_lib.kit import errors
from workbook_lib.kit.rpc import RpcServer

HEALTH = health_pb2.HealthCheckResponse


async def test_a_taken_port_is_an_error_at_the_start(server: RpcServer) -> None:
    second = RpcServer("127.0.0.1", server.port)
    with pytest.raises(OSError, match=str(server.port)):
        await second.start()
    await second.stop()


async def test_health_serves_until_the_drain_and_the_call_under_way_finishes(echo: Echo) -> None:
    async with serving(echo) as server, calling(server, timeout_seconds=5) as client:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for name in ("", SERVICE):
                assert (
                    await health.Check(health_pb2.HealthCheckRequest(service=name))
                ).status == HEALTH.SERVING
            watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
            assert (await watch.read()).status == HEALTH.SERVING

            under_way = asyncio.create_task(call(client, "sleep 0.3"))
            await echo.started.wait()
            started = time.monotonic()
            stopping = asyncio.create_task(server.stop(grace_seconds=60))
            assert (await watch.read()).status == HEALTH.NOT_SERVING
            assert await watch.read() is grpc.aio.EOF
            assert await under_way == "sleep 0.3"
            await stopping
            assert time.monotonic() - started < 20, "an open watch must not hold up the drain"
        with pytest.raises(errors.Unavailable):
            await call(client, "too late")


async def test_what_outlasts_the_grace_is_cut_off(echo: Echo) -> None:
    async with (
        serving(echo, stop_grace_seconds=60) as server,
        calling(server, timeout_seconds=60) as client,
    ):
        under_way = asyncio.create_task(call(client, "sleep 60"))
        await echo.started.wait()
        started = time.monotonic()
        await server.stop(grace_seconds=0.2)
        assert time.monotonic() - started < 20
        with pytest.raises((errors.Unavailable, errors.DependencyFailed)):
            await under_way


async def test_a_server_can_be_started_again(server: RpcServer, echo: Echo) -> None:
    await server.start()
    await server.stop()
    await server.stop()
    await server.start()
    async with calling(server) as client:
        assert await call(client, "again") == "again"


async def test_reflection_names_the_services(server: RpcServer) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        answers = [answer async for answer in stub.ServerReflectionInfo(asked)]
    names = {service.name for answer in answers for service in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= names
