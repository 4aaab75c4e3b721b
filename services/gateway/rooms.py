"""WebSockets: an echo, and rooms in which everybody hears what anybody says, at any of the gateways."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Annotated, Final

from fastapi import APIRouter, Path, WebSocket
from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnect

from services.gateway.settings import GatewaySettings
from workbook_lib.kit.broadcast import Broadcast
from workbook_lib.kit.errors import Forbidden
from workbook_lib.kit.service import Service
from workbook_lib.kit.service.websockets import TRY_AGAIN_LATER, WebSocketLimits

__all__ = ["Rooms", "add_rooms", "room_routes"]

RoomName = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]

_CLOSE_SECONDS: Final = 5.0
_UNSUPPORTED_DATA: Final = 1003


class Said(BaseModel):
    """What a room's members hear."""

    room: str
    text: str


class Member:
    """One connection to a room. What it hears waits in a queue; when that is full, the member is too slow."""

    def __init__(self, websocket: WebSocket, backlog: int) -> None:
        self._websocket = websocket
        self._heard: asyncio.Queue[str] = asyncio.Queue(backlog)
        self.too_slow = asyncio.Event()

    def hear(self, text: str) -> None:
        """Take a message; never waits, so that nobody waits for a slow member."""
        try:
            self._heard.put_nowait(text)
        except asyncio.QueueFull:
            self.too_slow.set()

    async def write(self) -> None:
        """Send what is heard, as fast as the peer reads."""
        while True:
            await self._websocket.send_text(await self._heard.get())


class Rooms:
    """The members at this gateway, by room; what they say goes to the other gateways' members too.

    A resource. Without Redis a room's members hear only those who are at the same gateway.
    """

    def __init__(self, settings: GatewaySettings, registry: CollectorRegistry) -> None:
        self.settings = settings
        self._members: defaultdict[str, set[Member]] = defaultdict(set)
        self._others = Broadcast(settings.redis_url, channel="gateway-rooms", hear=self._deliver)
        self._present = Gauge("room_members", "Members of rooms at this gateway.", registry=registry)
        self.dropped = Counter(
            "room_members_dropped_total", "Members who read too slowly.", registry=registry
        )

    async def start(self) -> None:
        """Begin to hear the other gateways."""
        await self._others.start()

    async def stop(self) -> None:
        """Hear them no more."""
        await self._others.stop()

    @contextlib.contextmanager
    def joined(self, room: str, member: Member) -> Iterator[None]:
        """In the room as long as this is open."""
        self._members[room].add(member)
        self._present.inc()
        try:
            yield
        finally:
            self._present.dec()
            self._members[room].discard(member)
            if not self._members[room]:
                del self._members[room]

    async def say(self, room: str, text: str) -> None:
        """Let everybody in the room hear it, whoever said it too."""
        said = Said(room=room, text=text).model_dump_json()
        self._deliver(room, said)
        await self._others.publish(room, said)

    def _deliver(self, room: str, said: str) -> None:
        for member in self._members.get(room, ()):
            member.hear(said)


def add_rooms(service: Service, settings: GatewaySettings) -> None:
    """Let the service have rooms."""
    rooms = Rooms(settings, service.metrics.registry)
    service.add_resource(rooms)
    service.websockets.limits = WebSocketLimits(
        settings.room_message_bytes, settings.room_ping_seconds, settings.room_ping_seconds
    )
    service.app.include_router(room_routes(rooms))


def room_routes(rooms: Rooms) -> APIRouter:
    """Echo and rooms. Pages of the origins in `cors_origins` may connect, and nobody else."""
    router = APIRouter(prefix="/ws")

    def check_origin(websocket: WebSocket) -> None:
        # A browser sends cookies with a WebSocket of any page, and CORS doesn't apply: only this check does.
        if websocket.headers.get("origin") not in rooms.settings.cors_origins:
            raise Forbidden("Pages of this origin may not connect.")

    @router.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        check_origin(websocket)
        await websocket.accept()
        while (text := await _text(websocket)) is not None:
            await websocket.send_text(text)

    @router.websocket("/rooms/{room}")
    async def join(websocket: WebSocket, room: RoomName) -> None:
        check_origin(websocket)
        await websocket.accept()
        member = Member(websocket, rooms.settings.room_backlog)
        with rooms.joined(room, member):
            await _take_part(websocket, room, member, rooms)

    return router


async def _text(websocket: WebSocket) -> str | None:
    """The next text message; None when the connection is over. A binary one ends it with 1003."""
    message = await websocket.receive()
    if message["type"] != "websocket.receive":
        return None
    text: str | None = message.get("text")
    if text is None:
        await websocket.close(_UNSUPPORTED_DATA, "text only")
    return text


async def _take_part(websocket: WebSocket, room: str, member: Member, rooms: Rooms) -> None:
    """Hear and speak until the peer leaves, or reads so slowly that its queue is full."""

    async def speak() -> None:
        while (text := await _text(websocket)) is not None:
            await rooms.say(room, text)

    too_slow = asyncio.create_task(member.too_slow.wait())
    tasks = {asyncio.create_task(speak()), asyncio.create_task(member.write()), too_slow}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    if too_slow.done() and not too_slow.cancelled():
        rooms.dropped.inc()
        # If it reads on in time it learns why; otherwise the connection is cut.
        with contextlib.suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await websocket.close(TRY_AGAIN_LATER, "you read too slowly")
        return
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect):
            raise result
