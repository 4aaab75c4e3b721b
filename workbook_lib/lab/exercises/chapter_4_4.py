"""The exercise of 4.4: a pod that is nobody's any more, and runs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lightkube import ApiError, AsyncClient
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.types import PatchType

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.kubernetes.moments import pod_state

__all__ = ["quarantine"]

_SERVICES: Final = ("welcome", "welcome-node-port")
_SETTLE_SECONDS: Final = 25.0  # a pod's start, on a busy machine


@exercise("4.4", "A suspect in quarantine")
async def quarantine(api: AsyncClient, suspect: str) -> Finding:
    """Asks the API server for the pod, who selects it, and the Services' endpoints; then tidies up."""
    selector, count = await _wanted(api)
    try:
        return await _judged(api, suspect, selector, count)
    finally:
        await _put_back(api, selector, count)


async def _judged(api: AsyncClient, suspect: str, selector: Mapping[str, str], count: int) -> Finding:
    pods = await _pods(api)
    pod = pods.get(suspect)
    if pod is None or pod_state(pod) == "Terminating":
        return no("Nobody asks it any more, but nothing is left to look at.", evidence=_said(pods))
    labels = _labels(pod)
    asking = [name for name in _SERVICES if _selected(labels, await _selector(api, name))]
    if asking:
        hint = "It still gets requests. By what does a Service choose its pods?"
        return no(hint, evidence=f"{suspect} is selected by the Services {' and '.join(asking)}")
    owners = [each.name for each in (pod.metadata and pod.metadata.ownerReferences) or ()]
    if _selected(labels, selector) and owners:
        hint = "It gets no requests, but its Deployment still counts it among its pods, and makes no other."
        return no(hint, evidence=f"{suspect} belongs to {owners[0]}; {_said(pods)}")
    await _whole(api, selector, count)  # sure to come: a pod fewer than wanted is what controllers look for
    await evidence.eventually(lambda: _sent_nothing(api, suspect), _SETTLE_SECONDS)
    pods = await _pods(api)
    reached = {name: len(await _endpoints(api, name)) for name in _SERVICES}
    seen = f"{_said(pods)}; endpoints: {', '.join(f'{name} {each}' for name, each in reached.items())}"
    if pod_state(pods[suspect]) != "Ready":
        return no("It is there, but doesn't run as it did.", evidence=seen)
    if min(reached.values()) < count:
        return no("It gets no requests, and neither do others that should.", evidence=seen)
    return yes(seen)


async def _wanted(api: AsyncClient) -> tuple[Mapping[str, str], int]:
    """By which labels the Deployment knows its pods, and how many it wants."""
    spec = (await api.get(Deployment, "welcome")).spec
    return (spec and spec.selector.matchLabels) or {}, (spec and spec.replicas) or 1


async def _pods(api: AsyncClient) -> dict[str, Pod]:
    return {each.metadata.name or "": each async for each in api.list(Pod) if each.metadata}


async def _selector(api: AsyncClient, service: str) -> Mapping[str, str]:
    spec = (await api.get(Service, service)).spec
    return (spec and spec.selector) or {}


async def _endpoints(api: AsyncClient, service: str) -> set[str]:
    """The pods that a Service sends requests to."""
    slices = api.list(EndpointSlice, labels={"kubernetes.io/service-name": service})
    return {name async for each in slices for name in _ready(each)}


def _ready(each: EndpointSlice) -> Iterator[str]:
    for endpoint in each.endpoints or ():
        if endpoint.targetRef and (endpoint.conditions is None or endpoint.conditions.ready is not False):
            yield endpoint.targetRef.name or ""


async def _sent_nothing(api: AsyncClient, suspect: str) -> bool:
    return not any([suspect in await _endpoints(api, name) for name in _SERVICES])


async def _whole(api: AsyncClient, selector: Mapping[str, str], count: int) -> None:
    """Wait until the Deployment's pods are ready, and are those that the Services send requests to."""

    async def ready() -> bool:
        pods = await _pods(api)
        own = [
            each
            for each in pods.values()
            if each.metadata and each.metadata.ownerReferences and _selected(_labels(each), selector)
        ]
        return sum(pod_state(each) == "Ready" for each in own) == count

    await evidence.eventually(ready, _SETTLE_SECONDS)


async def _put_back(api: AsyncClient, selector: Mapping[str, str], count: int) -> None:
    """As it was, so that the next attempt is judged by itself: the Services, and no pod of nobody's."""
    for name in _SERVICES:
        others = await _selector(api, name)
        patch: dict[str, Any] = {"spec": {"selector": {**dict.fromkeys(others), **selector}}}
        await api.patch(Service, name, patch, patch_type=PatchType.MERGE)
    for name, pod in (await _pods(api)).items():
        if pod.metadata and not pod.metadata.ownerReferences and pod_state(pod) != "Terminating":
            await _delete(api, name)
    await _whole(api, selector, count)


async def _delete(api: AsyncClient, name: str) -> None:
    try:
        await api.delete(Pod, name, grace_period=1)
    except ApiError as error:
        if error.status.code != 404:
            raise


def _labels(pod: Pod) -> Mapping[str, str]:
    return (pod.metadata and pod.metadata.labels) or {}


def _selected(labels: Mapping[str, str], selector: Mapping[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def _said(pods: Mapping[str, Pod]) -> str:
    return "pods: " + ", ".join(f"{name} {pod_state(pod)}" for name, pod in sorted(pods.items()))
