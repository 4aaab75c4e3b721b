"""The rule: what it is told, what it decides, and that a judgement which comes late isn't lost."""

import pytest

from workbook_lib.kit.canary import FAILED, SLOW, STANDARD, Comparison, Measure, Rule, Tally, Verdict


def test_the_thresholds_follow_from_the_error_rates_the_measures_and_the_slices() -> None:
    rule = Rule((FAILED, SLOW), false_alarm=0.001, missed=0.05, slices=3)
    assert (rule.worse_at, rule.no_worse_at) == (pytest.approx(6000), pytest.approx(20))
    assert Rule().measures == STANDARD


def test_harm_in_one_measure_is_enough_and_names_it() -> None:
    comparison = Comparison(Rule())
    while comparison.add(Tally(19), Tally(1, {"slow": 1})) == Verdict.UNDECIDED:
        assert comparison.canary.calls < 20
    assert (comparison.verdict, comparison.worse_in) == (Verdict.WORSE, "slow")


def test_no_harm_has_to_be_shown_in_every_measure() -> None:
    comparison = Comparison(Rule())
    while comparison.add(Tally(19), Tally(1)) == Verdict.UNDECIDED:
        assert comparison.canary.calls < 50
    assert comparison.verdict == Verdict.NO_WORSE
    assert all(no_worse >= 20 for _, no_worse in comparison.evidence.values())


def test_what_is_bad_about_both_alike_is_no_harm() -> None:
    """Half of all calls fail, at both: a dead database, say."""
    comparison = Comparison(Rule((FAILED,)))
    while comparison.add(Tally(20, {"failed": 10}), Tally(20, {"failed": 10})) == Verdict.UNDECIDED:
        assert comparison.canary.calls < 2000
    assert comparison.verdict == Verdict.NO_WORSE


def test_a_judgement_that_comes_after_its_call_counts_with_the_next_calls() -> None:
    late, early = Comparison(Rule((FAILED,))), Comparison(Rule((FAILED,)))
    late.add(Tally(5), Tally(1))
    late.add(Tally(), Tally(0, {"failed": 2}))
    late.add(Tally(5), Tally(2))
    early.add(Tally(5), Tally(1))
    early.add(Tally(5), Tally(2, {"failed": 2}))
    assert late.evidence == early.evidence


def test_looking_without_new_calls_changes_nothing() -> None:
    comparison = Comparison(Rule())
    comparison.add(Tally(5), Tally(1))
    before = comparison.evidence
    comparison.add(Tally(), Tally())
    assert comparison.evidence == before


@pytest.mark.parametrize(("tolerated", "harmful"), [(0.2, 0.1), (-0.1, 0.1), (0.1, 1)])
def test_a_measure_that_tolerates_more_than_it_calls_harmful_is_refused(tolerated: float, harmful: float):
    with pytest.raises(ValueError, match="tolerated < harmful"):
        Measure("odd", tolerated, harmful)


@pytest.mark.parametrize("wrong", [{"false_alarm": 0}, {"missed": 1}, {"slices": 0}, {"measures": ()}])
def test_a_rule_without_error_rates_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Rule(**wrong)  # type: ignore[arg-type]
