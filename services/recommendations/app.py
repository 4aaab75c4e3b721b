"""Learns from what users view and order, as it happens, and tells each what they may like next."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from services.contracts import names, topics
from services.contracts.events import UserEvent
from services.recommendations.settings import RecommendationsSettings
from services.recommendations.store import Base, RecommendationStore
from workbook_lib.kit.fields import JsonObject, Timestamp
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.messaging import Consumer, Message, Topics
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database

__all__ = ["Learner", "build"]

_log = get_logger(__name__)


class PostedEvent(UserEvent):
    """An event that a caller hands over directly."""

    at: Timestamp = Field(description="When it happened.")
    data: JsonObject = Field(default_factory=dict)


class Recommendation(BaseModel):
    """Something the user may like; scores compare only within one list."""

    sku: str
    score: float
    because: list[str] = Field(description="what of the user's own goes with it; empty: it is popular")


class Recommendations(BaseModel):
    """The best first."""

    user_id: str
    items: list[Recommendation]


class Learner:
    """Handles the messages of `topics.USER_EVENTS`."""

    def __init__(self, store: RecommendationStore) -> None:
        self._store = store

    async def __call__(self, message: Message) -> None:
        """Learn from one event.

        Raises ValueError or InvalidRequest for what is none: the consumer parks it in the dead letter topic.
        """
        await self.learn(UserEvent.model_validate_json(message.value))

    async def learn(self, event: UserEvent) -> None:
        """Learn from one event, whichever way it came; a repeated one changes nothing."""
        learnt = await self._store.learn(event)
        _log.debug("event seen", event_id=event.event_id, type=event.type, learnt=learnt)


def recommendation_routes(store: RecommendationStore, learner: Learner) -> APIRouter:
    """Ask, and hand over an event."""
    router = APIRouter()

    @router.get("/recommendations/{user_id}")
    async def recommend(
        user_id: Annotated[str, Path(max_length=64)], limit: Annotated[int, Query(ge=1, le=50)] = 5
    ) -> Recommendations:
        found = await store.suggestions(user_id, limit)
        items = [Recommendation(sku=each.sku, score=each.score, because=list(each.because)) for each in found]
        return Recommendations(user_id=user_id, items=items)

    @router.post("/events", status_code=204)
    async def take(event: PostedEvent) -> None:
        await learner.learn(event)

    return router


def build(settings: RecommendationsSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Recommendations")
    kafka = settings.kafka_bootstrap_servers
    database = Database(settings.database_url, metadata=Base.metadata)
    store = RecommendationStore(database, history_items=settings.history_items)
    learner = Learner(store)
    consumer = Consumer(
        kafka, [topics.USER_EVENTS], names.RECOMMENDATIONS, learner, client_id=settings.instance
    )
    events = {topics.USER_EVENTS: topics.PARTITIONS[topics.USER_EVENTS]}
    for resource in (database, Topics(kafka, events), consumer):
        service.add_resource(resource)
    service.add_worker("consumer", consumer.run)
    service.app.include_router(recommendation_routes(store, learner))
    return service
