"""Recommendations follow what users do, whether Kafka or a caller tells it; on a real Kafka."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.contracts import topics
from services.contracts.events import ORDER_PLACED, PRODUCT_VIEWED, UserEvent
from services.recommendations.app import build
from services.recommendations.settings import RecommendationsSettings
from workbook_lib.kit.messaging import Producer
from workbook_lib.lab.evidence import eventually

pytestmark = pytest.mark.server


@pytest.fixture
async def service(running, database_url, kafka_bootstrap):
    settings = RecommendationsSettings(database_url=database_url, kafka_bootstrap_servers=kafka_bootstrap)
    async with running(build(settings)) as client:
        yield client


def _event(user_id, type_, sku):
    return UserEvent(
        event_id=uuid4().hex, type=type_, user_id=user_id, at=datetime.now(UTC), data={"sku": sku}
    )


async def _suggested(service, user_id):
    answer = await service.get(f"/recommendations/{user_id}", params={"limit": 50})
    return {item["sku"]: item for item in answer.json()["items"]}


async def test_what_goes_with_a_view_is_seen_through_rest_when_the_event_has_come(service, kafka_bootstrap):
    # The topic outlives a test: these users and things are this one's own.
    ann, bob, lamp, bulb = (f"{name}-{uuid4().hex[:8]}" for name in ("ann", "bob", "lamp", "bulb"))
    producer = Producer(kafka_bootstrap, client_id="test")
    await producer.start()
    for event in (_event(ann, PRODUCT_VIEWED, lamp), _event(ann, ORDER_PLACED, bulb)):
        await producer.send(topics.USER_EVENTS, ann, event)
    await producer.send(topics.USER_EVENTS, bob, _event(bob, PRODUCT_VIEWED, lamp))
    await producer.stop()

    # Events of two users come by two partitions, in any order: until bob's is there he gets what is popular.
    async def suggested():
        found = (await _suggested(service, bob)).get(bulb)
        return found if found and found["because"] else None

    found = await eventually(suggested, timeout_seconds=60)
    assert found == {"sku": bulb, "score": pytest.approx(2**-0.5), "because": [lamp]}


async def test_an_event_that_a_caller_hands_over_twice_is_learnt_from_once(service):
    lamp = f"lamp-{uuid4().hex[:8]}"
    event = _event("ann", PRODUCT_VIEWED, lamp).model_dump(mode="json")
    answers = [await service.post("/events", json=event) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert (await _suggested(service, f"nobody-{uuid4().hex}"))[lamp]["score"] == 1.0


async def test_an_event_without_a_sku_is_a_400(service):
    event = _event("ann", PRODUCT_VIEWED, "").model_dump(mode="json")
    assert (await service.post("/events", json=event)).status_code == 400
