"""Log lines as a machine reads them."""

import json
import logging
from datetime import datetime

import pytest
import structlog

from workbook_lib.kit import logs, telemetry
from workbook_lib.kit.settings import ServiceSettings


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_says_when_how_bad_who_and_in_which_trace(capsys):
    logs.configure("user-service", "user-service-8081")
    with telemetry.tracer().start_as_current_span("work"):
        trace_id = telemetry.current_trace_id()
        logs.get_logger("part").info("saved", user_id=7)
    (line,) = lines(capsys)
    assert datetime.fromisoformat(line.pop("time")).utcoffset().total_seconds() == 0
    assert line == {
        "level": "info",
        "event": "saved",
        "service": "user-service",
        "instance": "user-service-8081",
        "logger": "part",
        "trace_id": trace_id,
        "user_id": 7,
    }


def test_lines_of_other_libraries_have_the_same_fields(capsys):
    logs.configure("demo", "demo-1")
    logging.getLogger("uvicorn.error").warning("port %d is busy", 80)
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("port 80 is busy", "warning", "uvicorn.error")
    assert (line["service"], line["trace_id"]) == ("demo", "")


def test_an_exception_is_one_line_with_its_traceback(capsys):
    logs.configure("demo", "demo-1")
    try:
        raise ValueError("the cause")
    except ValueError:
        logs.get_logger("part").exception("failed")
    (line,) = lines(capsys)
    assert line["level"] == "error"
    assert "ValueError: the cause" in line["exception"]


def test_levels_below_the_configured_one_are_silent(capsys):
    logs.configure("demo", "demo-1", "WARNING")
    logger = logs.get_logger("part")
    logger.info("quiet")
    logging.getLogger("other").info("quiet")
    logger.warning("heard")
    assert [line["event"] for line in lines(capsys)] == ["heard"]


def test_a_logger_taken_before_configuring_follows_the_configuration(capsys):
    early = logs.get_logger("early")
    logs.configure("first", "first-1")
    early.info("one")
    logs.configure("second", "second-1")
    early.info("two")
    assert [line["service"] for line in lines(capsys)] == ["first", "second"]


def test_what_json_cannot_write_is_written_as_text(capsys):
    logs.configure("demo", "demo-1")
    logs.get_logger("part").info("odd", value=ValueError("x"), kind={1, 2})
    assert lines(capsys)[0]["event"] == "odd"


def test_on_a_terminal_in_dev_lines_are_for_people(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    logs.configure("demo", "demo-1", environment="dev")
    logs.get_logger("part").info("hello")
    text = capsys.readouterr().out
    assert "hello" in text
    assert not text.startswith("{")


def test_console_form_is_for_people_in_a_file_too_and_without_colours(capsys):
    logs.configure("demo", "demo-1", environment="prod", form="console")
    logs.get_logger("part").info("hello", user_id=7)
    text = capsys.readouterr().out
    assert "hello" in text
    assert "user_id=7" in text
    assert not text.startswith("{")
    assert "\x1b" not in text


def test_debug_is_for_our_own_lines_only(capsys):
    logs.configure("demo", "demo-1", "DEBUG")
    logging.getLogger("aiokafka").debug("a line for each request to a broker")
    logs.get_logger("part").debug("ours")
    assert [line["event"] for line in lines(capsys)] == ["ours"]


def test_the_least_level_follows_the_environment_unless_somebody_says_otherwise():
    assert ServiceSettings().log_level == "DEBUG"
    assert ServiceSettings(environment="staging").log_level == "INFO"
    assert ServiceSettings(environment="prod").log_level == "INFO"
    assert ServiceSettings(environment="dev", log_level="error").log_level == "ERROR"
