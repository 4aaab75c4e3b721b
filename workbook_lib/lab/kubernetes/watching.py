"""Records what happens in a namespace while a cell runs, by the API server's own watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from lightkube import AsyncClient
from lightkube.core.resource import NamespacedResource
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import Pod

from workbook_lib.lab.kubernetes.following import Gone, follow
from workbook_lib.lab.kubernetes.moments import Recording

__all__ = ["record"]

BEGIN_SECONDS = 30.0
ResourceT = TypeVar("ResourceT", bound=NamespacedResource)


@asynccontextmanager
async def record(client: AsyncClient, namespace: str = "default") -> AsyncIterator[Recording]:
    """Follow a namespace's Deployments, ReplicaSets, pods and autoscalers until the block ends.

    What is there already is recorded before the block begins, at about 0 s. The recording can be read while
    it goes on, and afterwards. Raises TimeoutError when the API server doesn't answer in 30 s.
    """
    recording = Recording()
    started = time.monotonic()

    def now() -> float:
        return time.monotonic() - started

    begun = {each: asyncio.Event() for each in (Pod, Deployment, ReplicaSet, HorizontalPodAutoscaler)}
    tasks = [
        asyncio.create_task(_follow(client, namespace, resource, begun[resource], saw, gone))
        for resource, saw, gone in (
            (Pod, lambda pod: recording.saw_pod(now(), pod), lambda name: recording.pod_is_gone(now(), name)),
            (Deployment, lambda each: recording.saw_scale(now(), each), _ignore),
            (ReplicaSet, lambda each: recording.saw_scale(now(), each), _ignore),
            (HorizontalPodAutoscaler, lambda each: recording.saw_autoscaler(now(), each), _ignore),
        )
    ]
    try:
        async with asyncio.timeout(BEGIN_SECONDS):
            for each in begun.values():
                await each.wait()
        yield recording
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _follow(
    client: AsyncClient,
    namespace: str,
    resource: type[ResourceT],
    begun: asyncio.Event,
    saw: Callable[[ResourceT], None],
    gone: Callable[[str], None],
) -> None:
    # The API server sorts out the others: those of a thousand pods elsewhere needn't be read at all.
    async for change in follow(client, resource, fields={"metadata.namespace": namespace}):
        if isinstance(change, Gone):
            for where, name in change:
                if where == namespace:
                    gone(name)
            begun.set()
        elif _namespace(change) == namespace:
            saw(change)


def _namespace(each: Any) -> str:  # noqa: ANN401 - lightkube's base class has no metadata, all its classes have
    return each.metadata.namespace or ""


def _ignore(name: str) -> None:
    del name
