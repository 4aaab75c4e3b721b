"""The exercise of 5.1: end an incident by one repair, the right one."""

from __future__ import annotations

from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.incident import Incident
from workbook_lib.lab.lab import Lab
from workbook_lib.lab.recovery import TestOrders

__all__ = ["one_repair"]

_CURED_MS = 60.0
"""What an order is quicker by, at least, without the fault: the incident adds 80 ms each way."""


@exercise("5.1", "One repair")
async def one_repair(lab: Lab, incident: Incident) -> Finding:
    """Looks at how long orders take now and how long when all is repaired, and at what was repaired."""
    repaired = list(incident.repaired)
    orders = TestOrders(lab)
    now_ms = await orders.quickest()
    for service in incident.suspects:
        await incident.repair(service)
    well_ms = await orders.quickest()
    await incident.relapse()  # so that the next attempt is judged by itself
    who = ", ".join(repaired) or "nobody"
    seen = f"an order takes {now_ms:.0f} ms, {well_ms:.0f} ms when all is well; repaired: {who}"
    is_ill = now_ms - well_ms > _CURED_MS
    if not repaired:
        return no("Nobody was repaired. Whose self time is more than it was before?", evidence=seen)
    if is_ill:
        return no(
            "Orders are still slow. Whoever waits for a slow one is slow as well: "
            "what did the one that you repaired spend its time on?",
            evidence=seen,
        )
    if len(repaired) > 1:
        return no(
            "Orders are quick again, after more than one repair. Each was a release in the middle of an "
            "incident: what would have told you which one helps?",
            evidence=seen,
        )
    return yes(seen)
