"""The records of a topic are read from a real Kafka, all of them and nobody's offset moved."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from workbook_lib.kit.messaging import Outgoing, Producer, ensure_topics
from workbook_lib.lab.evidence import EvidenceError, topic_records


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    name = f"evidence-{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka_bootstrap, {name: 3})
    return name


async def test_every_record_comes_with_its_place_key_headers_and_time(kafka_bootstrap: str, topic: str):
    messages = [
        Outgoing(topic, f"k{n % 5}", b'{"n": %d}' % n, (("event-id", b"e%d" % n),)) for n in range(40)
    ]
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    sent = await producer.send_many(messages)
    await producer.stop()

    records = await topic_records(kafka_bootstrap, topic)
    assert [(r.partition, r.offset) for r in records] == sorted((p.partition, p.offset) for p in sent)
    assert sorted(r.json()["n"] for r in records) == list(range(40))
    assert all(r.key == f"k{r.json()['n'] % 5}" for r in records)
    assert all(r.headers["event-id"] == f"e{r.json()['n']}" for r in records)
    assert all(abs(datetime.now(UTC) - r.timestamp) < timedelta(minutes=2) for r in records)


async def test_an_empty_topic_has_none_and_a_missing_one_is_named(kafka_bootstrap: str, topic: str):
    assert await topic_records(kafka_bootstrap, topic) == []
    with pytest.raises(EvidenceError, match="no topic 'absent'"):
        await topic_records(kafka_bootstrap, "absent")


async def test_what_is_no_json_is_said_with_its_place(kafka_bootstrap: str, topic: str):
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    await asyncio.gather(producer.send(topic, None, b"poison"))
    await producer.stop()
    (record,) = await topic_records(kafka_bootstrap, topic)
    assert (record.key, record.value) == (None, b"poison")
    with pytest.raises(EvidenceError, match=f"{topic}/{record.partition} at 0 holds no JSON"):
        record.json()


async def test_a_kafka_that_is_gone_is_named():
    with pytest.raises(EvidenceError, match=r"Kafka at 127\.0\.0\.1:9"):
        await topic_records("127.0.0.1:9", "any")
