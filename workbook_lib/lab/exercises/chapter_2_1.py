"""The exercise of 2.1: have several services change their data together."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["three_webcams"]

_AT_FIRST: Final = 260  # as the shop is filled at its start
_ORDERED: Final = "SELECT id, quantity FROM orders WHERE user_id = 'user123' AND sku = 'webcam'"
_HELD: Final = "SELECT order_id, quantity FROM reservations WHERE sku = 'webcam' AND status = 'RESERVED'"
_LEFT: Final = "SELECT available FROM items WHERE sku = 'webcam'"


@exercise("2.1", "Three webcams for user123")
async def three_webcams(lab: Lab) -> Finding:
    """Compares what the orders' database says with what the inventory's says."""
    orders, inventory = (_database(lab, name) for name in ("orders", "inventory"))
    ordered = {row["id"]: row["quantity"] for row in await evidence.rows(orders, _ORDERED)}
    held = {row["order_id"]: row["quantity"] for row in await evidence.rows(inventory, _HELD)}
    ((left,),) = [row.values() for row in await evidence.rows(inventory, _LEFT)]
    await asyncio.to_thread(_forget, orders, inventory)
    seen = f"{len(ordered)} orders for webcams, {len(held)} of them kept, {left} of {_AT_FIRST} in stock"
    if not ordered and left == _AT_FIRST:
        return no("Nobody has ordered a webcam. Where on the map does an order come in?", evidence=seen)
    if not ordered:
        hint = "There are fewer webcams, and nothing tells for whom. Who gives them back if the order fails?"
        return no(hint, evidence=seen)
    if not held:
        hint = (
            "An order is written down, and no webcam is kept for it. Whom does orders ask before it writes?"
        )
        return no(hint, evidence=seen)
    if list(ordered.values()) != [3] or held != ordered or left != _AT_FIRST - 3:
        return no("One order for three was asked for, and three fewer in the stock.", evidence=seen)
    return yes(f"one order for 3, kept for it by the inventory: {left} of {_AT_FIRST} in stock")


def _database(lab: Lab, service: str) -> Path:
    return (lab[service].folder or lab.folder) / f"{service}.db"


def _forget(orders: Path, inventory: Path) -> None:
    """Put both back as they were, past their owners: the shop has no way to unmake an order."""
    for path, statements in {
        orders: ("DELETE FROM orders WHERE sku = 'webcam'",),
        inventory: (
            "DELETE FROM reservations WHERE sku = 'webcam'",
            "UPDATE items SET available = 260 WHERE sku = 'webcam'",
        ),
    }.items():
        with closing(sqlite3.connect(path, timeout=5)) as database, database:
            for statement in statements:
                database.execute(statement)
