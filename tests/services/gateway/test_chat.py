"""The chatbot through a live gateway, by request and by conversation, on a real model."""

import asyncio
import json

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from workbook_lib.lab import Lab, evidence

pytestmark = pytest.mark.server
ORIGIN = "http://shop.example"
# The tests aren't about deadlines, which a busy machine may miss.
PATIENT = {
    "GATEWAY_TIMEOUT_SECONDS": "30",
    "CHATBOT_NLP_TIMEOUT_SECONDS": "30",
    "CHATBOT_BREAKER": json.dumps({"timeout_seconds": 30}),
    "CHECK_INTERVAL_SECONDS": "600",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab("chat-test", root=tmp_path_factory.mktemp("chat"))

    async def start():
        env = {"GATEWAY_CORS_ORIGINS": json.dumps([ORIGIN]), **PATIENT}
        await lab.start("jaeger", "nlp_model", "chatbot", "gateway", env=env)
        async with httpx2.AsyncClient(base_url=lab["gateway"].url, trust_env=False, timeout=30) as client:

            async def answered():
                answer = await client.post("/chat", json={"text": "hello"})
                return answer.status_code == 200 and answer.json()["by"] == "model"

            await evidence.eventually(answered)

    asyncio.run(start())
    yield lab
    asyncio.run(lab.stop())


def _conversation(lab, **options):
    return connect(lab["gateway"].url.replace("http", "ws") + "/ws/chat", **({"origin": ORIGIN} | options))


async def _said(socket, text):
    await socket.send(json.dumps({"text": text}))
    return json.loads(await socket.recv())


def _batched(trace):
    return [span for span in trace.spans if "nlp.batch_size" in span.attributes]


async def test_a_question_goes_through_gateway_chatbot_and_model_in_one_trace(lab):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    async with httpx2.AsyncClient(base_url=lab["gateway"].url, trust_env=False, timeout=30) as client:
        answer = await client.post("/chat", json={"text": "i've forgotten my password"}, headers=headers)
    assert (answer.json()["entry_id"], answer.headers["X-Model-Version"]) == ("reset-password", "v1")
    services = {"gateway", "chatbot", "nlp-model"}
    trace = await evidence.Jaeger(lab["jaeger"].url).trace(
        trace_id, until=lambda trace: set(trace.services) >= services and bool(_batched(trace))
    )
    (served,) = _batched(trace)
    assert (served.service, served.attributes["nlp.batch_size"]) == ("nlp-model", 1)


async def test_a_conversation_is_passed_on_both_ways_and_its_end_too(lab):
    async with _conversation(lab) as socket:
        assert (await _said(socket, "i want to cancel my order"))["entry_id"] == "cancel-order"
        assert (await _said(socket, "i've forgotten my password"))["entry_id"] == "reset-password"
        await socket.send("no message")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd.code == 1008


async def test_a_foreign_page_may_not_converse(lab):
    with pytest.raises(InvalidStatus) as refused:
        async with _conversation(lab, origin="http://evil.example"):
            pass
    assert refused.value.response.status_code == 403
