"""What becomes of callers under overload (piled up, short-circuited, refused), drawn and as text."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from workbook_lib.kit.breaker import StateChange
from workbook_lib.lab.evidence import ProcessSample
from workbook_lib.lab.show import Picture, breaker_timeline, bursts, pile_up
from workbook_lib.lab.traffic import LoadResult, Sample, Scenario

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def load(*samples: Sample) -> LoadResult:
    return LoadResult("10 due a second", 10.0, tuple(samples), {})


def scenario(most: int = 40) -> Scenario:
    homes = [Sample(number / 10, 20.0, 200, "asked" if number < 50 else "fallback") for number in range(100)]
    users = [Sample(number / 5, 5.0, 0 if number > 40 else 200) for number in range(50)]
    held = [
        ProcessSample(at(second), 100_000_000 + second * 1_000_000, min(most, second * 10))
        for second in range(10)
    ]
    unheard = held[0]._replace(under_way=None)
    loads = {"homes": load(*homes), "users": load(*users)}
    return Scenario(
        BEGAN, loads, {"slow": 2.0, "well again": 7.0}, {"gateway": [unheard, *held], "users": held}
    )


def change(second: float, before: str, after: str) -> StateChange:
    return StateChange(name="recommendations", at=at(second), before=before, after=after, reason="told")


WALKED = [
    change(-3, "closed", "open"),
    change(-1, "open", "half-open"),
    change(-0.5, "half-open", "closed"),
    change(3, "closed", "open"),
    change(8, "open", "half-open"),
    change(8.1, "half-open", "closed"),
    change(30, "closed", "open"),
]
ANSWERED = [Sample(number / 100, 1.0, 200) for number in range(50)]
REFUSED = [Sample(0.3 + number / 100, 1.0, 429) for number in range(30)]

PICTURES = {
    "pile up": lambda: pile_up({"without": scenario(), "with": scenario(3)}, title="Slow for 5 s"),
    "breaker": lambda: breaker_timeline(WALKED, scenario(), "homes"),
    "bursts": lambda: bursts({"token bucket": load(*ANSWERED), "window": load(*ANSWERED, *REFUSED)}),
}


def texts(picture: Picture) -> list[str]:
    return [text.get_text() for axes in picture.figure.axes for text in axes.texts]


@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_not_blank_and_no_text_leaves_it(draw):
    picture = draw()
    pixels = imread(io.BytesIO(picture.png()))
    assert 0.01 < (pixels[..., :3].min(axis=2) < 0.95).mean() < 0.6
    inside = picture.figure.bbox.padded(1)
    renderer = picture.figure.canvas.get_renderer()
    for axes in picture.figure.axes:
        for text in axes.texts:
            box = text.get_window_extent(renderer)
            assert inside.contains(box.x0, box.y0), text.get_text()
            assert inside.contains(box.x1, box.y1), text.get_text()


def test_scenarios_beside_each_other_have_the_same_scales():
    figure = PICTURES["pile up"]().figure
    left, right = figure.axes[:4], figure.axes[4:]
    assert [axes.get_ylim() for axes in left] == [axes.get_ylim() for axes in right]
    assert [axes.get_xlim() for axes in left] == [axes.get_xlim() for axes in right]


def test_memory_is_drawn_as_what_it_has_grown_by_and_a_service_that_said_nothing_leaves_no_point():
    under_way, memory = pile_up({"": scenario()}).figure.axes[2:]
    assert memory.lines[0].get_ydata().max() == 9
    assert [len(line.get_xdata()) for line in under_way.lines[:2]] == [10, 10]
    assert under_way.lines[0].get_ydata().max() == 40


def test_the_piled_up_tell_themselves_as_text():
    lines = repr(pile_up({"without": scenario()})).splitlines()
    assert lines[0] == "without:"
    assert lines[2].startswith("  users: 50 requests")
    assert lines[-1] == "  users: at most 40 under way, +9 MB"


def test_a_breaker_is_shown_in_its_states_and_only_during_the_scenario():
    picture = breaker_timeline(WALKED, scenario(), "homes")
    band = picture.figure.axes[0]
    assert [patch.get_x() for patch in band.patches] == pytest.approx([0, 3, 8, 8.1])
    assert [patch.get_width() for patch in band.patches] == pytest.approx([3, 5, 0.1, 1.8])
    colours = [to_hex(patch.get_facecolor()) for patch in band.patches]
    assert colours[0] == colours[3]
    assert len(set(colours)) == 3
    named = [text.get_text() for text in band.texts]
    assert named == ["closed", "open", "closed", " slow", " well again"]  # no room for half-open's name
    legend = picture.figure.axes[1].get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["asked", "fallback"]
    assert "  3.00 s  closed -> open: told" in repr(picture)


def test_a_breaker_that_never_changed_was_closed_all_the_time():
    picture = breaker_timeline([], scenario(), "homes")
    assert [patch.get_width() for patch in picture.figure.axes[0].patches] == [9.9]
    assert repr(picture) == "the breaker has never changed its state"


def test_of_a_burst_answered_requests_point_up_and_refused_ones_down():
    picture = bursts({"bucket": load(*ANSWERED), "window": load(*ANSWERED, *REFUSED, Sample(0.2, 1.0, 503))})
    bucket, window = picture.figure.axes
    assert sum(bar.get_height() for bar in bucket.patches) == 50
    heights = [bar.get_height() for bar in window.patches]
    assert (sum(h for h in heights if h > 0), sum(h for h in heights if h < 0)) == (50, -30)
    assert repr(picture).splitlines() == [
        "bucket: 50 answered, 0 refused",
        "window: 50 answered, 30 refused, 1 failed otherwise",
    ]


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="nothing to draw"):
        pile_up({})
    with pytest.raises(ValueError, match="nothing to draw"):
        bursts({"bucket": load()})
    with pytest.raises(ValueError, match="nothing to draw"):
        breaker_timeline([], Scenario(BEGAN, {"homes": load()}, {}, {}), "homes")
