"""The exercise of 3.2: a message that nobody could read, mended and told once."""

from __future__ import annotations

from uuid import uuid4

from workbook_lib.kit import messaging
from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["mended_once", "poison"]

_TOPIC = "user-events"
_ENTRIES = "SELECT event_id, user_id, topic_partition FROM entries WHERE type = ?"


async def poison(lab: Lab, user: str = "user125", groups: int = 3) -> list[evidence.Record]:
    """Send what is no event under a user's key; its copies, as so many groups have put them aside."""
    kafka, text = lab["kafka"].url, f"login-{uuid4().hex[:8]}"
    producer = messaging.Producer(kafka, client_id="exercise")
    await producer.start()
    try:
        await producer.send(_TOPIC, user, text.encode())
    finally:
        await producer.stop()

    async def parked() -> list[evidence.Record]:
        records = await evidence.topic_records(kafka, messaging.dead_letter_topic(_TOPIC))
        found = [record for record in records if record.value == text.encode()]
        return found if len(found) == groups else []

    return await evidence.eventually(parked, interval_seconds=0.05)


@exercise("3.2", "Said once")
async def mended_once(lab: Lab, parked: list[evidence.Record]) -> Finding:
    """Looks for the mended event in the topic; when it has been read, in the audit log's database."""
    kafka, broken = lab["kafka"].url, parked[0]
    kind = broken.value.decode()
    records = await evidence.topic_records(kafka, _TOPIC)
    again = [r for r in records if r.value == broken.value]
    told = [r for r in records if r.value != broken.value and kind in r.value.decode(errors="replace")]
    if len(again) > 1:
        hint = "It was sent again as it was. What did the consumers find wrong with it the first time?"
        return no(hint, evidence=f"{len(again)} records hold {kind!r} and nothing else")
    if not told:
        return no(
            "Nothing has been sent again. What did the message want to say, and what is missing in it?",
            evidence=f"{len(parked)} copies of {kind!r} in the dead letter topic",
        )
    place = int(broken.headers["dlq.partition"])
    if {record.partition for record in told} != {place}:
        hint = "It lies in another partition than the user's other events. What decides the place?"
        return no(hint, evidence=f"key {told[0].key!r}, partition {told[0].partition} instead of {place}")

    async def read() -> bool:
        return not any(lag.lag for lag in await evidence.group_lag(kafka, "audit-log", _TOPIC))

    await evidence.eventually(read, interval_seconds=0.05)
    entries = await evidence.rows((lab["audit_log"].folder or lab.folder) / "audit_log.db", _ENTRIES, [kind])
    if len(entries) != 1:
        hint = "The copies are one message, put aside by three groups. How could a consumer have known?"
        return no(hint, evidence=f"{len(entries)} rows in the audit log")
    return yes(f"{len(told)} records in the topic, one row in the audit log, partition {place}")
