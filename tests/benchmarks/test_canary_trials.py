"""Live rollouts of versions that are told to be good or bad end as they must."""

import pytest

from benchmarks.canary_trials import BAD, GOOD, USUAL, Trials
from workbook_lib.lab import Lab

pytestmark = [pytest.mark.alone, pytest.mark.server]


@pytest.mark.timeout(240)
async def test_good_versions_get_all_calls_and_bad_ones_come_back_with_a_quarter_at_most(tmp_path):
    """The same two processes try one after another; one that has died is started again."""
    assert USUAL in GOOD.values()
    async with Lab("canary-trials", root=tmp_path) as lab, Trials(lab) as trials:
        for name in ("dies at one in ten", "failing", "wrong in a third"):
            bad = await trials.one(BAD[name], seed=1)
            assert not bad.rollout.promoted, name
            assert bad.rollout.reached <= 25, name
            assert 0 < bad.its_calls < bad.calls
        for seed in (1, 2):  # one version alone may be held up by what else the machine does
            good = await trials.one(USUAL, seed=seed)
            if good.rollout.promoted:
                break
        assert good.rollout.promoted, good.rollout.reason
        assert good.its_calls < good.calls
