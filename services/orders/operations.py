"""For an order that can't go on by itself: a person reads how far it came, and lets it try again."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel, JsonValue

from workbook_lib.kit.coordination.log import StepRecord
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.saga import Orchestrator
from workbook_lib.kit.security.operators import OperatorGuard
from workbook_lib.kit.tcc import TccCoordinator

__all__ = ["operation_routes"]


class StepView(BaseModel):
    """A line of the history; `at` in seconds since 1970."""

    step: str
    event: str
    detail: str
    at: float


class TransactionView(BaseModel):
    """Where an order's saga or Try-Confirm-Cancel stands, and how it came there."""

    state: str
    data: dict[str, JsonValue]
    error: str | None
    history: list[StepView]


def operation_routes(guard: OperatorGuard, saga: Orchestrator, tcc: TccCoordinator) -> APIRouter:
    """The routes under /debug/orders, each behind `guard`."""
    routes = APIRouter(prefix="/debug/orders", dependencies=[Depends(guard)], include_in_schema=False)

    async def leader(order_id: str) -> Orchestrator | TccCoordinator:
        try:
            await saga.outcome(order_id)
        except NotFound:
            return tcc
        return saga

    @routes.get("/{order_id}")
    async def history(order_id: str) -> TransactionView:
        found = await leader(order_id)
        outcome, steps = await found.outcome(order_id), await found.history(order_id)
        return TransactionView(
            state=outcome.state,
            data=dict(outcome.data),
            error=None if outcome.error is None else outcome.error.message,
            history=[_view(step) for step in steps],
        )

    @routes.post("/{order_id}/unpark", status_code=202)
    async def unpark(order_id: str) -> None:
        await (await leader(order_id)).unpark(order_id)

    return routes


def _view(step: StepRecord) -> StepView:
    return StepView(step=step.step, event=step.event, detail=step.detail, at=step.at)
