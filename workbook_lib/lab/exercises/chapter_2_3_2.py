"""The exercise of 2.3.2: end one login of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx2
from redis.asyncio import Redis

from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["stolen_laptop", "two_logins"]

_SESSIONS: Final = "gateway-sessions:*"


async def two_logins(lab: Lab, who: Mapping[str, str]) -> tuple[str, str]:
    """Log in on a laptop and on a phone, all earlier sessions gone; the two session ids."""
    async with Redis.from_url(lab["redis"].url) as redis:
        if left := await redis.keys(_SESSIONS):
            await redis.delete(*left)
    async with _gateway(lab) as client:
        # Without cookies of its own: what a browser sends along, the caller says.
        ids = []
        for _ in range(2):
            answer = (await client.post("/session", json=dict(who))).raise_for_status()
            ids.append(answer.headers["set-cookie"].partition(";")[0].partition("=")[2])
            client.cookies.clear()
    return ids[0], ids[1]


@exercise("2.3.2", "The stolen laptop")
async def stolen_laptop(lab: Lab, laptop: str, phone: str) -> Finding:
    """Asks the gateway who each of the two is, and Redis how many sessions there are."""
    async with _gateway(lab) as client:
        laptop_in, phone_in = [
            (await client.get("/session", headers={"Cookie": f"__Host-session={each}"})).is_success
            for each in (laptop, phone)
        ]
    async with Redis.from_url(lab["redis"].url) as redis:
        sessions = len(await redis.keys(_SESSIONS))
    state = {True: "in", False: "out"}
    seen = f"laptop {state[laptop_in]}, phone {state[phone_in]}, sessions in Redis: {sessions}"
    if not phone_in:
        return no("The phone is out, too. Whose session was ended?", evidence=seen)
    if laptop_in and sessions > 2:
        return no(
            "There is one login more, and the thief's is still one of them. What ends a session?",
            evidence=seen,
        )
    if laptop_in:
        return no(
            "The laptop is still logged in. Begin with what the chapter did at a logout; and under which "
            "names does Redis know sessions?",
            evidence=seen,
        )
    return yes(seen)


def _gateway(lab: Lab) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=lab["gateway"].url, timeout=10, trust_env=False)
