"""A collector's pipelines are drawn from its configuration, and said as text."""

from workbook_lib.lab.collector import Pipeline
from workbook_lib.lab.show import pipelines

CONFIGURED = [
    Pipeline("traces", ("otlp", "jaeger"), ("filter", "tail_sampling"), ("store", "spanmetrics")),
    Pipeline("metrics", ("spanmetrics",), (), ("prometheus",)),
]


def test_every_part_is_there_and_a_connector_joins_two_pipelines():
    picture = pipelines(CONFIGURED, title="What it does")
    (axes,) = picture.figure.axes
    shown = [text.get_text() for text in axes.texts]
    for name in ("otlp", "jaeger", "filter", "tail_sampling", "store", "prometheus", "traces", "metrics"):
        assert shown.count(name) == 1
    assert shown.count("spanmetrics") == 2
    assert shown.count("connector") == 1
    assert "What it does" in shown
    assert picture.png().startswith(b"\x89PNG")


def test_as_text_each_pipeline_is_a_line():
    assert pipelines(CONFIGURED).text.splitlines() == [
        "traces: otlp, jaeger -> filter -> tail_sampling -> store, spanmetrics",
        "metrics: spanmetrics -> prometheus",
    ]
