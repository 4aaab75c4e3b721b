"""The exercise of 3.3.2: a participant that remembers what it was never asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes

__all__ = ["too_late"]

_BRANCH = "SELECT state FROM tcc_branches WHERE tx = $1"
_HELD = "SELECT quantity, status FROM reservations WHERE order_id = $1 AND status <> 'RELEASED'"


@exercise("3.3.2", "A Try that comes too late")
async def too_late(database: str, order: str, deliver: Callable[[], Awaitable[object]]) -> Finding:
    """Delivers the Try, then reads the order's branch and reservation from the participant's database."""
    early = await evidence.rows(database, _HELD, [order])
    await deliver()
    held = await evidence.rows(database, _HELD, [order])
    states = [row["state"] for row in await evidence.rows(database, _BRANCH, [order])]
    if early or held:
        hint = (
            "The Try took the stock for an order that nobody leads any more. What has the inventory to go "
            "by, when it decides whether a Try is late?"
        )
        return no(hint, evidence=f"{held[0]['quantity']} held, branch {', '.join(states) or 'none'}")
    if not states:
        hint = (
            "The Try was refused for want of stock. The inventory knows nothing of this order: what would it "
            "have said a minute later, to the same Try?"
        )
        return no(hint, evidence="nothing held, and no branch of this order")
    return yes(f"the late Try was refused: its branch is {states[0]}, and nothing is held")
