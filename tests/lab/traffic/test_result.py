"""The figures of a load are exact."""

import math

import pytest

from workbook_lib.lab.traffic import LoadResult, Sample


def load(*latencies: float, failed: int = 0) -> LoadResult:
    good = [Sample(index / 10, latency, 200) for index, latency in enumerate(latencies)]
    bad = [Sample(9.0, 0.1, 503) for _ in range(failed)]
    return LoadResult(
        "10 at a time", 2.0, tuple(good + bad), {"503 Service Unavailable": failed} if failed else {}
    )


@pytest.mark.parametrize(
    ("percent", "latency"), [(1, 1), (50, 50), (50.5, 51), (95, 95), (99, 99), (100, 100)]
)
def test_a_percentile_is_the_nearest_rank(percent, latency):
    assert load(*range(100, 0, -1)).percentile(percent) == latency


def test_the_percentile_of_one_request_is_that_request():
    assert [load(7.5).percentile(percent) for percent in (1, 50, 100)] == [7.5] * 3


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_a_percentile_out_of_range_is_refused(percent):
    with pytest.raises(ValueError, match="above 0 and up to 100"):
        load(1).percentile(percent)


def test_failures_count_apart_and_do_not_flatter_latencies():
    result = load(10, 20, failed=2)
    assert (result.requests, result.failures, result.latencies_ms) == (4, 2, [10, 20])
    assert (result.mean_ms, result.percentile(50), result.throughput) == (15, 10, 1.0)
    assert result.statuses == {200: 2, 503: 2}


def test_without_a_success_there_is_no_latency():
    result = load(failed=1)
    assert math.isnan(result.mean_ms)
    assert math.isnan(result.percentile(50))
    assert "latency" not in repr(result)


def test_a_result_reads_as_a_sentence():
    assert repr(load(10, 20, failed=2)) == (
        "4 requests, 10 at a time, in 2.0 s: 1.0/s, 2 failures, latency ms p50 10.0, p95 20.0, p99 20.0, "
        "failed: 2 x 503 Service Unavailable"
    )


def test_the_summary_is_the_row_of_a_table():
    assert load(10, 20).summary() == {
        "requests": 2,
        "failures": 0,
        "requests/s": 1.0,
        "p50 ms": 10,
        "p95 ms": 20,
        "p99 ms": 20,
    }


def test_the_timeline_is_ordered_by_start():
    columns = {"start_seconds": [0.2, 0.1], "latency_ms": [1.0, 2.0], "status": [200, 0]}
    result = LoadResult.from_wire("", {**columns, "seconds": 1.0, "reasons": {"timeout": 1}})
    assert result.timeline == (Sample(0.1, 2.0, 0), Sample(0.2, 1.0, 200))
    assert [sample.ok for sample in result.timeline] == [False, True]


def test_samples_keep_the_label_that_their_answers_carried():
    wire = {"start_seconds": [0.2, 0.1], "latency_ms": [1.0, 2.0], "status": [200, 200], "label": ["b", "a"]}
    result = LoadResult.from_wire("one", {**wire, "seconds": 1.0, "reasons": {}})
    assert [sample.label for sample in result.timeline] == ["a", "b"]
