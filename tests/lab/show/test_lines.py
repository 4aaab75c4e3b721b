"""Curves are drawn one a series, and say their range as text."""

from datetime import UTC, datetime, timedelta

import pytest

from workbook_lib.lab.evidence import Series
from workbook_lib.lab.show import curves

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def _series(name, *values):
    points = ((START + timedelta(seconds=second), value) for second, value in enumerate(values))
    return Series({"service": name}, tuple(points))


def test_each_series_is_a_line_named_by_its_label():
    picture = curves([_series("users", 1, 3, 2), _series("orders", 5)], label="service", unit="/s")
    axes = picture.figure.axes[0]
    assert [line.get_label() for line in axes.lines] == ["users", "orders"]
    assert list(axes.lines[0].get_xdata()) == [0, 1, 2]
    assert picture.text.splitlines() == [
        "users   from 1 to 3 /s, last 2, 3 points",
        "orders  from 5 to 5 /s, last 5, 1 points",
    ]
    assert picture.png().startswith(b"\x89PNG")


def test_what_is_no_number_is_left_out():
    picture = curves([_series("users", 1, float("nan"), 3), _series("idle", float("nan"))], label="service")
    assert picture.text == "users  from 1 to 3, last 3, 2 points"


def test_moments_within_the_range_are_marked():
    marks = {"killed": START + timedelta(seconds=1), "before all": START - timedelta(seconds=9)}
    axes = curves([_series("users", 1, 2, 3)], label="service", marks=marks).figure.axes[0]
    assert [text.get_text().strip() for text in axes.texts] == ["killed"]


@pytest.mark.parametrize("name", ["users", "recommendations", "a-service-with-quite-a-long-name"])
def test_the_names_of_lines_fit_beside_them(name):
    figure = curves([_series(name, 1, 2, 3)], label="service").figure
    figure.canvas.draw()
    legend = figure.axes[0].get_legend().get_window_extent()
    assert legend.x1 <= figure.bbox.x1


def test_without_a_point_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="found no series"):
        curves([Series({}, ())], label="service")
