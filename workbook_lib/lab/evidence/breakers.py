"""What a running service's circuit breakers tell of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx2

from workbook_lib.kit.breaker import BreakerSettings, Snapshot, StateChange
from workbook_lib.lab.evidence.polling import EvidenceError
from workbook_lib.lab.handle import Handle

__all__ = ["BreakerReport", "breakers"]

TIMEOUT_SECONDS: Final = 5.0


@dataclass(frozen=True)
class BreakerReport:
    """A breaker: its state and counts now, what it was told, and its last changes of state, oldest first."""

    snapshot: Snapshot
    settings: BreakerSettings
    history: tuple[StateChange, ...]


async def breakers(service: Handle) -> dict[str, BreakerReport]:
    """The breakers that a service of the lab has needed so far, by name: GET /debug/breakers.

    Raises EvidenceError when it doesn't answer within 5 s, or has no breakers to show.
    """
    url = f"{service.url}/debug/breakers"
    headers = {"Authorization": f"Bearer {service.operator_token}"}
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            answer = (await client.get(url, headers=headers)).raise_for_status()
    except httpx2.HTTPError as error:
        raise EvidenceError(f"{service.name} shows no breakers: {error!r}") from error
    reports = [
        BreakerReport(
            Snapshot.model_validate(each["snapshot"]),
            BreakerSettings.model_validate(each["settings"]),
            tuple(StateChange.model_validate(change) for change in each["history"]),
        )
        for each in answer.json()
    ]
    return {report.snapshot.name: report for report in reports}
