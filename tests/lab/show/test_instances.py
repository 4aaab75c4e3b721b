"""The picture of a service's instances tells in text what it draws."""

from datetime import UTC, datetime, timedelta

import pytest

from workbook_lib.lab.evidence import InstanceSample
from workbook_lib.lab.show import instances

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


SAMPLES = [
    InstanceSample(at(0), {"a": "passing", "b": "passing"}),
    InstanceSample(at(2), {"a": "passing", "b": "critical"}),
    InstanceSample(at(5), {"a": "passing"}),
]


def test_each_instance_has_a_row_of_stretches_and_each_mark_its_moment():
    drawn = instances(SAMPLES, marks={"killed": at(1.5)}, until=at(8), title="user-service")
    assert repr(drawn).splitlines() == [
        "a: passing 0.0-8.0 s",
        "b: passing 0.0-2.0 s, critical 2.0-5.0 s, not registered 5.0-8.0 s",
        "at 1.5 s: killed",
    ]
    axes = drawn.figure.axes[0]
    assert len([bar for bar in axes.patches if bar.get_width()]) == 4
    assert [text.get_text().strip() for text in axes.texts] == ["killed"]
    assert drawn.png().startswith(b"\x89PNG")


def test_without_a_sample_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="a sample"):
        instances([])
