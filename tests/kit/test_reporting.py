"""An unexpected error is told once, in a way that can be grouped, counted and traced."""

import json

import pytest
from prometheus_client import CollectorRegistry

from workbook_lib.kit import logs, telemetry
from workbook_lib.kit.reporting import UNEXPECTED_ERRORS, fingerprint, listening, report_unexpected


@pytest.fixture
def count():
    registry = CollectorRegistry()
    registry.register(UNEXPECTED_ERRORS)

    def of(kind):
        return registry.get_sample_value("service_unexpected_errors_total", {"kind": kind}) or 0

    return of


def _caught(function, *args):
    try:
        function(*args)
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def _divide(number):
    return number / 0


def _look_up(name):
    return {}[name]


def _through(function, argument):
    return function(argument)


def test_the_same_fault_has_one_fingerprint_whatever_it_failed_on():
    assert fingerprint(_caught(_look_up, "a")) == fingerprint(_caught(_look_up, "b"))
    assert len(fingerprint(_caught(_divide, 1))) == 12


def test_another_error_or_another_way_to_it_has_another_fingerprint():
    prints = [_caught(_look_up, "a"), _caught(_divide, 1), _caught(_through, _look_up, "a")]
    assert len({fingerprint(error) for error in prints}) == 3


def test_a_report_is_an_error_in_the_log_with_traceback_fingerprint_and_trace(capsys, spans, count):
    logs.configure("demo", "demo-1")
    error, before = _caught(_divide, 1), count("ZeroDivisionError")
    with telemetry.tracer().start_as_current_span("work"):
        report = report_unexpected(error, path="/x")
    line = json.loads(capsys.readouterr().out)
    told = {name: line[name] for name in ("level", "event", "kind", "fingerprint", "trace_id", "path")}
    assert told == {
        "level": "error",
        "event": "unexpected error",
        "kind": "ZeroDivisionError",
        "fingerprint": fingerprint(error),
        "trace_id": report.trace_id,
        "path": "/x",
    }
    assert "_divide" in line["exception"]
    assert count("ZeroDivisionError") == before + 1
    (span,) = spans.get_finished_spans()
    assert (span.events[0].name, format(span.context.trace_id, "032x")) == ("exception", report.trace_id)


def test_listeners_hear_of_it_and_one_that_fails_harms_nothing(capsys):
    heard = []

    def broken(_):
        raise OSError("the other service is away")

    with listening(broken), listening(heard.append):
        report_unexpected(_caught(_divide, 1))
    report_unexpected(_caught(_divide, 1))  # nobody listens any more
    assert [report.kind for report in heard] == ["ZeroDivisionError"]
    assert "listener failed" in capsys.readouterr().out
