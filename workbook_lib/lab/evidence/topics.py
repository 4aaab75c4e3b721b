"""What a topic holds: every record, without joining a group or moving anybody's offset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import ConsumerRecord

from workbook_lib.lab.evidence.kafka import observing, partitions
from workbook_lib.lab.evidence.polling import EvidenceError, within

__all__ = ["Record", "topic_records"]

TIMEOUT_SECONDS: Final = 10.0
POLL_MS: Final = 200


@dataclass(frozen=True, slots=True)
class Record:
    """One message as it lies in the log; of a header that occurs twice the last counts."""

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    headers: Mapping[str, str]
    timestamp: datetime

    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The value, read as JSON. Raises EvidenceError for anything else."""
        try:
            return json.loads(self.value)
        except ValueError as error:
            where = f"{self.topic}/{self.partition} at {self.offset}"
            raise EvidenceError(f"{where} holds no JSON: {self.value[:80]!r}") from error


async def topic_records(
    bootstrap: str, topic: str, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> list[Record]:
    """All records that `topic` holds now, by partition and offset.

    Raises EvidenceError when there is no such topic, or when Kafka doesn't answer in time.
    """

    async def read() -> list[Record]:
        async with observing(bootstrap) as (admin, reader):
            places = await partitions(admin, [topic])
            reader.assign(places)
            await reader.seek_to_beginning(*places)
            ends = await reader.end_offsets(places)
            records: list[ConsumerRecord[bytes, bytes]] = []
            while unread := [place for place in places if await reader.position(place) < ends[place]]:
                for batch in (await reader.getmany(*unread, timeout_ms=POLL_MS)).values():
                    records += batch
            return sorted(map(_record, records), key=lambda record: (record.partition, record.offset))

    return await within(read(), f"Kafka at {bootstrap}", timeout_seconds)


def _record(record: ConsumerRecord[bytes, bytes]) -> Record:
    return Record(
        record.topic,
        record.partition,
        record.offset,
        None if record.key is None else record.key.decode(errors="replace"),
        record.value or b"",
        {name: (value or b"").decode(errors="replace") for name, value in record.headers},
        datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )
