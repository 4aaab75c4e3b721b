"""What is wrong with a bad version, so that a canary has something to find; chapter 5.3.2."""

import random

from services.nlp_model.settings import NlpModelSettings
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock

__all__ = ["Defect"]


class Defect:
    """Slow or failing in a share of the calls, by a random sequence of each instance's own.

    The third, wrong, is in what the model reads: services/nlp_model/worker.py.
    """

    def __init__(self, settings: NlpModelSettings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._kind = settings.defect
        self._share = settings.defect_share
        self._seconds = settings.defect_seconds
        self._clock = clock
        self._random = random.Random(settings.instance)  # noqa: S311 - the same in each run is the point

    async def meet(self) -> None:
        """Hold one call up, or let it pass. Raises RuntimeError where it fails."""
        if self._kind not in ("slow", "failing") or self._random.random() >= self._share:
            return
        if self._kind == "failing":
            raise RuntimeError("this version fails on purpose (setting defect)")
        await self._clock.sleep(self._seconds)
