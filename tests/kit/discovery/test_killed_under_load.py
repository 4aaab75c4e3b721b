"""An instance is killed under load: with retries its callers don't notice, over HTTP and over gRPC.

Real processes of the user service, found in a real Consul, in each of which HTTP and gRPC are one process.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services.contracts import names, users_pb2
from services.contracts.users_pb2_grpc import UserServiceStub
from workbook_lib.kit.consul import Consul
from workbook_lib.kit.discovery import RoundRobin, Subscriber
from workbook_lib.kit.errors import ServiceError
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.lab import Lab, evidence, faults

pytestmark = [pytest.mark.server, pytest.mark.alone, pytest.mark.timeout(240)]

CALLS = 2600
CALLERS = 16
# Checked so seldom that a busy machine's pause of two seconds hardly takes the other one out of the list too.
ENV = {"CHECK_INTERVAL_SECONDS": "10", "USERS_LOG_LEVEL": "WARNING"}


async def load(call: Callable[[], Awaitable[object]], answered: Counter[str], killing: asyncio.Event) -> None:
    """So many calls by so many callers, each as soon as its last one has ended."""
    left = iter(range(CALLS))

    async def caller() -> None:
        for number in left:
            if number >= CALLS // 2:
                await killing.wait()  # the quicker load would be over before the other is under way
            try:
                await call()
                answered["ok"] += 1
            except ServiceError as error:
                answered[str(error)] += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def test_a_killed_instance_costs_its_callers_none_of_5200_calls(tmp_path: Path) -> None:
    async with Lab("killed", root=tmp_path) as lab:
        await lab.start("users", instances=2, env=ENV)
        async with Consul(lab["consul"].url) as consul:
            subscriber = Subscriber(consul, names.USERS)
            await subscriber.start()
            await evidence.eventually(lambda: len(subscriber.instances) == 2)
            over_http = HttpClient(RoundRobin(subscriber), timeout_seconds=10, retries=2)
            over_grpc = RpcClient(RoundRobin(subscriber), UserServiceStub, timeout_seconds=10, retries=2)
            await over_http.start()
            await over_grpc.start()

            async def get() -> object:
                return await over_http.get("/users/user123")

            async def rpc() -> object:
                with over_grpc.stub() as stub:
                    return await stub.GetUser(users_pb2.UserRequest(user_id="user123"))

            http_calls: Counter[str] = Counter()
            grpc_calls: Counter[str] = Counter()
            killing = asyncio.Event()

            async def kill_one() -> None:
                await evidence.eventually(
                    lambda: min(http_calls["ok"], grpc_calls["ok"]) > CALLS // 4, 120, interval_seconds=0.01
                )
                killing.set()
                await faults.kill(lab["users", 2])

            await asyncio.gather(load(get, http_calls, killing), load(rpc, grpc_calls, killing), kill_one())
            await evidence.eventually(lambda: len(subscriber.instances) == 1, 60)
            await over_http.stop()
            await over_grpc.stop()
            await subscriber.stop()
    assert http_calls == {"ok": CALLS}
    assert grpc_calls == {"ok": CALLS}
    assert over_http.failover.retried > 0
    assert over_grpc.failover.retried > 0
