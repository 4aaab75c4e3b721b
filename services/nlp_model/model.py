"""The language model as a resource: loaded once, asked by many at once."""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Histogram

from services.nlp_model.bert import Matrix
from services.nlp_model.defects import Defect
from services.nlp_model.domain import Entry, Match, nearest, read_entries, text_of
from services.nlp_model.embedding import MODEL, SentenceEncoder
from services.nlp_model.settings import NlpModelSettings
from services.nlp_model.store import VectorStore
from workbook_lib.kit.batching import Batched, MicroBatcher
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.failpoints import failpoint

__all__ = ["LanguageModel"]

_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


class _Loaded(NamedTuple):
    encoder: SentenceEncoder
    entries: list[Entry]
    store: VectorStore


class LanguageModel:
    """Vectors and answers. The model computes in a thread of its own, so that the service answers meanwhile.

    A resource; it starts in 0.5 s when its index is there, else in one more.
    """

    def __init__(self, settings: NlpModelSettings, registry: CollectorRegistry) -> None:
        self.version = settings.version
        self._settings = settings
        self._defect = Defect(settings)
        self._loaded: _Loaded | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._batches: MicroBatcher[str, Matrix] = MicroBatcher(
            self._forward,
            max_batch=settings.max_batch,
            max_wait_seconds=settings.max_wait_seconds,
            max_waiting=settings.max_waiting,
        )
        self._sizes = Histogram(
            "nlp_batch_size", "Texts in a forward pass.", buckets=_BATCHES, registry=registry
        )
        self._durations = Histogram(
            "nlp_forward_seconds", "Time of a forward pass.", buckets=_SECONDS, registry=registry
        )

    async def start(self) -> None:
        """Load weights and index, and begin to take work."""
        if self._loaded is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
            loop = asyncio.get_running_loop()
            self._loaded = await loop.run_in_executor(self._thread, _load, self._settings)
        await self._batches.start()

    async def stop(self) -> None:
        """Take no more work, and let go of the thread; a forward pass under way ends first."""
        await self._batches.stop()
        thread, self._thread, self._loaded = self._thread, None, None
        if thread is not None:
            await asyncio.to_thread(thread.shutdown)

    async def check(self) -> None:
        """Raises Unavailable when it takes no work."""
        await self._batches.check()

    async def vector(self, text: str) -> Batched[Matrix]:
        """The vector of one text, made together with those of other callers."""
        batched = await self._batches.submit(text)
        return batched._replace(value=await self._defect.meet(batched.value))

    def answer(self, vector: Matrix) -> tuple[Match | None, float]:
        """The entry that a question's vector is near enough to, if any; and how near the nearest is."""
        loaded = self._ready()
        found = loaded.store.nearest(vector, 3)
        matches = [Match(loaded.entries[number], score) for number, score in found]
        return nearest(matches, self._settings.least_score), max((m.score for m in matches), default=-1.0)

    async def _forward(self, texts: Sequence[str]) -> Sequence[Matrix]:
        failpoint("nlp.forward")
        began = SYSTEM_CLOCK.monotonic()
        loop = asyncio.get_running_loop()
        vectors = await loop.run_in_executor(self._thread, self._ready().encoder.vectors, texts)
        self._durations.observe(SYSTEM_CLOCK.monotonic() - began)
        self._sizes.observe(len(texts))
        return list(vectors)

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise Unavailable("the model isn't loaded")
        return self._loaded


def _load(settings: NlpModelSettings) -> _Loaded:
    encoder = SentenceEncoder()
    entries = read_entries(settings.faq_file.read_text(encoding="utf-8"))
    texts = [text_of(entry, settings.version) for entry in entries]
    # The name is the content: another FAQ, another version, another model is another file.
    digest = hashlib.sha256("\n".join((MODEL, *texts)).encode()).hexdigest()[:16]
    file = settings.index_folder / f"{settings.version}-{digest}.usearch"
    return _Loaded(encoder, entries, VectorStore.opened(file, encoder.width, lambda: encoder.vectors(texts)))
