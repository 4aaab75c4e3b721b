"""The exercise of 5.3.1: let the model work on many questions together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from workbook_lib.lab import evidence
from workbook_lib.lab.exercises.check import Finding, exercise, no, yes
from workbook_lib.lab.lab import Lab

__all__ = ["full_batches"]

_QUESTIONS: Final = 16
_MOST_PASSES: Final = 4


@exercise("5.3.1", "Sixteen questions, a few forward passes")
async def full_batches(lab: Lab, ask: Callable[[], Awaitable[object]]) -> Finding:
    """Lets `ask` ask, and reads from the model's metrics how many texts it worked on, in how many passes."""
    passes_before, texts_before = await _counted(lab)
    await ask()
    passes_after, texts_after = await _counted(lab)
    passes, texts = passes_after - passes_before, texts_after - texts_before
    seen = f"{texts} texts in {passes} forward passes"
    if texts == 0:
        return no("No question has reached the model. Begin with one, then ask all sixteen.", evidence=seen)
    if texts < _QUESTIONS:
        return no(
            "Fewer texts have reached the model than there are questions. A text gets one vector, whatever "
            "is in it: what would that vector be near to?",
            evidence=seen,
        )
    if passes >= texts:
        return no(
            "The model has worked on every question alone. When it began with one, where was the next?",
            evidence=seen,
        )
    if passes > _MOST_PASSES:
        return no(
            "Some shared a pass, but the batches stayed small. How many questions were under way at once?",
            evidence=seen,
        )
    return yes(seen)


async def _counted(lab: Lab) -> tuple[int, int]:
    """Forward passes and texts, since the model was started."""
    url = f"{lab['nlp_model'].url}/metrics"
    passes = await evidence.metric(url, "nlp_batch_size_count")
    return int(passes), int(await evidence.metric(url, "nlp_batch_size_sum"))
