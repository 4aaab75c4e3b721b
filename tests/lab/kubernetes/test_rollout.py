"""Rolling updates on the process node, decided by the real control plane, under load."""

import asyncio

import pytest
from lightkube.resources.apps_v1 import Deployment

from tests.lab.kubernetes.welcome import deployed, has_ready
from workbook_lib.lab import evidence
from workbook_lib.lab.command import CommandFailed
from workbook_lib.lab.kubernetes.client import client, kubectl
from workbook_lib.lab.kubernetes.watching import record
from workbook_lib.lab.traffic import run_load

pytestmark = pytest.mark.alone

RATE = 150


async def test_a_rolling_update_under_constant_load_fails_no_request(cluster, namespace):
    """The load begins before the update, and goes on until that is over."""
    async with client(cluster, namespace=namespace) as api, record(api, namespace) as recording:
        url = await deployed(cluster, api, namespace, replicas=2)
        over = asyncio.Event()
        load = asyncio.create_task(_load_until(over, url))
        await kubectl(cluster, "-n", namespace, "set", "env", "deployment/welcome", "WELCOME_GREETING=two")
        await evidence.eventually(lambda: _updated(api, namespace), 120)
        over.set()
        rounds = await load
        await evidence.eventually(lambda: has_ready(api, namespace, 2), 60)
        # The old ReplicaSet and the new one; the recording hears of them by a watch of its own.
        await evidence.eventually(lambda: _ready_now(recording) == [0, 2])
    assert sum(each.requests for each in rounds) >= 3_000
    assert [each.failures for each in rounds] == [0] * len(rounds), rounds


def _ready_now(recording):
    """How many pods of each ReplicaSet are ready, in ascending order."""
    return sorted(steps[-1][1] for steps in recording.ready().values())


async def _load_until(over, url):
    """3,300 requests at a constant rate, each on a connection of its own; again, as long as it isn't over."""
    rounds = []
    while not rounds or not over.is_set():
        once = {"headers": {"Connection": "close"}, "timeout_seconds": 30}
        rounds.append(await run_load(url, rate=RATE, seconds=3_300 / RATE, **once))
    return rounds


async def _updated(api, namespace):
    deployment = await api.get(Deployment, "welcome", namespace=namespace)
    status = deployment.status
    return status.observedGeneration >= deployment.metadata.generation and (
        status.updatedReplicas,
        status.replicas,
        status.availableReplicas,
    ) == (2, 2, 2)


async def test_a_bad_version_never_gets_a_request_and_is_rolled_back(cluster, namespace):
    async with client(cluster, namespace=namespace) as api, record(api, namespace) as recording:
        url = await deployed(cluster, api, namespace, progressDeadlineSeconds=5)
        on = ("-n", namespace)
        await kubectl(cluster, *on, "set", "env", "deployment/welcome", "WELCOME_LOG_LEVEL=LOUD")
        with pytest.raises(CommandFailed, match="exceeded its progress deadline"):
            await kubectl(cluster, *on, "rollout", "status", "deployment/welcome", "--timeout=60s")
        during = await run_load(url, rate=50, seconds=1, headers={"Connection": "close"}, timeout_seconds=30)
        await kubectl(cluster, *on, "rollout", "undo", "deployment/welcome")
        await evidence.eventually(lambda: has_ready(api, namespace, 2), 60)
    assert during.failures == 0, during
    bad = {name for name, steps in recording.ready().items() if max(count for _, count in steps) == 0}
    (good,) = set(recording.ready()) - bad
    assert len(bad) == 1
    assert min(count for at, count in recording.ready()[good] if at > _first(recording.ready()[good], 2)) == 2


def _first(steps, count):
    """When there were so many for the first time."""
    return next(at for at, ready in steps if ready == count) - 1e-9
