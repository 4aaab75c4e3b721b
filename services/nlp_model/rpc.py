"""The model's RPC methods: they translate, and note in the trace how the question was worked on."""

import asyncio
from typing import Any

from grpc.aio import ServicerContext
from opentelemetry import trace

from services.contracts import nlp_pb2, nlp_pb2_grpc
from services.nlp_model.domain import check_texts
from services.nlp_model.model import LanguageModel
from workbook_lib.kit.batching import Batched

__all__ = ["NlpRpc"]

Context = ServicerContext[Any, Any]


class NlpRpc(nlp_pb2_grpc.NlpServiceServicer):
    """`workbook.nlp.v1.NlpService`."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    async def Embed(  # noqa: N802 (the contract's name)
        self, request: nlp_pb2.EmbedRequest, _context: Context
    ) -> nlp_pb2.EmbedResponse:
        """A vector for each text."""
        check_texts(request.texts, "texts")
        made = await asyncio.gather(*(self._model.read(text) for text in request.texts))
        vectors = [nlp_pb2.Vector(values=each.value.vector.tolist()) for each in made]
        return nlp_pb2.EmbedResponse(vectors=vectors, model_version=self._model.version)

    async def Answer(  # noqa: N802
        self, request: nlp_pb2.AnswerRequest, context: Context
    ) -> nlp_pb2.AnswerResponse:
        """The known question that is meant, if any."""
        check_texts([request.question], "question")
        made = await self._model.read(request.question)
        match, score = self._model.answer(made.value)
        _note(made, score, context)
        if match is None:
            return nlp_pb2.AnswerResponse(score=score, model_version=self._model.version)
        entry = match.entry
        return nlp_pb2.AnswerResponse(
            found=True,
            intent=entry.intent,
            entry_id=entry.id,
            known_question=entry.question,
            answer=entry.answer,
            score=score,
            model_version=self._model.version,
        )


def _note(made: Batched[Any], score: float, context: Context) -> None:
    """One forward pass serves many traces, so each trace's own span says with how many it shared that.

    Who asks is told too, by the trailing metadata: for benchmarks, and for whoever debugs a slow answer.
    """
    context.set_trailing_metadata((("nlp-batch-size", str(made.batch_size)),))
    span = trace.get_current_span()
    span.set_attribute("nlp.batch_size", made.batch_size)
    span.set_attribute("nlp.waited_ms", round(made.waited_seconds * 1000, 2))
    span.set_attribute("nlp.score", round(score, 3))
