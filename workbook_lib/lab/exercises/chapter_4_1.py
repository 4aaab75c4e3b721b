"""The exercise of 4.1: an instance out of rotation, and not out of service."""

from __future__ import annotations

import httpx2

from workbook_lib.kit.consul import Consul
from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["rotation"]

_SERVICE = "user-service"


@exercise("4.1", "Out of rotation, not out of service")
async def rotation(lab: Lab) -> Finding:
    """Asks the passing list, the catalog, the agent and instance 2 itself; then puts it back in rotation."""
    url, instance = lab["consul"].url, f"{_SERVICE}-{lab['users', 2].port()}"
    async with Consul(url) as consul:
        is_known = await consul.is_registered(instance)
        is_listed = instance in [each.id for each in await consul.catalog(_SERVICE)]
        passing = [each.id for each in await evidence.healthy_instances(url, _SERVICE)]
        works = await _works(lab["users", 2].url)
        await _put_back(consul, instance, is_known=is_known)
    places = {
        "with its agent": is_known,
        "in the catalog": is_listed,
        "in the passing list": instance in passing,
    }
    seen = ", ".join(f"{place}: {'yes' if there else 'no'}" for place, there in places.items())
    seen += f"; {'it answers' if works else 'no answer'}; others in rotation: {len({*passing} - {instance})}"
    if instance in passing:
        return no("Callers are still sent to instance 2. Who decides who is in their list?", evidence=seen)
    if not passing:
        return no("Nobody is in rotation any more. Whom did that concern, besides instance 2?", evidence=seen)
    if not works:
        hint = "Nobody is sent there, but it doesn't work either: the requests that it had are lost."
        return no(hint, evidence=seen)
    if not is_known:
        hint = "It looks whether its agent knows it. For how long will it be out of rotation?"
        return no(hint, evidence=seen)
    if not is_listed:
        hint = "The catalog isn't the true list. Who will put it back there, and when?"
        return no(hint, evidence=seen)
    return yes(seen)


async def _works(url: str) -> bool:
    async with httpx2.AsyncClient(base_url=url, timeout=1, trust_env=False) as client:
        try:
            return (await client.get("/users/user123")).is_success
        except httpx2.HTTPError:
            return False


async def _put_back(consul: Consul, instance: str, *, is_known: bool) -> None:
    """As it was: whatever changes about a service makes its agent tell the catalog all it knows of it."""

    async def is_listed() -> bool:
        return instance in [each.id for each in await consul.catalog(_SERVICE)]

    async def passes() -> bool:
        return instance in [each.id for each in (await consul.health(_SERVICE)).value]

    async with httpx2.AsyncClient(base_url=consul.url, timeout=5, trust_env=False) as agent:
        await agent.put("/v1/agent/maintenance", params={"enable": "false"})
    if is_known:
        await consul.set_maintenance(instance, enabled=True, reason="to be told anew")
        await evidence.eventually(is_listed, interval_seconds=0.05)
        await consul.set_maintenance(instance, enabled=False)
    await evidence.eventually(passes, interval_seconds=0.05)
