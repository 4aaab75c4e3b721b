"""What Prometheus answers, and what is said when it can't."""

from datetime import UTC, datetime

import pytest
from aiohttp import web

from workbook_lib.lab.evidence import EvidenceError, Prometheus, Reading


@pytest.fixture
async def asked():
    """A query API whose answers a test sets by path; returns it, its address and what was asked."""
    answers: dict[str, web.Response] = {}
    questions: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        questions.append({key: str(value) for key, value in (await request.post()).items()})
        return answers[request.path]

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield Prometheus(f"http://{host}:{port}/"), answers, questions
    await runner.cleanup()


def _success(kind, result):
    return web.json_response({"status": "success", "data": {"resultType": kind, "result": result}})


async def test_a_vector_is_a_reading_a_series(asked):
    prometheus, answers, _ = asked
    result = [
        {"metric": {"__name__": "up", "instance": "a"}, "value": [1795493114.1, "1"]},
        {"metric": {"__name__": "up", "instance": "b"}, "value": [1795493114.1, "0"]},
    ]
    answers["/api/v1/query"] = _success("vector", result)
    assert await prometheus.query("up") == [
        Reading({"__name__": "up", "instance": "a"}, 1.0),
        Reading({"__name__": "up", "instance": "b"}, 0.0),
    ]


async def test_a_value_is_the_sum_and_nothing_is_zero(asked):
    prometheus, answers, _ = asked
    series = [{"metric": {}, "value": [0, "1.5"]}, {"metric": {}, "value": [0, "2"]}]
    answers["/api/v1/query"] = _success("vector", series)
    assert await prometheus.value("x") == 3.5
    answers["/api/v1/query"] = _success("vector", [])
    assert await prometheus.value("x") == 0


async def test_a_scalar_is_one_reading_without_labels(asked):
    prometheus, answers, _ = asked
    answers["/api/v1/query"] = _success("scalar", [1795493114.1, "42"])
    assert await prometheus.query("42") == [Reading({}, 42.0)]


async def test_a_range_is_values_by_time(asked):
    prometheus, answers, questions = asked
    points = [[1795493114, "1"], [1795493115.5, "NaN"]]
    answers["/api/v1/query_range"] = _success("matrix", [{"metric": {"service": "users"}, "values": points}])
    (series,) = await prometheus.query_range("rate(x[5s])", seconds=60, step_seconds=0.5)
    assert series.labels == {"service": "users"}
    assert series.points[0] == (datetime(2026, 11, 24, 4, 5, 14, tzinfo=UTC), 1.0)
    assert series.values[0] == 1.0
    assert questions[0]["step"] == "0.500"
    start, end = (datetime.fromisoformat(questions[0][name]) for name in ("start", "end"))
    assert (end - start).total_seconds() == 60


async def test_a_wrong_expression_is_told_with_prometheus_own_words(asked):
    prometheus, answers, _ = asked
    answers["/api/v1/query"] = web.json_response(
        {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}, status=400
    )
    with pytest.raises(EvidenceError, match=r"Prometheus refuses 'sum\(': parse error: unexpected end"):
        await prometheus.query("sum(")


async def test_a_range_vector_belongs_to_the_other_method(asked):
    prometheus, answers, _ = asked
    answers["/api/v1/query"] = _success("matrix", [])
    with pytest.raises(EvidenceError, match="is a matrix: ask for it with query_range"):
        await prometheus.query("up[5s]")


async def test_nobody_there_is_an_error_that_names_the_address():
    with pytest.raises(EvidenceError, match=r"Prometheus at http://127\.0\.0\.1:1 does not answer"):
        await Prometheus("http://127.0.0.1:1").query("up")
