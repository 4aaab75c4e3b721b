"""Who answered when, drawn and as text."""

import pytest

from workbook_lib.lab import show
from workbook_lib.lab.traffic import LoadResult, Sample


def _load(*samples: Sample) -> LoadResult:
    return LoadResult("10 at a time", 2.0, tuple(samples), {})


def test_each_second_tells_how_many_of_each_version_answered_and_how_many_failed():
    old = [Sample(at / 10, 1.0, 200, "1.0") for at in range(15)]
    new = [Sample(1.5 + at / 10, 1.0, 200, "1.1") for at in range(5)]
    picture = show.rates(_load(*old, Sample(1.45, 1.0, 503, "1.0"), *new, Sample(2.1, 1.0, 200, "1.1")))
    assert repr(picture).splitlines() == [
        "22 requests, 1 failed",
        "  second 0: 10 1.0",
        "  second 1: 5 1.0, 5 1.1, 1 failed",
        "  second 2: 1 1.1",
    ]
    assert [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()] == [
        "1.0",
        "1.1",
        "failed",
    ]
    assert picture.png().startswith(b"\x89PNG")


def test_answers_without_a_label_are_one_layer():
    assert "second 0: 1 answered" in repr(show.rates(_load(Sample(0.1, 1.0, 200))))


def test_a_load_without_requests_is_refused():
    with pytest.raises(ValueError, match="nothing to draw"):
        show.rates(_load())
