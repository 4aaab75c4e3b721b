"""Records every user event, once, and lets people read what happened."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.audit_log.settings import AuditLogSettings
from services.audit_log.store import AuditStore, Base, Entry
from services.contracts import names, topics
from services.contracts.events import UserEvent
from workbook_lib.kit import telemetry
from workbook_lib.kit.fields import JsonObject, Timestamp
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.messaging import Consumer, Message, Topics
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database

__all__ = ["Recorder", "build"]

_log = get_logger(__name__)


class PostedEvent(UserEvent):
    """An event that a caller hands over directly."""

    at: Timestamp = Field(description="When it happened.")
    data: JsonObject = Field(default_factory=dict)


class Entries(BaseModel):
    """Entries, newest first."""

    entries: list[Entry]


class Recorder:
    """Handles the messages of `topics.USER_EVENTS`."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def __call__(self, message: Message) -> None:
        """Record one event. Kafka delivers at least once; a redelivered event is recognised by its id.

        Raises ValueError for what isn't an event, which the consumer parks in the dead letter topic.
        """
        event = UserEvent.model_validate_json(message.value)
        await self.record(event, partition=message.partition, offset=message.offset)

    async def record(
        self, event: UserEvent, *, partition: int | None = None, offset: int | None = None
    ) -> None:
        """Record one event, whichever way it came; a repeated one changes nothing."""
        trace_id = telemetry.current_trace_id()
        is_new = await self._store.record(event, trace_id=trace_id, partition=partition, offset=offset)
        _log.info(
            "event recorded" if is_new else "event known already", event_id=event.event_id, type=event.type
        )


def entry_routes(store: AuditStore, recorder: Recorder) -> APIRouter:
    """Read entries, and hand over an event."""
    router = APIRouter()

    @router.get("/entries")
    async def list_entries(
        user_id: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Entries:
        return Entries(entries=await store.entries(user_id, limit))

    @router.post("/events", status_code=204)
    async def take(event: PostedEvent) -> None:
        await recorder.record(event)

    return router


def build(settings: AuditLogSettings) -> Service:
    """The service, not started."""
    service = Service(settings, title="Audit log")
    kafka = settings.kafka_bootstrap_servers
    database = Database(settings.database_url, metadata=Base.metadata)
    store = AuditStore(database)
    recorder = Recorder(store)
    consumer = Consumer(kafka, [topics.USER_EVENTS], names.AUDIT_LOG, recorder, client_id=settings.instance)
    for resource in (database, Topics(kafka, topics.PARTITIONS), consumer):
        service.add_resource(resource)
    service.add_worker("consumer", consumer.run)
    service.app.include_router(entry_routes(store, recorder))
    return service
