"""Windows fill with what users do, whether Kafka or a caller tells it; on a real Kafka."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.analytics.app import build
from services.analytics.settings import AnalyticsSettings
from services.contracts import topics
from services.contracts.events import UserEvent
from workbook_lib.kit.messaging import Producer
from workbook_lib.lab.evidence import eventually

pytestmark = pytest.mark.server


@pytest.fixture
async def service(running, database_url, kafka_bootstrap):
    settings = AnalyticsSettings(
        database_url=database_url, kafka_bootstrap_servers=kafka_bootstrap, window_seconds=60
    )
    async with running(build(settings)) as client:
        yield client


def _event(type_, at=None):
    return UserEvent(event_id=uuid4().hex, type=type_, user_id="user123", at=at or datetime.now(UTC))


async def _total(service, type_):
    answer = (await service.get("/windows", params={"limit": 1000})).json()
    return sum(window["counts"].get(type_, 0) for window in answer["windows"])


async def test_events_of_the_topic_are_in_their_windows_a_moment_later(service, kafka_bootstrap):
    danced = f"danced-{uuid4().hex[:8]}"  # the topic outlives a test
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    event = _event(danced)
    for each in (event, event, _event(danced)):
        await producer.send(topics.USER_EVENTS, "user123", each)
    await producer.stop()

    async def counted():
        return await _total(service, danced) >= 2

    await eventually(counted, timeout_seconds=60)
    assert await _total(service, danced) == 2


async def test_an_event_that_a_caller_hands_over_twice_counts_once(service):
    jumped = f"jumped-{uuid4().hex[:8]}"
    event = _event(jumped).model_dump(mode="json")
    answers = [await service.post("/events", json=event) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert await _total(service, jumped) == 1


async def test_an_event_from_the_future_is_a_400(service):
    event = _event("time travel", at=datetime.now(UTC) + timedelta(hours=1)).model_dump(mode="json")
    assert (await service.post("/events", json=event)).status_code == 400
