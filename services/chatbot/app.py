"""The chatbot's routes: a question by POST, or a conversation over a WebSocket."""

from fastapi import APIRouter, Response, WebSocket
from pydantic import ValidationError

from services.chatbot.conversation import Clients, Conversation
from services.chatbot.domain import ChatMessage, ChatReply
from services.chatbot.settings import ChatbotSettings
from services.contracts import names
from services.contracts.nlp_pb2_grpc import NlpServiceStub
from services.contracts.users_pb2_grpc import UserServiceStub
from workbook_lib.kit.breaker import Breakers
from workbook_lib.kit.canary import Attempts
from workbook_lib.kit.discovery import Directory, Observe, WeightedRandom
from workbook_lib.kit.rpc import RpcClient
from workbook_lib.kit.service import Service
from workbook_lib.kit.service.websockets import POLICY_VIOLATION, WebSocketLimits

__all__ = ["build", "chat_routes"]


def chat_routes(conversation: Conversation) -> APIRouter:
    """Both ways to ask."""
    router = APIRouter(prefix="/chat")

    @router.post("")
    async def chat(message: ChatMessage, response: Response) -> ChatReply:
        """A reply; X-Model-Version tells which version of the model gave it, and is empty where none did."""
        reply = await conversation.reply(message)
        response.headers["X-Model-Version"] = reply.model_version or ""
        return reply

    @router.websocket("/ws")
    async def converse(websocket: WebSocket) -> None:
        """A `ChatMessage` in, a `ChatReply` out, as JSON, in order; what is none ends it with 1008."""
        await websocket.accept()
        while (message := await websocket.receive())["type"] == "websocket.receive":
            try:
                asked = ChatMessage.model_validate_json(message.get("text") or "")
            except ValidationError:
                await websocket.close(POLICY_VIOLATION, "that is no message")
                return
            await websocket.send_text((await conversation.reply(asked)).model_dump_json())

    return router


def connect(settings: ChatbotSettings, directory: Directory, observe: Observe) -> Clients:
    """The clients of the running system. Versions of the model get the shares that their weights say."""
    return Clients(
        RpcClient(
            directory.find(names.NLP_MODEL, settings.nlp_url, balancer=WeightedRandom),
            NlpServiceStub,
            timeout_seconds=settings.nlp_timeout_seconds,
            retries=settings.nlp_retries,
            observe=observe,
        ),
        RpcClient(
            directory.find(names.USERS, settings.users_url),
            UserServiceStub,
            timeout_seconds=settings.users_timeout_seconds,
        ),
    )


def build(settings: ChatbotSettings, clients: Clients | None = None) -> Service:
    """The service, not started."""
    service = Service(settings, title="Chatbot")
    attempts = Attempts(names.NLP_MODEL, slow_seconds=settings.nlp_slow_seconds)
    service.metrics.registry.register(attempts)
    if clients is None:
        directory = Directory(settings.consul_http_addr, token=settings.consul_token)
        service.add_resource(directory)
        clients = connect(settings, directory, attempts.observe)
    for client in clients:
        service.add_resource(client)
    breakers = Breakers(settings.breaker)
    service.add_breakers(breakers)
    service.websockets.limits = WebSocketLimits(max_message_bytes=settings.message_bytes)
    service.app.include_router(chat_routes(Conversation(clients, breakers, attempts)))
    return service
