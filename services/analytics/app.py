"""Counts what happens, in windows of event time."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.analytics.domain import Window, Windows
from services.analytics.settings import AnalyticsSettings
from services.analytics.store import AnalyticsStore, Base
from services.contracts import names, topics
from services.contracts.events import UserEvent
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.fields import JsonObject, Timestamp
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.messaging import Consumer, Message, Topics
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database

__all__ = ["Counting", "build"]

_log = get_logger(__name__)

_DIRECT = "direct"


class PostedEvent(UserEvent):
    """An event that a caller hands over directly."""

    at: Timestamp = Field(description="When it happened.")
    data: JsonObject = Field(default_factory=dict)


class WindowView(BaseModel):
    """A window, from `start` to before `end`. A late event is in `late` only."""

    start: datetime
    end: datetime
    counts: dict[str, int] = Field(description="events by type")
    late: dict[str, int] = Field(description="events by type that came when the window was closed already")

    @classmethod
    def of(cls, window: Window) -> "WindowView":
        """The view of `window`."""
        return cls(start=window.start, end=window.end, counts=window.counts, late=window.late)


class WindowsView(BaseModel):
    """The latest windows that have any event, oldest first."""

    window_seconds: int
    lateness_seconds: float
    windows: list[WindowView]


class Counting:
    """Handles the messages of `topics.USER_EVENTS`."""

    def __init__(self, store: AnalyticsStore, clock: Clock = SYSTEM_CLOCK) -> None:
        self._store = store
        self._clock = clock

    async def __call__(self, message: Message) -> None:
        """Count one event.

        Raises ValueError or InvalidRequest for what is none: the consumer parks it in the dead letter topic.
        """
        event = UserEvent.model_validate_json(message.value)
        await self.count(event, f"{message.topic}/{message.partition}")

    async def count(self, event: UserEvent, source: str = _DIRECT) -> None:
        """Count one event, whichever way it came; a repeated one changes nothing."""
        is_new = await self._store.count(event, source, self._clock.now())
        _log.debug("event seen", event_id=event.event_id, type=event.type, counted=is_new)


def window_routes(settings: AnalyticsSettings, store: AnalyticsStore, counting: Counting) -> APIRouter:
    """Read the counts, and hand over an event."""
    router = APIRouter()

    @router.get("/windows")
    async def windows(limit: Annotated[int, Query(ge=1, le=1000)] = 30) -> WindowsView:
        return WindowsView(
            window_seconds=settings.window_seconds,
            lateness_seconds=settings.lateness_seconds,
            windows=[WindowView.of(window) for window in await store.latest(limit)],
        )

    @router.post("/events", status_code=204)
    async def take(event: PostedEvent) -> None:
        await counting.count(event)

    return router


def build(settings: AnalyticsSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Analytics")
    kafka = settings.kafka_bootstrap_servers
    database = Database(settings.database_url, metadata=Base.metadata)
    windows = Windows(settings.window_seconds, settings.lateness_seconds, settings.ahead_seconds)
    store = AnalyticsStore(database, windows)
    counting = Counting(store)
    consumer = Consumer(kafka, [topics.USER_EVENTS], names.ANALYTICS, counting, client_id=settings.instance)
    events = {topics.USER_EVENTS: topics.PARTITIONS[topics.USER_EVENTS]}
    for resource in (database, Topics(kafka, events), consumer):
        service.add_resource(resource)
    service.add_worker("consumer", consumer.run)
    service.app.include_router(window_routes(settings, store, counting))
    return service
