"""What a user does, told to everybody who wants to know: by a call to each, or by one event."""

import asyncio
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Protocol
from uuid import uuid4

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.contracts import names, topics
from services.contracts.events import UserEvent
from services.gateway.settings import GatewaySettings
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock
from workbook_lib.kit.discovery import Directory
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.fields import ONE_LINE, JsonObject
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.service.resources import Resource

__all__ = ["EventSender", "Listeners", "Publisher", "activity_routes", "listeners_of"]

_Text = Annotated[str, Field(min_length=1, max_length=64), ONE_LINE]


class Publisher(Resource, Protocol):
    """Sends events."""

    async def send(self, topic: str, key: str, value: BaseModel) -> object:
        """Return when the event is kept; raises a `ServiceError` when it isn't, or nobody knows."""
        ...


class EventSender:
    """Sends events to Kafka. A resource that connects with the first event.

    The edge answers nearly everything without Kafka, so it neither waits for one to start nor is sick
    without one.
    """

    def __init__(self, bootstrap: str, client_id: str) -> None:
        # Imported where it is needed: Kafka's client is a good part of the gateway's start.
        from workbook_lib.kit.messaging import Producer

        self._producer = Producer(bootstrap, client_id=client_id)
        self._connecting = asyncio.Lock()

    async def start(self) -> None:
        """Nothing yet."""

    async def stop(self) -> None:
        """Flush and disconnect."""
        await self._producer.stop()

    async def send(self, topic: str, key: str, value: BaseModel) -> object:
        """Send one event and wait for its acknowledgement. Raises `MessagingError` as `Producer` does."""
        async with self._connecting:
            await self._producer.start()
        return await self._producer.send(topic, key, value)


class Listeners:
    """The services that want to know, for calling them one after another, and a topic that they read.

    A resource.
    """

    def __init__(self, called: dict[str, HttpClient], events: Publisher | None) -> None:
        self.called = called
        self._events = events

    async def start(self) -> None:
        """Open the connections to the services."""
        for each in self._all():
            await each.start()

    async def stop(self) -> None:
        """Close them."""
        for each in self._all():
            await each.stop()

    async def call_each(self, event: UserEvent) -> None:
        """Tell one after another. Raises the error of the first that fails; those after it aren't told."""
        body = event.model_dump(mode="json")
        for service in self.called.values():
            await service.post("/events", json=body)

    async def publish(self, event: UserEvent) -> None:
        """Leave one event for whoever reads the topic, now or later. Raises Unavailable without a Kafka."""
        if self._events is None:
            raise Unavailable("this gateway was told of no Kafka")
        await self._events.send(topics.USER_EVENTS, event.user_id, event)

    def _all(self) -> Iterator[Resource]:
        yield from self.called.values()
        if self._events is not None:
            yield self._events


class Via(StrEnum):
    """How the others get to know."""

    EVENT = "event"
    CALLS = "calls"


class Activity(BaseModel):
    """Something that a user did, just now."""

    user_id: _Text
    type: _Text
    data: JsonObject = Field(default_factory=dict)
    event_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        default=None, description="the same again when a request is repeated: it counts once; else a new one"
    )


class Told(BaseModel):
    """What became of it: those `told` know of it; readers of the topic will."""

    event_id: str
    via: Via
    told: list[str]


def activity_routes(listeners: Listeners, clock: Clock = SYSTEM_CLOCK) -> APIRouter:
    """Tell of an activity."""
    router = APIRouter()

    @router.post("/activity", status_code=202, responses={200: {"model": Told}})
    async def tell(activity: Activity, response: Response, via: Annotated[Via, Query()] = Via.EVENT) -> Told:
        event = UserEvent(
            event_id=activity.event_id or uuid4().hex,
            type=activity.type,
            user_id=activity.user_id,
            at=clock.now(),
            data=activity.data,
        )
        if via is Via.EVENT:
            await listeners.publish(event)
            return Told(event_id=event.event_id, via=via, told=[])
        await listeners.call_each(event)
        response.status_code = 200
        return Told(event_id=event.event_id, via=via, told=list(listeners.called))

    return router


def listeners_of(settings: GatewaySettings, directory: Directory) -> Listeners:
    """Those of the running system."""
    known = {
        names.AUDIT_LOG: settings.audit_log_url,
        names.RECOMMENDATIONS: settings.recommendations_url,
        names.ANALYTICS: settings.analytics_url,
    }
    called = {
        name: HttpClient(directory.find(name, url), timeout_seconds=settings.timeout_seconds)
        for name, url in known.items()
    }
    kafka = settings.kafka_bootstrap_servers
    return Listeners(called, EventSender(kafka, settings.instance) if kafka else None)
