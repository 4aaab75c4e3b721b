"""Failpoints of a running service, for operators: which it has passed, and arming them.

GET /debug/failpoints, PUT and DELETE /debug/failpoints/{name}; behind the guard of `profiling`'s routes.
"""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from workbook_lib.kit import failpoints
from workbook_lib.kit.security.operators import OperatorGuard

__all__ = ["Failpoints", "Trap", "fault_routes"]


class Trap(BaseModel):
    """What to do at a failpoint: kill or stop the process or raise an error, at which pass from now."""

    action: failpoints.Action
    count: int = Field(default=1, ge=1)


class Failpoints(BaseModel):
    """How often each failpoint was passed, and what waits at which (such as `kill*3`)."""

    passed: dict[str, int]
    armed: dict[str, str]


def fault_routes(guard: OperatorGuard) -> APIRouter:
    """The routes under /debug/failpoints, each behind `guard`."""
    routes = APIRouter(prefix="/debug/failpoints", dependencies=[Depends(guard)], include_in_schema=False)

    @routes.get("")
    async def listed() -> Failpoints:
        """What has been passed and what is armed."""
        return Failpoints(passed=failpoints.passed(), armed=failpoints.armed())

    @routes.put("/{name}", status_code=204)
    async def arm(name: str, trap: Trap) -> None:
        """Arm one; a name that nobody ever passes is armed as well, and never acts."""
        failpoints.arm(name, trap.action, count=trap.count)

    @routes.delete("/{name}", status_code=204)
    async def disarm(name: str) -> None:
        """Let it pass again."""
        failpoints.disarm(name)

    return routes
