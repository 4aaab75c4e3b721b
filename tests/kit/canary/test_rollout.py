"""The rollout, its real rule, and a clock that tests move: good versions arrive, bad ones come back."""

import asyncio
from collections.abc import Mapping
from random import Random

import pytest

from tests.kit.canary.simulated import Shop
from workbook_lib.kit.canary import FAILED, SLOW, WRONG, Rollout, Rule, Tally
from workbook_lib.kit.clock import ManualClock
from workbook_lib.kit.errors import Unavailable

RULE = Rule((FAILED, SLOW, WRONG))
USUAL = {"failed": 0.003, "slow": 0.01, "wrong": 0.05}
BAD = [
    {"slow": 1.0},
    {"slow": 0.3},
    {"wrong": 0.9},
    {"wrong": 0.3},
    {"failed": 1.0},
    {"failed": 0.25},
]


def shop(seed: int, changed: Mapping[str, float], gone_after: int | None = None) -> Shop:
    odds = {"v1": USUAL, "v2": {**USUAL, **changed}}
    return Shop(Random(seed), ManualClock(), odds, gone_after)


async def rolled_out(shop: Shop, **options: float) -> Rollout:
    """The rollout after it has come to its end, whenever that is on the shop's clock."""
    rollout = Rollout(shop, shop.tallies, RULE, clock=shop.clock, **options)
    running = asyncio.create_task(rollout.run())
    while not running.done():
        await shop.clock.advance(0.25)
    await running
    return rollout


@pytest.mark.parametrize("seed", range(30))
async def test_a_good_version_is_never_taken_back_and_gets_all_calls(seed):
    """Some of the thirty are better than the baseline, some are worse by half of what is tolerated."""
    changed = [{}, {"wrong": 0.02}, {"failed": 0.008, "slow": 0.02, "wrong": 0.06}][seed % 3]
    tried = shop(seed, changed)
    rollout = await rolled_out(tried)
    assert rollout.promoted, rollout.reason
    assert tried.shares == [5, 25, 50, 100]
    assert tried.reasons == []


@pytest.mark.parametrize("seed", range(30))
async def test_a_bad_version_is_taken_back_before_it_gets_more_than_a_quarter(seed):
    """Slow, wrong, failing, each outright and in part, and processes that die."""
    dies = seed % 7 == 6
    tried = shop(seed, {} if dies else BAD[seed % 7], gone_after=10 if dies else None)
    rollout = await rolled_out(tried)
    assert not rollout.promoted
    assert rollout.reached <= 25
    assert (tried.percent, len(tried.reasons)) == (0, 1)
    expected = {"failed", "gone"} if dies else set(BAD[seed % 7])
    assert any(way in rollout.reason for way in expected)


async def test_a_version_of_which_no_instance_can_be_called_is_taken_back_on_that_alone():
    tried = shop(1, {})

    async def soon_nobody() -> bool:
        return tried.clock.monotonic() == 0

    tried.keep = soon_nobody
    rollout = await rolled_out(tried, gone_seconds=1)
    assert rollout.reason == "gone: no instance passes its check"
    assert rollout.looks[-1].seconds == 1
    assert tried.shares == [5]


async def test_without_calls_nothing_is_decided_and_doubt_takes_the_canary_back():
    quiet = shop(1, {})

    async def nothing() -> Mapping[str, Tally]:
        return {}

    rollout = Rollout(quiet, nothing, RULE, patience_seconds=10, clock=quiet.clock)
    running = asyncio.create_task(rollout.run())
    await quiet.clock.advance(11)
    assert await running is False
    assert rollout.reason == "undecided after 10 s and 0 of its calls at 5 %"
    assert quiet.reasons == [rollout.reason]


async def test_a_look_that_fails_is_made_up_for_by_the_next():
    tried = shop(3, {})
    told = tried.tallies
    looks = 0

    async def sometimes() -> Mapping[str, Tally]:
        nonlocal looks
        looks += 1
        if looks % 3 == 0:
            raise Unavailable("the caller doesn't answer")
        return await told()

    tried.tallies = sometimes
    rollout = await rolled_out(tried)
    assert rollout.promoted


async def test_a_controller_that_is_cancelled_takes_the_canary_back():
    tried = shop(1, {})
    rollout = Rollout(tried, tried.tallies, RULE, clock=tried.clock)
    running = asyncio.create_task(rollout.run())
    await tried.clock.advance(1)
    assert tried.percent == 5
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (tried.percent, rollout.promoted) == (0, False)


async def test_the_looks_tell_each_slice_its_calls_and_its_evidence():
    tried = shop(2, {})
    rollout = await rolled_out(tried)
    last = {look.percent: look for look in rollout.looks}
    assert list(last) == [5, 25, 50]
    for percent, look in last.items():
        calls = look.baseline.calls + look.canary.calls
        assert abs(look.canary.calls / calls - percent / 100) < 0.15
        assert all(no_worse >= RULE.no_worse_at for _, no_worse in look.evidence.values())
    assert [look.seconds for look in rollout.looks] == sorted(look.seconds for look in rollout.looks)


def test_more_slices_than_the_rule_shares_its_errors_among_are_refused():
    with pytest.raises(ValueError, match="3 slices"):
        Rollout(shop(1, {}), shop(1, {}).tallies, RULE, slices=(1, 5, 25, 50))
