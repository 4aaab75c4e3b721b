"""Who reads which partition is drawn a row a partition, and told as text."""

from datetime import UTC, datetime, timedelta

import pytest

from workbook_lib.lab import show
from workbook_lib.lab.evidence import GroupSample

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def _sample(second, owners):
    return GroupSample(START + timedelta(seconds=second), "Stable", owners, {0: 0, 1: 0})


def test_a_partition_has_a_stretch_for_each_reader_and_one_for_nobody():
    samples = [
        _sample(0, {0: "one", 1: "two"}),
        _sample(1, {0: "one", 1: "two"}),
        _sample(2, {}),
        _sample(3, {0: "one", 1: "one"}),
        _sample(4, {0: "one", 1: "one"}),
    ]
    picture = show.assignment(samples, marks={"two killed": START + timedelta(seconds=0.5)}, title="readers")
    assert picture.text.splitlines() == [
        "partition 0: one 0.0-2.0 s, nobody 2.0-3.0 s, one 3.0-4.0 s",
        "partition 1: two 0.0-2.0 s, nobody 2.0-3.0 s, one 3.0-4.0 s",
        "at 0.5 s: two killed",
    ]
    figure = picture.figure
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
    bars = [bar for bar in figure.axes[0].patches if bar.get_width()]
    assert len(bars) == 6
    assert [text.get_text().strip() for text in figure.axes[0].texts] == ["two killed"]
    assert picture.png().startswith(b"\x89PNG")


def test_a_mark_outside_the_time_drawn_is_left_out_of_the_picture():
    samples = [_sample(0, {0: "one"}), _sample(2, {0: "one"})]
    picture = show.assignment(samples, marks={"later": START + timedelta(seconds=9)})
    assert list(picture.figure.axes[0].texts) == []


def test_one_sample_is_no_time():
    with pytest.raises(ValueError, match="two samples"):
        show.assignment([_sample(0, {})])
