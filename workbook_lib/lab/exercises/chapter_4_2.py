"""The exercise of 4.2: a breaker's settings for callers who come all at once."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx2

from workbook_lib.kit.breaker import Snapshot
from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.faults import Proxy
from workbook_lib.lab.lab import Lab

__all__ = ["five_places"]

_CALLERS: Final = 30
_PLACES: Final = 5
_PATIENCE_SECONDS: Final = 3.0
_BLIND_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.1
_HOME: Final = "/users/user123/home"


@exercise("4.2", "Five places")
async def five_places(lab: Lab, link: Proxy) -> Finding:
    """Lets the recommendations hang, sends thirty callers, and looks what the user service's breaker does."""
    async with httpx2.AsyncClient(
        base_url=lab["users"].url, timeout=_PATIENCE_SECONDS, trust_env=False
    ) as client:
        await link.restore()
        await evidence.eventually(lambda: _is_whole(client), interval_seconds=0.05)
        before = (await _breaker(lab)).totals
        await link.blackhole()
        try:
            homes, waiting = await _all_at_once(lab, client)
            breaker = await _breaker(lab)
        finally:
            await link.restore()
        rejected = breaker.totals.rejected - before.rejected
        seen = f"{waiting} waited at once, {rejected} found no place, {homes} of {_CALLERS} had a home, "
        seen += f"breaker {breaker.state}"
        seen += f" for {breaker.retry_after_seconds:.1f} s more" if breaker.state == "open" else ""
        if waiting > _PLACES or not rejected:
            hint = "A breaker learns from calls that end. Who keeps callers away while nothing has ended yet?"
            return no(hint, evidence=seen)
        if homes < _CALLERS:
            hint = "Who had a place kept it longer than callers wait. Which setting ends that?"
            return no(hint, evidence=seen)
        if breaker.retry_after_seconds > _BLIND_SECONDS:
            hint = "The recommendations are back, but nobody has asked them. For how long will nobody?"
            return no(hint, evidence=seen)
        await evidence.eventually(lambda: _is_whole(client), interval_seconds=0.05)
    return yes(f"{seen}, then homes were whole again")


async def _all_at_once(lab: Lab, client: httpx2.AsyncClient) -> tuple[int, int]:
    """How many callers had a home, and the most of them that were seen to wait for recommendations."""
    callers = asyncio.gather(*(_has_home(client) for _ in range(_CALLERS)))
    waiting = 0
    while not callers.done():
        await asyncio.wait([callers], timeout=_LOOK_SECONDS)
        waiting = max(waiting, (await _breaker(lab)).in_flight)
    return sum(await callers), waiting


async def _breaker(lab: Lab) -> Snapshot:
    return (await evidence.breakers(lab["users"]))["recommendations"].snapshot


async def _has_home(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get(_HOME)).is_success
    except httpx2.HTTPError:
        return False


async def _is_whole(client: httpx2.AsyncClient) -> bool:
    return bool((await client.get(_HOME)).raise_for_status().json()["complete"])
