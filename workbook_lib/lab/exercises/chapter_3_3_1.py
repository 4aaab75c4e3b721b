"""The exercise of 3.3.1: an order whose first step is done, and undone by another transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["undone"]

_NEWEST = "SELECT id, status FROM orders ORDER BY created_at DESC LIMIT 1"
_LOG = "SELECT step, event FROM saga_steps WHERE id = ? ORDER BY number"
_RESERVATION = "SELECT status FROM reservations WHERE order_id = ?"
_PAYMENT = "SELECT status FROM payments WHERE order_id = ? AND amount_cents > 0"


@exercise("3.3.1", "Done, and undone")
async def undone(lab: Lab) -> Finding:
    """Reads the newest order's saga log, reservation and payment, once the order is settled."""

    async def settled() -> dict[str, Any] | None:
        (order,) = await evidence.rows(_database(lab, "orders"), _NEWEST)
        return None if order["status"] == "PENDING" else order

    order = await evidence.eventually(settled, interval_seconds=0.02)
    steps = await evidence.rows(_database(lab, "orders"), _LOG, [order["id"]])
    log = [(row["step"], row["event"]) for row in steps]
    if not log:
        return no(
            "Nobody led this order: whatever was undone, no log of a saga tells of it.",
            evidence=f"the newest order is {order['status']}, and has no saga",
        )
    said = ", ".join(f"{step} {event}" for step, event in log)
    if order["status"] == "CONFIRMED":
        hint = "The newest order is confirmed, and nothing was undone. Which step may be refused?"
        return no(hint, evidence=said)
    if ("reserve", "done") not in log:
        hint = "The first step was refused, so that there was nothing to undo. Which one has to fail?"
        return no(hint, evidence=said)
    (reservation,) = await evidence.rows(_database(lab, "inventory"), _RESERVATION, [order["id"]])
    paid = await evidence.rows(_database(lab, "payments"), _PAYMENT, [order["id"]])
    if log[-1] != ("reserve", "compensated") or reservation["status"] != "RELEASED" or paid:
        hint = "The order is cancelled, but in another way. Who was asked for money, and what was paid?"
        return no(hint, evidence=f"{said}; reservation {reservation['status']}, payments {len(paid)}")
    return yes(f"{said}; the reservation is RELEASED, and nobody has paid")


def _database(lab: Lab, service: str) -> Path:
    return (lab[service].folder or lab.folder) / f"{service}.db"
