"""The exercise of 2.4: switch production without the pipeline."""

from __future__ import annotations

from typing import Final

import httpx2

from workbook_lib.kit.consul import Consul
from workbook_lib.kit.deployments import live_key
from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["by_hand"]

_BEFORE, _WANTED = "blue", "1.1.0"
# The gateway hears of a change within milliseconds, on a busy machine in seconds.
_SWITCH_SECONDS: Final = 20.0
_NO_SWITCH_SECONDS: Final = 0.5


@exercise("2.4", "The switch, by hand")
async def by_hand(lab: Lab) -> Finding:
    """Reads the key in Consul, asks the gateway whom it calls and what customers get; then switches back."""
    key = live_key("shop")
    async with (
        Consul(lab["consul-acl"].url, token=lab.environment["CONSUL_HTTP_TOKEN"]) as consul,
        httpx2.AsyncClient(base_url=lab["gateway"].url, timeout=5, trust_env=False) as gateway,
    ):

        async def calls(deployment: str) -> bool:
            live: str = (await gateway.get("/deployments/shop")).raise_for_status().json()["live"]
            return live == deployment

        entry = await consul.kv_get(key, consistent=True)
        said = entry.text if entry else ""
        there = [each.meta.get("deployment") for each in (await consul.health("shop")).value]
        wait_seconds = _SWITCH_SECONDS if said in there else _NO_SWITCH_SECONDS
        try:
            await evidence.eventually(lambda: calls(said), wait_seconds, interval_seconds=0.02)
            obeyed = True
        except evidence.EvidenceTimeout:
            obeyed = False
        version = (await gateway.get("/shop/")).raise_for_status().json()["version"]
        await consul.kv_put(key, _BEFORE)  # so that the next attempt is judged by itself
        await evidence.eventually(lambda: calls(_BEFORE), interval_seconds=0.02)
    seen = f"{key} = {said}, and customers get {version}"
    if said == _BEFORE:
        return no(
            "The key that the gateway follows is as before. What does `live_key` make of a service's name?",
            evidence=seen,
        )
    if not obeyed:
        return no(
            "The key says something else now, and the gateway doesn't follow. Of which deployments does it "
            "know an instance?",
            evidence=seen,
        )
    if not version.startswith(_WANTED):
        return no(f"The gateway follows, but customers don't get {_WANTED}.", evidence=seen)
    return yes(seen)
