"""Several figures side by side."""

import pytest

from workbook_lib.lab import show


def test_each_figure_has_a_panel_and_a_line_of_text():
    shown = show.panels(
        {"services": {"before": 1, "after": 47}, "minutes": {"before": 45, "after": 6}}, title="Growth"
    )
    assert repr(shown) == "services: before 1, after 47\nminutes: before 45, after 6"
    assert shown.png().startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [0, 5])
def test_what_has_no_room_is_refused(count):
    with pytest.raises(ValueError, match=f"{count} panels"):
        show.panels({str(number): {"a": 1.0} for number in range(count)})
