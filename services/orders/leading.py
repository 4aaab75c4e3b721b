"""An order in the hands of a coordinator that remembers: a saga's orchestrator, or Try-Confirm-Cancel's."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from services.orders.domain import Order
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.errors import ServiceError
from workbook_lib.kit.rpc.status import call_deadline

__all__ = ["Leader", "Led", "Outcome", "whole"]

_ANSWERING_SECONDS = 0.1  # kept of the caller's time, for telling it that the order is pending


class Outcome(Protocol):
    """How it stands, or how it ended: `kit.saga.SagaOutcome`, `kit.tcc.TccOutcome`."""

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        ...

    @property
    def error(self) -> ServiceError | None:
        """What it was given up for."""
        ...


class Leader(Protocol):
    """`kit.saga.Orchestrator`, `kit.tcc.TccCoordinator`."""

    async def begin(self, session: AsyncSession, key: str, data: Mapping[str, JsonValue], /) -> None:
        """Note it, in the caller's transaction."""
        ...

    async def run(self, key: str, /) -> Outcome:
        """Drive it to its end, which goes on when the caller is gone."""
        ...


class Led:
    """Has orders led to their end; `placing.Coordinator`."""

    def __init__(self, leader: Leader, *, answer_seconds: float) -> None:
        self._leader = leader
        self._answer_seconds = answer_seconds

    async def begin(self, session: AsyncSession, order: Order) -> None:
        """Note it beside the order."""
        wanted: dict[str, JsonValue] = {
            "user_id": order.user_id,
            "sku": order.sku,
            "quantity": order.quantity,
        }
        await self._leader.begin(session, order.id, wanted)

    async def carry_out(self, order: Order) -> None:
        """Wait for the end, but no longer than the caller does. Raises what the order was given up for."""
        try:
            async with asyncio.timeout(self._patience_seconds()):
                outcome = await self._leader.run(order.id)
        except TimeoutError:
            return
        if outcome.ended and outcome.error is not None:
            raise outcome.error

    def _patience_seconds(self) -> float:
        deadline = call_deadline.get()
        if deadline is None:
            return self._answer_seconds
        return min(self._answer_seconds, deadline - SYSTEM_CLOCK.monotonic() - _ANSWERING_SECONDS)


def whole(value: JsonValue) -> int:
    """A whole number among what a coordinator has stored of an order. Raises TypeError for anything else."""
    if not isinstance(value, int):
        raise TypeError(f"{value!r} isn't a whole number")
    return value
