"""The breakers of a running service, for operators: their states, their counts, and how they came there.

GET /debug/breakers; behind the guard of `profiling`'s routes.
"""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from workbook_lib.kit.breaker import Breakers, BreakerSettings, Snapshot, StateChange
from workbook_lib.kit.security.operators import OperatorGuard

__all__ = ["BreakerReport", "breaker_routes"]


class BreakerReport(BaseModel):
    """One breaker."""

    snapshot: Snapshot
    settings: BreakerSettings
    history: list[StateChange] = Field(description="the last changes of state, oldest first")


def breaker_routes(guard: OperatorGuard, breakers: Breakers) -> APIRouter:
    """The route /debug/breakers, behind `guard`."""
    routes = APIRouter(prefix="/debug", dependencies=[Depends(guard)], include_in_schema=False)

    @routes.get("/breakers")
    async def listed() -> list[BreakerReport]:
        """Every breaker that was needed so far, by name."""
        return [
            BreakerReport(snapshot=each.snapshot(), settings=each.settings, history=list(each.history))
            for each in sorted(breakers, key=lambda breaker: breaker.name)
        ]

    return routes
