"""One question and its reply: model and user service are asked at once, and it can do without either."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from services.chatbot.domain import HANDED_OVER, UNKNOWN, ChatMessage, ChatReply, addressed
from services.contracts import names, nlp_pb2, users_pb2
from workbook_lib.kit.breaker import Breakers
from workbook_lib.kit.canary import Attempts
from workbook_lib.kit.errors import ServiceError
from workbook_lib.kit.logs import get_logger
from workbook_lib.kit.rpc import RpcClient

if TYPE_CHECKING:
    from services.contracts.nlp_pb2_grpc import NlpServiceAsyncStub
    from services.contracts.users_pb2_grpc import UserServiceAsyncStub

__all__ = ["UNANSWERED", "Clients", "Conversation"]

UNANSWERED = "unanswered"

_log = get_logger(__name__)


class Clients(NamedTuple):
    """What the chatbot calls."""

    nlp: "RpcClient[NlpServiceAsyncStub]"
    users: "RpcClient[UserServiceAsyncStub]"


class Conversation:
    """Replies to messages. Each callee is behind a breaker: a sick one costs its part of the reply."""

    def __init__(self, clients: Clients, breakers: Breakers, attempts: Attempts) -> None:
        self._clients = clients
        self._attempts = attempts
        self._model = breakers.of(names.NLP_MODEL)
        self._users = breakers.of(names.USERS)

    async def reply(self, message: ChatMessage) -> ChatReply:
        """The reply to one message; there always is one."""
        answer, name = await asyncio.gather(
            self._model.call(self._ask, message.text, fallback=_without_model), self._name(message.user_id)
        )
        if answer is None:
            return ChatReply(
                reply=addressed(name, HANDED_OVER),
                by="nobody",
                found=False,
                intent=None,
                entry_id=None,
                score=None,
                model_version=None,
            )
        return ChatReply(
            reply=addressed(name, answer.answer if answer.found else UNKNOWN),
            by="model",
            found=answer.found,
            intent=answer.intent or None,
            entry_id=answer.entry_id or None,
            score=round(answer.score, 4),
            model_version=answer.model_version,
        )

    async def _ask(self, text: str) -> nlp_pb2.AnswerResponse | None:
        with self._clients.nlp.stub() as stub:
            answer: nlp_pb2.AnswerResponse = await stub.Answer(nlp_pb2.AnswerRequest(question=text))
        if not answer.found:  # an answer in gRPC's words; whether a version knows less shows in how often
            self._attempts.judge(answer.model_version, UNANSWERED)
        return answer

    async def _name(self, user_id: str | None) -> str | None:
        if user_id is None:
            return None
        try:
            return await self._users.call(self._known, user_id)
        except ServiceError as error:  # also when nobody has this id: then it's a guest
            _log.info("nameless", user_id=user_id, cause=error.message)
            return None

    async def _known(self, user_id: str) -> str:
        with self._clients.users.stub() as stub:
            user: users_pb2.UserResponse = await stub.GetUser(users_pb2.UserRequest(user_id=user_id))
        return user.name


def _without_model(error: Exception) -> None:
    _log.warning("the model couldn't be asked", cause=str(error))
