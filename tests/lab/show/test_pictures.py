"""Pictures show what they were given, as sharp PNGs with an opaque background, and as text."""

import io

import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread
from matplotlib.patches import FancyArrowPatch

from tests.lab.recorded import Recording, order_placed
from tests.lab.show.test_states import WALKED
from workbook_lib.lab.evidence import Edge
from workbook_lib.lab.show import Picture, bars, latency_histogram, service_map, states, timeline, waterfall
from workbook_lib.lab.show.shapes import wrapped
from workbook_lib.lab.traffic import LoadResult, Sample


def texts(picture: Picture) -> list[str]:
    found = [text.get_text() for text in picture.figure.texts]
    for axes in picture.figure.axes:
        found += [text.get_text() for text in axes.texts]
    return found


def load(*latencies: float, failed_at: tuple[float, ...] = ()) -> LoadResult:
    good = [Sample(index / 10, latency, 200) for index, latency in enumerate(latencies)]
    bad = [Sample(at, 0.1, 0) for at in failed_at]
    return LoadResult("10 at a time", 1.0, tuple(sorted(good + bad)), {})


PICTURES = {
    "waterfall": lambda: waterfall(order_placed()),
    "service map": lambda: service_map(order_placed(), title="One request"),
    "latency histogram": lambda: latency_histogram({"a": load(1, 2, 3), "b": load(2, 300)}),
    "timeline": lambda: timeline(load(*range(1, 20), failed_at=(0.55,)), marks={"killed": 0.5}),
    "states": lambda: states(WALKED, title="Twelve orders"),
    "bars": lambda: bars({"task": 1.0, "thread": 16.0}, unit="KiB", title="Memory"),
}


@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_a_sharp_png_that_is_not_blank_and_not_transparent(draw):
    png, shown = draw()._repr_png_()
    pixels = imread(io.BytesIO(png))
    assert 300 <= shown["width"] <= 900
    assert pixels.shape[1] >= 1.9 * shown["width"]
    assert (pixels[..., 3] == 1).all()
    share_of_ink = (pixels[..., :3].min(axis=2) < 0.95).mean()
    assert 0.01 < share_of_ink < 0.6


@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
def test_no_text_leaves_the_picture(draw):
    figure = draw().figure
    renderer = figure.canvas.get_renderer()
    inside = figure.bbox.padded(1)
    for axes in figure.axes:
        for text in axes.texts:
            box = text.get_window_extent(renderer)
            assert inside.contains(box.x0, box.y0), text.get_text()
            assert inside.contains(box.x1, box.y1), text.get_text()


def test_a_picture_is_saved_as_png(tmp_path):
    path = bars({"a": 1.0}).save(tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_waterfall_has_a_bar_a_span_at_its_time():
    trace = order_placed()
    picture = waterfall(trace)
    bars_drawn = [patch for patch in picture.figure.axes[1].patches if patch.get_zorder() == 3]
    spans = [span for _, span in trace.walk()]
    assert [bar.get_x() for bar in bars_drawn] == pytest.approx([trace.offset_ms(span) for span in spans])
    assert [bar.get_width() for bar in bars_drawn] == pytest.approx([span.duration_ms for span in spans])


def test_the_waterfall_gives_each_service_its_colour_and_tells_protocols_and_failures():
    trace = order_placed()
    picture = waterfall(trace)
    legend = picture.figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()][:-1] == trace.services
    colours = {to_hex(patch.get_facecolor()) for patch in legend.get_patches()}
    assert len(colours) == len(trace.services) + 1
    found = texts(picture)
    assert [found.count(badge) for badge in ("HTTP", "gRPC", "Redis", "Kafka", "SQL")] == [3, 4, 2, 2, 5]
    assert "INSERT audit_log.db  ✕" in found
    assert "OrderService/PlaceOrder" in found
    assert "600 µs" in found
    assert "44.0 ms" in found[1]


def test_the_waterfall_as_text_is_the_tree():
    trace = order_placed()
    assert repr(waterfall(trace)).splitlines() == [
        f"trace {trace.id}: 16 spans, 5 services, 44.0 ms",
        *trace.tree().splitlines(),
    ]


def test_a_trace_of_one_instant_is_drawn():
    made = Recording()
    made.span("a", "x", "internal", (0, 0))
    assert waterfall(made.trace()).png()


def test_the_map_has_a_node_a_party_and_an_arrow_a_pair():
    picture = service_map(order_placed())
    found = texts(picture)
    for name in (
        "gateway",
        "user-service",
        "order-service",
        "inventory-\nservice",
        "audit-log",
        "redis",
        "orders.db",
    ):
        assert name in found
    assert (found.count("database"), found.count("cache"), found.count("topic")) == (4, 1, 1)
    arrows = [p for p in picture.figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert len(arrows) == 10
    assert "Redis \N{MULTIPLICATION SIGN}2" in found
    assert "SQL \N{MULTIPLICATION SIGN}1\n1 failed" in found
    assert repr(picture).splitlines()[1] == "user-service -> redis  Redis \N{MULTIPLICATION SIGN}2"


def test_messages_are_dashed_and_calls_are_not():
    picture = service_map([Edge("a", "t", "kafka", callee_kind="topic"), Edge("a", "b", "grpc")])
    arrows = [p for p in picture.figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    assert [arrow.get_linestyle() != "-" for arrow in arrows] == [True, False]
    assert "message: goes on" in texts(picture)


def test_two_protocols_between_a_pair_share_an_arrow():
    picture = service_map([Edge("a", "b", "grpc", 2), Edge("a", "b", "http", 1200)])
    assert "gRPC \N{MULTIPLICATION SIGN}2\nHTTP \N{MULTIPLICATION SIGN}1,200" in texts(picture)


def test_a_map_is_drawn_from_traces_too_and_without_any_call():
    assert "HTTP \N{MULTIPLICATION SIGN}2" in texts(service_map([order_placed(), order_placed()]))
    assert repr(service_map([])) == "no calls"
    assert service_map([]).png()


def test_the_same_services_have_the_same_colours_in_map_and_waterfall():
    trace = order_placed()
    legend = waterfall(trace).figure.legends[0]
    of_waterfall = {to_hex(patch.get_facecolor()) for patch in legend.get_patches()[:-1]}
    of_map = {to_hex(patch.get_facecolor()) for patch in service_map(trace).figure.axes[0].patches}
    assert of_waterfall <= of_map


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("gateway", "gateway"),
        ("inventory-service", "inventory-\nservice"),
        ("127.0.0.1:8500", "127.0.0.1:\n8500"),
        ("unbreakablyLongName", "unbreakablyLongName"),
        ("", ""),
    ],
)
def test_long_names_are_broken_after_their_own_marks(name, lines):
    assert wrapped(name) == lines


def test_the_histogram_marks_exact_percentiles():
    picture = latency_histogram({"fast": load(*range(1, 101)), "slow": load(200)})
    found = texts(picture)
    for mark in ("p50  50 ms", "p95  95 ms", "p99  99 ms", "p99  200 ms"):
        assert mark in found
    assert repr(picture).splitlines()[0].startswith("fast: 100 requests, 10 at a time, in 1.0 s")
    assert sum(bar.get_height() for bar in picture.figure.axes[0].patches) == 100


@pytest.mark.parametrize(("latencies", "scale"), [((10, 12, 15), "linear"), ((1, 100), "log")])
def test_the_histogram_is_logarithmic_when_latencies_span_much(latencies, scale):
    assert latency_histogram({"a": load(*latencies)}).figure.axes[0].get_xscale() == scale


def test_a_histogram_of_failures_alone_is_refused():
    with pytest.raises(ValueError, match="no successful request"):
        latency_histogram({"a": load(failed_at=(0.1,))})


def test_the_timeline_separates_failed_requests_and_names_moments():
    picture = timeline(load(1, 2, 3, failed_at=(0.15, 1.2)), marks={"instance killed": 0.1})
    axes = picture.figure.axes[0]
    assert [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "|"] == [[0.15, 1.2]]
    assert len(axes.collections[0].get_offsets()) == 3
    assert " instance killed" in texts(picture)
    assert repr(picture).splitlines()[1:] == [
        "  second 0: 4 requests, 1 failed",
        "  second 1: 1 requests, 1 failed",
    ]


def test_timelines_stand_below_one_another_and_one_of_failures_alone_is_drawn():
    picture = timeline({"one": load(1, 2), "other": load(failed_at=(0.1,))})
    assert len(picture.figure.axes) == 2
    assert picture.png()


def test_bars_tell_their_values():
    picture = bars({"task": 1.25, "thread": 1600.0}, unit="KiB")
    assert repr(picture).splitlines() == [
        "task     1.25 KiB  ",
        f"thread  1,600 KiB  {'#' * 40}",
    ]
    assert {"1.25 KiB", "1,600 KiB"} <= set(texts(picture))
    assert bars({"a": 1, "b": 1000}, logarithmic=True).figure.axes[0].get_xscale() == "log"
