"""A flame graph shows a profile: width is time, callees below their callers; stacked bars show parts."""

import io

import pytest
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from tests.lab.evidence.test_profile import frame, profile
from workbook_lib.lab.show import Picture, flame_graph, stacked_bars

BUSY = frame(
    "<module>", 1.0, frame("run", 1.0, frame("handle", 0.7, frame("hash_password", 0.6)), frame("log", 0.2))
)


def boxes(picture: Picture) -> list[tuple[float, float, float]]:
    """Left, width and row of each."""
    patches = picture.figure.axes[0].patches
    return [(p.get_x(), p.get_width(), p.get_y()) for p in patches if isinstance(p, Rectangle)]


def labels(picture: Picture) -> list[str]:
    return [text.get_text() for text in picture.figure.axes[0].texts]


def test_a_callee_lies_below_its_caller_and_is_as_wide_as_its_time():
    found = [tuple(round(value, 3) for value in box) for box in boxes(flame_graph(profile(BUSY)))]
    assert found == [(0, 1, 0), (0, 0.7, 1), (0, 0.6, 2), (0.7, 0.2, 1)]


def test_the_stem_that_all_calls_share_is_left_out():
    assert labels(flame_graph(profile(BUSY))) == ["run", "handle", "hash_password", "log"]


def test_what_is_too_narrow_to_be_seen_is_not_drawn_and_long_names_are_cut():
    narrow = frame("run", 1.0, frame("f" * 200, 0.5), frame("seldom", 0.001))
    picture = flame_graph(profile(narrow))
    assert len(boxes(picture)) == 2
    assert labels(picture)[1].endswith("f…")


def test_no_label_leaves_its_box():
    picture = flame_graph(profile(BUSY), title="A title")
    renderer = picture.figure.canvas.get_renderer()
    axes = picture.figure.axes[0]
    for box, text in zip(axes.patches, axes.texts, strict=True):
        inner, outer = text.get_window_extent(renderer), box.get_window_extent(renderer)
        assert outer.x0 <= inner.x0
        assert inner.x1 <= outer.x1


def test_it_is_an_opaque_png_with_the_hot_spots_as_text():
    picture = flame_graph(profile(BUSY))
    pixels = imread(io.BytesIO(picture.png()))
    assert (pixels[..., 3] == 1).all()
    assert (pixels[..., :3].min(axis=2) < 0.95).mean() > 0.1
    assert repr(picture).splitlines()[:2] == ["1,000 samples in 1.0 s", " 60.0%  hash_password  a.py:1"]


def test_a_profile_without_samples_is_refused():
    with pytest.raises(ValueError, match="no samples"):
        flame_graph(profile(None))


def test_stacked_bars_put_each_part_after_the_one_before():
    picture = stacked_bars(
        {"order": {"handler": 300, "log": 20}, "nothing": {"handler": 50, "log": 20}}, unit="µs"
    )
    bars = [(p.get_x(), p.get_width()) for p in picture.figure.axes[0].patches if p.get_width()]
    assert bars == [(0, 300), (300, 20), (0, 50), (50, 20)]
    assert repr(picture).splitlines()[0] == "order: handler 300 µs, log 20 µs"
    assert "320 µs" in labels(picture)
    assert picture.png()


def test_a_part_below_zero_is_refused():
    with pytest.raises(ValueError, match="below zero"):
        stacked_bars({"a": {"b": -1.0}})
