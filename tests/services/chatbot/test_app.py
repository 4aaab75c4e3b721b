"""The chatbot's replies: with both callees, and with either one sick."""

import json

import pytest
from starlette.testclient import TestClient

from services.chatbot.app import build
from services.chatbot.conversation import Clients
from services.chatbot.domain import HANDED_OVER, UNKNOWN, addressed
from services.chatbot.settings import ChatbotSettings
from services.contracts import nlp_pb2, users_pb2
from tests.services.fakes import SameAnswers
from workbook_lib.kit.errors import NotFound, Unavailable

FOUND = nlp_pb2.AnswerResponse(
    found=True,
    intent="track_order",
    entry_id="track-order",
    known_question="Where is my order?",
    answer="Look there.",
    score=0.81,
    model_version="v2",
)
ANN = users_pb2.UserResponse(name="Ann Lee", age=30)


def _service(answer=FOUND, user=ANN):
    return build(ChatbotSettings(), Clients(SameAnswers(Answer=answer), SameAnswers(GetUser=user)))


async def _asked(running, service, **message):
    async with running(service) as client:
        answer = await client.post("/chat", json={"text": "Where is it?"} | message)
    assert answer.status_code == 200
    return answer, answer.json()


async def test_a_customer_is_answered_by_name_with_what_the_model_found(running):
    answer, reply = await _asked(running, _service(), user_id="user123")
    assert reply == {
        "reply": "Ann: Look there.",
        "by": "model",
        "found": True,
        "intent": "track_order",
        "entry_id": "track-order",
        "score": 0.81,
        "model_version": "v2",
    }
    assert answer.headers["X-Model-Version"] == "v2"


async def test_a_question_that_the_model_does_not_know_goes_to_a_person(running):
    unknown = nlp_pb2.AnswerResponse(score=0.2, model_version="v1")
    _, reply = await _asked(running, _service(unknown))
    assert (reply["reply"], reply["found"], reply["entry_id"], reply["by"]) == (UNKNOWN, False, None, "model")


@pytest.mark.parametrize("user", [NotFound("nobody"), Unavailable("down")])
async def test_whoever_can_not_be_looked_up_is_answered_without_a_name(running, user):
    _, reply = await _asked(running, _service(user=user), user_id="user123")
    assert reply["reply"] == "Look there."


async def test_without_a_model_the_question_is_handed_over_and_no_version_is_named(running):
    answer, reply = await _asked(running, _service(Unavailable("down")), user_id="user123")
    assert (reply["reply"], reply["by"]) == (f"Ann: {HANDED_OVER}", "nobody")
    assert answer.headers["X-Model-Version"] == ""


@pytest.mark.parametrize("message", [{"text": " "}, {"text": "a" * 501}, {"text": "a", "user_id": "../x"}])
async def test_what_is_no_message_is_refused(running, message):
    async with running(_service()) as client:
        assert (await client.post("/chat", json=message)).status_code == 400


def test_a_conversation_is_replied_to_message_by_message_until_something_is_none():
    with TestClient(_service().app) as client, client.websocket_connect("/chat/ws") as socket:
        for user_id, begin in ((None, "Look"), ("user123", "Ann: Look")):
            socket.send_text(json.dumps({"text": "Where is it?", "user_id": user_id}))
            assert json.loads(socket.receive_text())["reply"].startswith(begin)
        socket.send_text("hello?")
        assert socket.receive() == {"type": "websocket.close", "code": 1008, "reason": "that is no message"}


def test_a_guest_is_addressed_without_a_name():
    assert [addressed(name, "Yes.") for name in (None, " ", "Ann Lee")] == ["Yes.", "Yes.", "Ann: Yes."]
