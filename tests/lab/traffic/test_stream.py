"""A stream sends in order, at its rate, and remembers what Kafka has kept; on a real Kafka."""

import time
import uuid

import pytest
from pydantic import BaseModel

from workbook_lib.kit.messaging import Producer, ensure_topics
from workbook_lib.lab.evidence import eventually, topic_offsets
from workbook_lib.lab.traffic import publishing

pytestmark = pytest.mark.server


class Numbered(BaseModel):
    n: int


def _make(number):
    return f"user{number % 2}", Numbered(n=number)


async def test_messages_are_sent_at_the_rate_in_order_until_the_block_ends(kafka_bootstrap):
    topic = f"stream-{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka_bootstrap, {topic: 1})
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    started = time.monotonic()
    async with publishing(producer, topic, _make, rate=100) as published:
        await eventually(lambda: len(published.acknowledged) >= 30, timeout_seconds=60)
    took = time.monotonic() - started
    await producer.stop()
    count = len(published.acknowledged)
    assert [event.n for event in published.acknowledged] == list(range(count))
    assert [position.offset for position in published.positions] == list(range(count))
    assert await topic_offsets(kafka_bootstrap, topic) == {0: count}
    assert published.unknown == []
    assert count <= took * 100 + 1, "no faster than the rate"


async def test_what_is_not_acknowledged_is_remembered_as_unknown():
    producer = Producer("127.0.0.1:1", client_id="test")  # never started: every send is refused
    async with publishing(producer, "nowhere", _make, rate=1000) as published:
        await eventually(lambda: len(published.unknown) >= 3)
    assert published.acknowledged == []
    assert [event.n for event in published.unknown] == list(range(len(published.unknown)))
