"""The evidence keeps what it promises: exact expectations, and error rates however often one looks."""

import itertools
import math
import random

import pytest

from workbook_lib.kit.canary.evidence import Block, Evidence, factor, nearest

GUESSES = [(0.02, 0.12), (0.1, 0.7), (0.3, 0.31), (0.5, 0.05), (0.0001, 0.9999)]


@pytest.mark.parametrize("claim", ["at most", "at least"])
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.15])
@pytest.mark.parametrize("calls", [(1, 1), (5, 1), (0, 3), (4, 0), (6, 2)])
def test_no_pair_of_shares_in_the_claim_makes_a_blocks_factor_exceed_1_on_average(claim, margin, calls):
    """Every outcome of the block, weighted with its probability, for pairs all over the claim."""
    own_calls, canary_calls = calls
    outcomes = list(itertools.product(range(own_calls + 1), range(canary_calls + 1)))
    for guess in GUESSES:
        size = Block(own_calls, 0, canary_calls, 0)
        claimed = nearest(size, guess, margin, claim)
        factors = {
            outcome: math.exp(factor(Block(own_calls, outcome[0], canary_calls, outcome[1]), guess, claimed))
            for outcome in outcomes
        }
        for own, canary in itertools.product((0, 0.005, 0.05, 0.3, 0.7, 0.95, 1), repeat=2):
            if (canary - own <= margin) if claim == "at most" else (canary - own >= margin):
                mean = sum(
                    factors[bad, worse]
                    * (math.comb(own_calls, bad) * own**bad * (1 - own) ** (own_calls - bad))
                    * (
                        math.comb(canary_calls, worse)
                        * canary**worse
                        * (1 - canary) ** (canary_calls - worse)
                    )
                    for bad, worse in outcomes
                )
                assert mean <= 1 + 1e-6, (guess, own, canary)


def test_a_guess_inside_the_claim_is_its_own_nearest_and_proves_nothing():
    assert nearest(Block(5, 0, 5, 0), (0.2, 0.1), 0.01, "at most") == (0.2, 0.1)
    assert factor(Block(5, 1, 5, 4), (0.2, 0.1), (0.2, 0.1)) == 0


def test_looking_after_every_call_refutes_a_true_claim_no_more_often_than_promised():
    """200 canaries that are just as bad as is tolerated, 100 looks each, at 1 in 20."""
    chance = random.Random(5)
    refuted = 0
    for _ in range(200):
        evidence = Evidence("at most", 0.05, expected_excess=0.1)
        for _ in range(100):
            canary = chance.random() < 0.5
            bad = chance.random() < (0.15 if canary else 0.1)
            evidence.add(Block(0, 0, 1, bad) if canary else Block(1, bad, 0, 0))
            if evidence.value >= 20:
                refuted += 1
                break
    assert refuted <= 200 / 20


def test_a_canary_that_always_fails_is_found_out_in_a_handful_of_calls():
    evidence = Evidence("at most", 0.01, expected_excess=0.1)
    failures = 0
    while evidence.value < 6000:
        failures += 1
        evidence.add(Block(19, 0, 1, 1))
    assert failures <= 6


def test_evidence_never_overflows():
    evidence = Evidence("at most", 0.01, expected_excess=0.1)
    for _ in range(100):
        evidence.add(Block(100, 0, 100, 100))
    assert evidence.value == math.inf
