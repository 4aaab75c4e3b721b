"""An activity is told by calls, which need everybody, or by an event, which needs only Kafka."""

from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from httpx2 import ASGITransport, AsyncClient

from services.analytics import app as analytics
from services.analytics.settings import AnalyticsSettings
from services.audit_log import app as audit_log
from services.audit_log.settings import AuditLogSettings
from services.contracts import names, topics
from services.contracts.events import UserEvent
from services.gateway.activity import EventSender, Listeners, activity_routes
from services.recommendations import app as recommendations
from services.recommendations.settings import RecommendationsSettings
from tests.services.fakes import InProcess, Silent
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.messaging import MessagingError, ensure_topics
from workbook_lib.kit.service import Service
from workbook_lib.kit.settings import ServiceSettings
from workbook_lib.lab.evidence import topic_offsets

EVENT = UserEvent(event_id="e1", type="login", user_id="user123", at="2026-11-25T12:00:00Z")
VIEW = {"user_id": "user123", "type": "product_viewed", "data": {"sku": "mouse"}}


@pytest.fixture
def called(tmp_path, monkeypatch):
    """The three services on databases of their own, without Kafka."""
    for module in (audit_log, recommendations, analytics):
        monkeypatch.setattr(module, "Consumer", Silent)
        monkeypatch.setattr(module, "Topics", Silent)
    kinds = {
        names.AUDIT_LOG: (audit_log, AuditLogSettings),
        names.RECOMMENDATIONS: (recommendations, RecommendationsSettings),
        names.ANALYTICS: (analytics, AnalyticsSettings),
    }
    return {
        name: InProcess(module.build(settings(database_url=f"sqlite:///{tmp_path / name}.db")))
        for name, (module, settings) in kinds.items()
    }


@asynccontextmanager
async def _edge(listeners):
    service = Service(ServiceSettings(), title="Edge", resources=[listeners])
    service.app.include_router(activity_routes(listeners))
    transport = ASGITransport(service.app)
    async with service, AsyncClient(transport=transport, base_url="http://edge") as client:
        yield client


async def _known(called):
    """How many times each of the three knows of the user's view."""
    entries = (await called[names.AUDIT_LOG].get("/entries", params={"user_id": "user123"})).json()
    popular = (await called[names.RECOMMENDATIONS].get("/recommendations/nobody")).json()
    windows = (await called[names.ANALYTICS].get("/windows")).json()["windows"]
    return (
        len(entries["entries"]),
        sum(item["score"] for item in popular["items"]),
        sum(window["counts"].get("product_viewed", 0) for window in windows),
    )


class _Away(InProcess):
    """A client of a service that is away at times."""

    away = True

    async def request(self, method, path, **options):
        if self.away and method == "POST":
            raise Unavailable("nobody listens there")
        return await super().request(method, path, **options)


async def test_by_calls_everybody_knows_when_the_caller_is_answered(called):
    async with _edge(Listeners(called, None)) as edge:
        answer = await edge.post("/activity", params={"via": "calls"}, json=VIEW)
        assert (answer.status_code, answer.json()["told"]) == (200, list(called))
        assert await _known(called) == (1, 1, 1)


async def test_by_calls_one_that_is_away_fails_the_caller_and_leaves_the_others_half_told(called):
    called[names.RECOMMENDATIONS] = away = _Away(called[names.RECOMMENDATIONS]._service)
    view = VIEW | {"event_id": uuid4().hex}
    async with _edge(Listeners(called, None)) as edge:
        answer = await edge.post("/activity", params={"via": "calls"}, json=view)
        assert (answer.status_code, answer.json()["code"]) == (503, 50301)
        assert await _known(called) == (1, 0, 0)
        away.away = False
        assert (await edge.post("/activity", params={"via": "calls"}, json=view)).status_code == 200
        assert await _known(called) == (1, 1, 1), "the repeated request counts once where it was known"


async def test_as_an_event_it_is_kept_under_the_users_key_and_nobody_is_called(called, recorder):
    async with _edge(Listeners(called, recorder)) as edge:
        answer = await edge.post("/activity", json=VIEW)
        assert (answer.status_code, answer.json()["told"]) == (202, [])
        assert await _known(called) == (0, 0, 0)
    [(topic, key, event)] = recorder.sent
    assert (topic, key, event.type, event.data) == (topics.USER_EVENTS, "user123", VIEW["type"], VIEW["data"])
    assert event.event_id == answer.json()["event_id"]


async def test_without_a_kafka_an_event_is_refused_and_everything_else_works(called):
    async with _edge(Listeners(called, None)) as edge:
        answer = await edge.post("/activity", json=VIEW)
        assert (answer.status_code, answer.json()["code"]) == (503, 50301)
        assert (await edge.get("/health")).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"user_id": ""}, {"type": "a\nb"}, {"data": 1}, {"event_id": "../x"}, {"user_id": "x" * 65}]
)
async def test_what_is_no_activity_is_a_400(recorder, wrong):
    async with _edge(Listeners({}, recorder)) as edge:
        assert (await edge.post("/activity", json=VIEW | wrong)).status_code == 400
    assert recorder.sent == []


@pytest.mark.server
async def test_a_sender_connects_with_its_first_event(kafka_bootstrap):
    topic = f"activity-{uuid4().hex[:8]}"
    await ensure_topics(kafka_bootstrap, {topic: 1})
    sender = EventSender(kafka_bootstrap, "test")
    await sender.start()
    for _ in range(2):
        await sender.send(topic, "user123", EVENT)
    await sender.stop()
    assert await topic_offsets(kafka_bootstrap, topic) == {0: 2}


async def test_a_sender_starts_and_stops_without_a_kafka_and_says_so_when_it_is_needed():
    sender = EventSender("127.0.0.1:1", "test")
    await sender.start()
    with pytest.raises(MessagingError, match=r"Kafka at 127\.0\.0\.1:1"):
        await sender.send(topics.USER_EVENTS, "user123", EVENT)
    await sender.stop()
