"""The model's contract, over a real local gRPC server, and what each defect does."""

import asyncio
import json

import numpy as np
import pytest

from services.contracts import nlp_pb2
from services.contracts.nlp_pb2_grpc import NlpServiceStub
from services.nlp_model.app import build
from services.nlp_model.settings import NlpModelSettings
from workbook_lib.kit.errors import Internal, InvalidRequest

HELD_OUT = json.loads((NlpModelSettings().faq_file.parent / "evaluation.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def index_folder(tmp_path_factory):
    """One for all: making an index takes longer than most of these tests."""
    return tmp_path_factory.mktemp("index")


@pytest.fixture
def served(running, rpc_client, free_port, index_folder):
    """Runs a model with these settings: its HTTP client and its RPC client."""

    def run(**options):
        settings = NlpModelSettings(grpc_port=free_port(), index_folder=index_folder, **options)
        return running(build(settings)), rpc_client(NlpServiceStub, settings.grpc_port)

    return run


async def _answers(client, questions):
    requests = [nlp_pb2.AnswerRequest(question=question) for question in questions]
    with client.stub() as stub:
        return [
            answer
            for first in range(0, len(requests), 32)
            for answer in await asyncio.gather(
                *(stub.Answer(each, timeout=30) for each in requests[first : first + 32])
            )
        ]


async def test_a_question_in_other_words_gets_the_entrys_answer_and_an_off_topic_one_none(served):
    app, rpc = served()
    async with app, rpc as client:
        password, painter = await _answers(
            client, ["i've forgotten my password", "Who painted the Mona Lisa?"]
        )
    assert (password.found, password.entry_id, password.intent) == (True, "reset-password", "account")
    assert password.known_question == "How do I reset my password?"
    assert password.answer.startswith("“Log in”")
    assert password.model_version == "v1"
    assert (painter.found, painter.answer, painter.model_version) == (False, "", "v1")
    assert painter.score < 0.45


async def test_version_2_answers_more_held_out_questions_rightly_and_fewer_wrongly(served):
    shares = {}
    for version in ("v1", "v2"):
        app, rpc = served(version=version)
        async with app, rpc as client:
            answers = await _answers(client, [each["question"] for each in HELD_OUT])
        right = sum(a.found and a.entry_id == e["entry"] for a, e in zip(answers, HELD_OUT, strict=True))
        wrong = sum(a.found and a.entry_id != e["entry"] for a, e in zip(answers, HELD_OUT, strict=True))
        assert {answer.model_version for answer in answers} == {version}
        shares[version] = right, wrong
    assert shares["v2"][0] > shares["v1"][0] + 10
    assert shares["v2"][1] < shares["v1"][1] - 5


async def test_many_questions_at_once_share_forward_passes_and_each_gets_its_own_vector(served):
    app, rpc = served(max_wait_seconds=0.05)
    texts = [f"Is article {number} in stock?" for number in range(20)]
    async with app as http, rpc as client:
        with client.stub() as stub:
            together = await stub.Embed(nlp_pb2.EmbedRequest(texts=texts))
            alone = await stub.Embed(nlp_pb2.EmbedRequest(texts=texts[7:8]))
        metrics = (await http.get("/metrics")).text
    assert "nlp_batch_size_count 3.0" in metrics  # 16, 4 and 1
    assert "nlp_batch_size_sum 21.0" in metrics
    vectors = np.array([vector.values for vector in together.vectors])
    assert vectors.shape == (20, 384)
    assert np.allclose(vectors[7], alone.vectors[0].values, atol=1e-5)


@pytest.mark.parametrize("question", ["", "  ", "a" * 2001])
async def test_what_is_no_question_is_refused_by_the_contracts_error(served, question):
    app, rpc = served()
    async with app, rpc as client:
        with pytest.raises(InvalidRequest):
            await _answers(client, [question])


async def test_a_failing_version_fails_in_its_share_of_the_calls(served):
    app, rpc = served(defect="failing", defect_share=0.5)
    async with app, rpc as client:
        ends = []
        for _ in range(20):
            try:
                await _answers(client, ["Where is my order?"])
                ends.append(True)
            except Internal:
                ends.append(False)
    assert 3 <= sum(ends) <= 17  # else the odds are 1 in 2,400


async def test_a_wrong_version_is_fine_in_grpcs_words_and_knows_nothing(served):
    app, rpc = served(defect="wrong")
    async with app, rpc as client:
        (answer,) = await _answers(client, ["How do I reset my password?"])
    assert (answer.found, answer.model_version) == (False, "v1")


async def test_a_slow_version_answers_rightly_and_late(served):
    app, rpc = served(defect="slow", defect_seconds=0.3)
    loop = asyncio.get_running_loop()
    async with app, rpc as client:
        began = loop.time()
        (answer,) = await _answers(client, ["How do I reset my password?"])
    assert answer.found
    assert loop.time() - began >= 0.3
