"""The language model as a resource: loaded once, asked by many at once."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Histogram

from services.nlp_model.defects import Defect
from services.nlp_model.domain import Entry, Match, nearest, read_entries, text_of
from services.nlp_model.process import ModelProcess, Reading, Task
from services.nlp_model.settings import NlpModelSettings
from workbook_lib.kit.batching import Batched, MicroBatcher
from workbook_lib.kit.clock import SYSTEM_CLOCK
from workbook_lib.kit.failpoints import failpoint

__all__ = ["LanguageModel"]

_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


class LanguageModel:
    """Vectors and answers; the model itself is in a process of its own.

    A resource; it starts in 0.6 s when its index is there, else in 1.3.
    """

    def __init__(self, settings: NlpModelSettings, registry: CollectorRegistry) -> None:
        self.version = settings.version
        self._least_score = settings.least_score
        self._defect = Defect(settings)
        self._entries = read_entries(settings.faq_file.read_text(encoding="utf-8"))
        self._process = ModelProcess(_task(settings, self._entries))
        self._batches: MicroBatcher[str, Reading] = MicroBatcher(
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
        await self._process.start()
        await self._batches.start()

    async def stop(self) -> None:
        """Take no more work, and end the model's process."""
        await self._batches.stop()
        await self._process.stop()

    async def check(self) -> None:
        """Raises Unavailable when it takes no work."""
        await self._batches.check()

    async def read(self, text: str) -> Batched[Reading]:
        """What the model makes of one text, together with those of other callers."""
        batched = await self._batches.submit(text)
        await self._defect.meet()
        return batched

    def answer(self, reading: Reading) -> tuple[Match | None, float]:
        """The entry that a question comes near enough to, if any; and how near the nearest is."""
        matches = [Match(self._entries[number], score) for number, score in reading.nearest]
        return nearest(matches, self._least_score), max((m.score for m in matches), default=-1.0)

    async def _forward(self, texts: Sequence[str]) -> Sequence[Reading]:
        failpoint("nlp.forward")
        began = SYSTEM_CLOCK.monotonic()
        readings = await self._process.read(texts)
        self._durations.observe(SYSTEM_CLOCK.monotonic() - began)
        self._sizes.observe(len(texts))
        return readings


def _task(settings: NlpModelSettings, entries: Sequence[Entry]) -> Task:
    return Task(
        texts=[text_of(entry, settings.version) for entry in entries],
        folder=str(settings.index_folder),
        wrong_share=settings.defect_share if settings.defect == "wrong" else 0.0,
        seed=settings.instance,
    )
