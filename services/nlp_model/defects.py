"""What is wrong with a bad version, so that a canary has something to find; chapter 5.3.2."""

import random

import numpy as np

from services.nlp_model.bert import Matrix
from services.nlp_model.settings import NlpModelSettings
from workbook_lib.kit.clock import SYSTEM_CLOCK, Clock

__all__ = ["Defect"]


class Defect:
    """Slow, wrong or failing in a share of the calls, by a random sequence of each instance's own."""

    def __init__(self, settings: NlpModelSettings, clock: Clock = SYSTEM_CLOCK) -> None:
        self._kind = settings.defect
        self._share = settings.defect_share
        self._seconds = settings.defect_seconds
        self._clock = clock
        self._random = random.Random(settings.instance)  # noqa: S311 - the same in each run is the point

    async def meet(self, vector: Matrix) -> Matrix:
        """What becomes of one call's vector. Raises RuntimeError where it fails."""
        if self._kind == "none" or self._random.random() >= self._share:
            return vector
        if self._kind == "slow":
            await self._clock.sleep(self._seconds)
        elif self._kind == "wrong":
            # As when the index was made by another model than the one that reads the questions.
            return np.roll(vector, 1)
        else:
            raise RuntimeError("this version fails on purpose (setting defect)")
        return vector
