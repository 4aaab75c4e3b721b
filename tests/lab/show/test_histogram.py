"""A histogram tells in text what it draws."""

import pytest

from workbook_lib.lab.show import histogram


def test_values_are_summed_up_and_compared_with_the_marks():
    drawn = histogram([0.9, 0.1, 0.5], title="Gone after", marks={"one interval": 1.0})
    assert repr(drawn).splitlines() == [
        "3 measured: least 0.1 s, median 0.5 s, most 0.9 s",
        "one interval: 1 s",
    ]
    assert sum(bar.get_height() for bar in drawn.figure.axes[0].patches) == 3
    assert drawn.png().startswith(b"\x89PNG")


def test_nothing_measured_is_an_error():
    with pytest.raises(ValueError, match="nothing"):
        histogram([])
