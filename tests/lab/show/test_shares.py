"""A canary's shares, drawn and as text, from answers that are known."""

import pytest

from workbook_lib.kit.canary import Look, Rollout, Rule, Tally, Verdict
from workbook_lib.kit.clock import ManualClock
from workbook_lib.lab import show
from workbook_lib.lab.canary import Share, Trial
from workbook_lib.lab.show.shares import wilson
from workbook_lib.lab.traffic import LoadResult, Sample


def _trial(*, promoted: bool) -> Trial:
    """Twenty answers a second for three seconds: 5 % for a second, 50 % for a second, then the decision."""
    rollout = Rollout(None, None, Rule(), clock=ManualClock())  # type: ignore[arg-type]
    rollout.promoted, rollout.reason = promoted, "" if promoted else "worse: slow"
    rollout.looks += [
        Look(seconds, percent, Tally(), Tally(), {}, Verdict.UNDECIDED)
        for seconds, percent in ((0.0, 5), (0.5, 5), (1.0, 50), (1.5, 50))
    ]
    labels = ["v1"] * 19 + ["v2"] + ["v1", "v2"] * 10 + (["v2"] if promoted else ["v1"]) * 20
    samples = [Sample(number / 20, 1.0, 200, label) for number, label in enumerate(labels)]
    return Trial(rollout, LoadResult("by customers", 3.0, tuple(samples), {}), "v2", 2.0, 2.3)


def test_each_slice_has_its_share_of_the_answers_without_those_of_the_moment_of_change():
    shares = _trial(promoted=True).shares
    assert shares == [Share(5, 14, 1), Share(50, 14, 7), Share(100, 14, 14)]
    assert shares[1].measured == 50
    assert Share(5, 0, 0).measured == 0


def test_the_picture_says_what_was_wanted_what_was_measured_and_how_it_ended():
    picture = show.shares({"good": _trial(promoted=True), "bad": _trial(promoted=False)})
    assert repr(picture).splitlines() == [
        "good: all calls",
        "  wanted 5 %: 1 of 14 answers, 7.1 %",
        "  wanted 50 %: 7 of 14 answers, 50.0 %",
        "  wanted 100 %: 14 of 14 answers, 100.0 %",
        "bad: taken back, worse: slow",
        "  wanted 5 %: 1 of 14 answers, 7.1 %",
        "  wanted 50 %: 7 of 14 answers, 50.0 %",
        "  wanted 0 %: 0 of 14 answers, 0.0 %",
    ]
    texts = [text.get_text() for axes in picture.figure.axes for text in axes.texts]
    assert texts == ["good", "all calls", "bad", "taken back: worse: slow"]
    assert picture.png().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("part", "total", "low", "high"), [(0, 0, 0, 1), (0, 10, 0, 0.278), (5, 10, 0.237, 0.763)]
)
def test_wilsons_interval_is_as_tables_have_it(part, total, low, high):
    assert wilson(part, total) == (pytest.approx(low, abs=0.001), pytest.approx(high, abs=0.001))
