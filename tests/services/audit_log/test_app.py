"""The audit log, on a real Kafka."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.audit_log.app import build
from services.audit_log.settings import AuditLogSettings
from services.contracts import topics
from services.contracts.events import UserEvent
from workbook_lib.kit.messaging import Producer, dead_letter_topic
from workbook_lib.lab.evidence import eventually, topic_records

pytestmark = pytest.mark.server


@pytest.fixture
async def producer(kafka_bootstrap):
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def audit(running, database_url, kafka_bootstrap):
    settings = AuditLogSettings(database_url=database_url, kafka_bootstrap_servers=kafka_bootstrap)
    async with running(build(settings)) as client:
        yield client


@pytest.fixture
def user_id():
    """A user whom no other test writes about: the topic outlives a test."""
    return f"user{uuid4().hex[:8]}"


def _event(user_id, event_id=None):
    return UserEvent(
        event_id=event_id or uuid4().hex, type="order_placed", user_id=user_id, at=datetime.now(UTC)
    )


async def _entries(audit, user_id, at_least):
    async def there():
        entries = (await audit.get("/entries", params={"user_id": user_id})).json()["entries"]
        return entries if len(entries) >= at_least else None

    return await eventually(there, timeout_seconds=60)


async def test_events_become_entries_in_the_order_of_their_user(audit, producer, user_id):
    events = [_event(user_id) for _ in range(5)]
    positions = [await producer.send(topics.USER_EVENTS, user_id, event) for event in events]
    entries = await _entries(audit, user_id, at_least=5)
    assert [entry["event_id"] for entry in reversed(entries)] == [event.event_id for event in events]
    assert {entry["partition"] for entry in entries} == {positions[0].partition}
    assert [entry["offset"] for entry in reversed(entries)] == [position.offset for position in positions]


async def test_an_event_that_is_delivered_twice_is_one_entry(audit, producer, user_id):
    twice, last = _event(user_id), _event(user_id)
    for event in (twice, twice, last):
        await producer.send(topics.USER_EVENTS, user_id, event)
    entries = await _entries(audit, user_id, at_least=2)
    assert [entry["event_id"] for entry in entries] == [last.event_id, twice.event_id]


async def test_what_is_no_event_is_parked_and_holds_up_nobody(audit, producer, kafka_bootstrap, user_id):
    event = _event(user_id)
    await producer.send(topics.USER_EVENTS, user_id, b"no event")
    await producer.send(topics.USER_EVENTS, user_id, event)
    assert [entry["event_id"] for entry in await _entries(audit, user_id, at_least=1)] == [event.event_id]
    # By its key: what other tests have sent may be read, and parked, only now.
    parked = await topic_records(kafka_bootstrap, dead_letter_topic(topics.USER_EVENTS))
    assert [record.value for record in parked if record.key == user_id] == [b"no event"]


@pytest.mark.usefixtures("patience")
async def test_the_consumer_and_the_database_are_part_of_its_health(audit):
    health = (await audit.get("/health")).json()
    assert health["checks"]["database"] == "ok"
    assert health["checks"]["worker consumer"] == "ok"


@pytest.mark.parametrize("limit", [0, 1001])
async def test_the_number_of_entries_has_bounds(audit, limit):
    assert (await audit.get("/entries", params={"limit": limit})).status_code == 400


async def test_an_event_that_a_caller_hands_over_twice_is_one_entry_without_a_place_in_a_topic(
    audit, user_id
):
    event = _event(user_id).model_dump(mode="json")
    answers = [await audit.post("/events", json=event) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    [entry] = await _entries(audit, user_id, at_least=1)
    assert (entry["event_id"], entry["partition"], entry["offset"]) == (event["event_id"], None, None)


async def test_a_time_that_utc_does_not_have_is_a_400(audit, user_id):
    event = _event(user_id).model_dump(mode="json") | {"at": "0001-01-01T00:00:00+14:00"}
    assert (await audit.post("/events", json=event)).status_code == 400
