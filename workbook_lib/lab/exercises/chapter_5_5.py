"""The exercise of 5.5: an event that is sent twice, and told once."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import httpx2

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["told_once"]

_USER = "user130"
_TOPIC, _GROUP = "user-events", "notifications"

_judged: WeakKeyDictionary[Lab, tuple[int, int]] = WeakKeyDictionary()
"""Messages and notes for the user when a lab was last looked at: an attempt is judged by what it adds."""


@exercise("5.5", "Sent twice, told once")
async def told_once(lab: Lab) -> Finding:
    """Looks at the messages about the user in the topic, and at the notes that the service has of them."""
    kafka = lab.environment["KAFKA_BOOTSTRAP_SERVERS"]
    records = await evidence.topic_records(kafka, _TOPIC)
    ids = [event["event_id"] for event in (record.json() for record in records) if event["user_id"] == _USER]

    async def all_read() -> bool:
        return not any(each.lag for each in await evidence.group_lag(kafka, _GROUP, _TOPIC))

    await evidence.eventually(all_read)
    async with httpx2.AsyncClient(base_url=lab[_GROUP].url, timeout=5, trust_env=False) as client:
        told = len((await client.get(f"/notifications/{_USER}")).json())
    messages_before, told_before = _judged.get(lab, (0, 0))
    _judged[lab] = (len(ids), told)
    return _finding(ids[messages_before:], told - told_before)


def _finding(ids: list[str], told: int) -> Finding:
    seen = f"{len(ids)} messages about {_USER} with {len(set(ids))} ids, {told} notes"
    if not ids:
        return no(
            f"The topic holds no new message about {_USER}: send one, then send it again.", evidence=seen
        )
    if len(ids) == 1:
        return no(
            "It was sent once. A program that was started again can't know that it arrived.", evidence=seen
        )
    if told > 1:
        return no("The user was told twice. By what does the service recognise a repetition?", evidence=seen)
    return yes(seen)
