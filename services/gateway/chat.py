"""The chatbot at the edge: a question by POST, or a conversation over a WebSocket that is passed on."""

import asyncio
import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response, WebSocket
from opentelemetry import propagate
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from services.contracts import names
from services.gateway.settings import GatewaySettings
from workbook_lib.kit.discovery import Directory, Instances
from workbook_lib.kit.errors import Forbidden, Unavailable
from workbook_lib.kit.fields import JsonObject
from workbook_lib.kit.http import HttpClient

__all__ = ["Chatbot", "chat_routes"]

_PASSED_ON = ("content-type", "x-model-version")
_GOING_AWAY = 1001


class Chatbot:
    """The chatbot's instances: a client for questions, and a connection a conversation.

    A resource, deliberately without a `check`: the shop goes on without it.
    """

    def __init__(
        self, settings: GatewaySettings, directory: Directory, client: HttpClient | None = None
    ) -> None:
        self._instances: Instances = directory.find(names.CHATBOT, settings.chatbot_url)
        self._timeout_seconds = settings.timeout_seconds
        self._largest = settings.room_message_bytes
        self.origins = settings.cors_origins
        self.client = client or HttpClient(
            self._instances, timeout_seconds=settings.timeout_seconds, retries=settings.retries
        )

    async def start(self) -> None:
        """Open the connections."""
        await self.client.start()

    async def stop(self) -> None:
        """Close them."""
        await self.client.stop()

    async def conversation(self) -> ClientConnection:
        """A conversation with the instance whose turn it is, in the present trace. Raises Unavailable."""
        address = self._instances.next().url.replace("http", "ws", 1)
        headers: dict[str, str] = {}
        propagate.inject(headers)
        try:
            return await connect(
                f"{address}/chat/ws",
                additional_headers=headers,
                open_timeout=self._timeout_seconds,
                close_timeout=self._timeout_seconds,
                max_size=self._largest,
                proxy=None,
                compression=None,
            )
        except (OSError, WebSocketException) as error:
            raise Unavailable(f"no conversation at {address}: {error}") from error


def chat_routes(chatbot: Chatbot) -> APIRouter:
    """Ask the chatbot."""
    router = APIRouter()

    @router.post("/chat")
    async def chat(message: Annotated[JsonObject, Body()]) -> Response:
        """What the chatbot answers; a question may be asked again, so another instance may be tried."""
        answer = await chatbot.client.request("POST", "/chat", json=message, idempotent=True)
        kept = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        return Response(answer.content, answer.status_code, kept)

    @router.websocket("/ws/chat")
    async def converse(websocket: WebSocket) -> None:
        # As for rooms: a browser connects from any page, and only this check asks which.
        if websocket.headers.get("origin") not in chatbot.origins:
            raise Forbidden("Pages of this origin may not connect.")
        conversation = await chatbot.conversation()  # before accepting: a refusal is an HTTP answer then
        try:
            await websocket.accept()
            await _pass_on(websocket, conversation)
        finally:
            await conversation.close()

    return router


async def _pass_on(websocket: WebSocket, conversation: ClientConnection) -> None:
    """Both directions, until either side ends; the caller is told how the chatbot's side did."""

    async def to_chatbot() -> None:
        message: Any
        while (message := await websocket.receive())["type"] == "websocket.receive":
            await conversation.send(message.get("text") or message.get("bytes") or "")

    async def to_caller() -> None:
        async for reply in conversation:
            await websocket.send_text(reply if isinstance(reply, str) else reply.decode())

    tasks = [asyncio.create_task(to_chatbot()), asyncio.create_task(to_caller())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(ConnectionClosed):
            await asyncio.gather(*tasks, return_exceptions=True)
    if conversation.close_code is not None:
        await websocket.close(conversation.close_code or _GOING_AWAY, conversation.close_reason or "")
