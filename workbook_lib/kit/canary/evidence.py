"""Evidence about two versions that may be looked at after each call: e-processes of two Bernoulli streams.

For a claim H0 about the shares (a of the baseline, b of the canary), each block of calls is a bet against it.
Before the block a pair p = (p_a, p_b) is guessed from earlier blocks; q is the pair in H0 nearest to it, by
Kullback-Leibler divergence weighted with the block's numbers of calls. The block's factor is the product,
over its calls, of the likelihood under p by that under q. Under every pair in H0 its expectation is at most
1: a call's expectation is linear in its share, the mean of the calls' logarithms is at most the logarithm of
their mean, and that is at most 0 since q is nearest and H0 is convex. So the product over blocks is a
supermartingale, and by Ville's inequality it ever reaches 1/alpha with probability alpha at most, however
often one looks.

Sources: Turner, Ly & Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for
optional stopping" (Journal of Statistical Planning and Inference 230, 2024); Ville, "Étude critique de la
notion de collectif" (1939).
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, Self

__all__ = ["Block", "Evidence", "factor", "nearest"]

CERTAINTY: Final = 1e-4
"""No share is guessed nearer to 0 or 1 than this: a bet that can be lost outright is never made up for."""
EDGE: Final = 1e-9
PRIOR_CALLS: Final = 2.0
STEPS: Final = 40


@dataclass(frozen=True)
class Block:
    """The calls that ended between two looks, and how many of them were bad."""

    baseline: int = 0
    baseline_bad: int = 0
    canary: int = 0
    canary_bad: int = 0

    def __add__(self, other: Self) -> Self:
        """Both together."""
        return type(self)(
            self.baseline + other.baseline,
            self.baseline_bad + other.baseline_bad,
            self.canary + other.canary,
            self.canary_bad + other.canary_bad,
        )


class Evidence:
    """How strongly the calls so far speak against the claim that `b - a` is at most (or at least) `margin`.

    `value` begins at 1. If the claim is true, it ever reaches 1/alpha with probability alpha at most.
    """

    def __init__(
        self, claim: Literal["at most", "at least"], margin: float, *, expected_excess: float
    ) -> None:
        self._claim = claim
        self._margin = margin
        self._excess = expected_excess
        self._seen = Block()
        self.log_value = 0.0

    @property
    def value(self) -> float:
        """The evidence; infinite beyond what a float holds."""
        return math.exp(self.log_value) if self.log_value < 700 else math.inf

    def add(self, block: Block) -> None:
        """Take in a block of calls."""
        guess = self._guess()
        self.log_value += factor(block, guess, nearest(block, guess, self._margin, self._claim))
        self._seen += block

    def _guess(self) -> tuple[float, float]:
        """The shares that the next block is expected to have, outside of the claim, from what was seen."""
        seen = self._seen
        if self._claim == "at least":  # the other side: both alike
            bad, calls = seen.baseline_bad + seen.canary_bad, seen.baseline + seen.canary
            both = _within((bad + 0.01) / (calls + PRIOR_CALLS))
            return both, both
        own = (seen.baseline_bad + 0.01) / (seen.baseline + PRIOR_CALLS)
        canary = (seen.canary_bad + PRIOR_CALLS * (own + self._excess)) / (seen.canary + PRIOR_CALLS)
        return _within(own), _within(max(canary, own + self._excess))


def factor(block: Block, guess: tuple[float, float], claimed: tuple[float, float]) -> float:
    """The logarithm of the block's likelihood by the guess over that by the claim."""
    (own, canary), (own_claimed, canary_claimed) = guess, claimed
    return (
        block.baseline_bad * math.log(own / own_claimed)
        + (block.baseline - block.baseline_bad) * math.log((1 - own) / (1 - own_claimed))
        + block.canary_bad * math.log(canary / canary_claimed)
        + (block.canary - block.canary_bad) * math.log((1 - canary) / (1 - canary_claimed))
    )


def nearest(
    block: Block, guess: tuple[float, float], margin: float, claim: Literal["at most", "at least"]
) -> tuple[float, float]:
    """The pair nearest to `guess` in the claim: itself, if it lies there, else one with `b - a = margin`."""
    own, canary = guess
    if (canary - own <= margin) if claim == "at most" else (canary - own >= margin):
        return guess
    low, high = EDGE, 1 - margin - EDGE
    for _ in range(STEPS):  # the divergence is convex along that line: halve to where its slope is 0
        share = (low + high) / 2
        slope = block.baseline * _slope(own, share) + block.canary * _slope(canary, share + margin)
        low, high = (share, high) if slope < 0 else (low, share)
    return low, low + margin


def _slope(guess: float, share: float) -> float:
    return (share - guess) / (share * (1 - share))


def _within(share: float) -> float:
    return min(max(share, CERTAINTY), 1 - CERTAINTY)
