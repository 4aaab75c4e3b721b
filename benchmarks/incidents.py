"""An incident in each of three services: found and repaired by traces, and by each service's own log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from workbook_lib.lab import Lab
from workbook_lib.lab.incident import Incident
from workbook_lib.lab.recovery import Recovery, TestOrders, recover, suspects_by_logs, suspects_by_traces

__all__ = ["RecoveryRow", "recoveries"]

SUSPECTS: Final = {"users": "http", "orders": "grpc", "inventory": "grpc"}
LATE_SECONDS: Final = 0.08  # each way


@dataclass(frozen=True)
class RecoveryRow:
    """One incident, ended by one kind of evidence; the `seconds` of its repairs, which are quick here."""

    guilty: str
    evidence: str
    first_suspect: str
    tries: int
    seconds: float


async def recoveries(folder: Path) -> list[RecoveryRow]:
    """Two rows for each service that is guilty once."""
    rows = []
    async with Lab("incidents-benchmark", root=folder) as lab:
        await lab.start("jaeger", "gateway", *SUSPECTS)
        orders = TestOrders(lab)
        await orders.place(20)  # warm
        for guilty in ("user-service", "order-service", "inventory-service"):
            rows += [
                RecoveryRow(
                    guilty,
                    each.way,
                    (*each.in_vain, each.guilty)[0],
                    each.tries,
                    round(each.seconds, 2),
                )
                for each in await _both_ways(lab, orders, guilty)
            ]
    return rows


async def _both_ways(lab: Lab, orders: TestOrders, guilty: str) -> list[Recovery]:
    """The same sick orders are what both kinds of evidence tell of."""
    services = {"user-service": "users", "order-service": "orders", "inventory-service": "inventory"}
    normal = await orders.traced(services)
    limit_ms = await orders.quickest() + LATE_SECONDS * 1000
    incident = await Incident.begin(lab, SUSPECTS, seconds=LATE_SECONDS, choose=lambda _: guilty)
    try:
        since = datetime.now(UTC)
        sick = await orders.traced(services)
        named = {
            "traces": suspects_by_traces(normal, sick, incident.suspects),
            "logs": suspects_by_logs({name: lab[key] for name, key in services.items()}, since),
        }

        async def is_well() -> bool:
            return await orders.quickest() < limit_ms

        ended = []
        for way, suspects in named.items():
            ended.append(await recover(way, incident, suspects, is_well))
            await incident.relapse()
        return ended
    finally:
        await incident.end()
