"""The exercise of 3.3.3: tell of an order whose event was lost, so that everybody hears of it once."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["lose_event", "told_after_all"]

_TIDY = (
    "CREATE TRIGGER tidy AFTER INSERT ON outbox BEGIN DELETE FROM outbox WHERE id = NEW.id; END",
    "DROP TRIGGER IF EXISTS tidy",
)
_NEWEST = "SELECT id, user_id, sku, quantity, total_cents FROM orders ORDER BY created_at DESC LIMIT 1"


async def lose_event(lab: Lab, place: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """Place a confirmed order whose event is deleted in the very transaction that writes it; its row."""
    orders = _database(lab, "orders")
    begin, end = _TIDY
    _change(orders, end)
    _change(orders, begin)
    try:
        await place()
    finally:
        _change(orders, end)
    (order,) = await evidence.rows(orders, _NEWEST)
    return order


@exercise("3.3.3", "Tell it after all")
async def told_after_all(lab: Lab, order: dict[str, Any]) -> Finding:
    """Looks for the order in the topic, once the outbox is empty, then in both consumers' databases."""
    waiting = "SELECT id FROM outbox"

    async def published() -> bool:
        return not await evidence.rows(_database(lab, "orders"), waiting)

    await evidence.eventually(published, interval_seconds=0.02)
    records = await evidence.topic_records(lab["kafka"].url, "user-events")
    told = [record for record in records if record.json()["data"].get("order_id") == order["id"]]
    ids = {record.json()["event_id"] for record in told}
    if not told:
        return await _nobody_told(lab, order)
    keys = {record.key for record in told}
    if keys != {order["user_id"]}:
        hint = "What do the keys of this topic name, and what is in order for whom because of that?"
        return no(hint, evidence=f"the event has the key {', '.join(map(str, keys))}")
    if len(ids) > 1:
        hint = "It is told under more than one id. How does a consumer know that it is the same event?"
        return no(hint, evidence=f"{len(told)} records, {len(ids)} event ids")

    async def heard() -> bool:
        learnt = "SELECT event_id FROM inbox WHERE event_id = ?"
        inbox = await evidence.rows(_database(lab, "recommendations"), learnt, [*ids])
        return len(inbox) == 1 and len(await _entries(lab, order)) == 1

    await evidence.eventually(heard, interval_seconds=0.05)
    return yes("one event in the topic under the user's key, one row in the audit log, learnt once")


async def _nobody_told(lab: Lab, order: dict[str, Any]) -> Finding:
    if await _entries(lab, order):
        hint = "The audit log knows now, but it isn't the only one who reads the topic."
        return no(hint, evidence="a row in the audit log, nothing in the topic, nothing learnt")
    hint = "Nobody has heard of the order. What is in its row, and who carries what is written beside it?"
    return no(hint, evidence="no event of it in the outbox or in the topic")


async def _entries(lab: Lab, order: dict[str, Any]) -> list[dict[str, Any]]:
    found = "SELECT id FROM entries WHERE json_extract(data, '$.order_id') = ?"
    return await evidence.rows(_database(lab, "audit_log"), found, [order["id"]])


def _database(lab: Lab, service: str) -> Path:
    return (lab[service].folder or lab.folder) / f"{service}.db"


def _change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        connection.execute(statement)
