"""Log lines and traces read line by line."""

import json
from pathlib import Path

from tests.lab.recorded import order_placed
from workbook_lib.lab.show import log_lines, tree

LINES = [
    json.dumps({"time": "2026-11-24T04:05:06.123456Z", "level": "info", "service": "user-service",
                "instance": "users-1", "trace_id": "ab", "event": "request", "status": 200}),
    json.dumps({"time": "2026-11-24T04:05:07Z", "level": "error", "service": "user-service",
                "instance": "users-1", "trace_id": "cd", "event": "<failed>"}),
    "Traceback (most recent call last):\n",
]  # fmt: skip


def test_a_line_shows_time_level_instance_event_and_the_rest():
    assert repr(log_lines(LINES)).splitlines() == [
        "04:05:06.123  info  users-1  request  trace_id=ab status=200",
        "04:05:07  error  users-1  <failed>  trace_id=cd",
        "Traceback (most recent call last):",
    ]


def test_lines_are_kept_by_their_fields_and_the_last_ones_count():
    assert repr(log_lines(LINES, trace_id="cd")) == "04:05:07  error  users-1  <failed>  trace_id=cd"
    assert repr(log_lines(LINES, level="info", limit=1)).startswith("04:05:06.123")
    assert repr(log_lines(LINES, limit=1)).startswith("Traceback")
    assert repr(log_lines(LINES, trace_id="none")) == "no such lines"


def test_a_file_is_read(tmp_path: Path):
    (tmp_path / "users.log").write_text("\n".join(LINES))
    assert repr(log_lines(tmp_path / "users.log")) == repr(log_lines(LINES))


def test_the_html_escapes_and_colours_errors():
    html = log_lines(LINES)._repr_html_()
    assert "&lt;failed&gt;" in html
    assert html.count("color:") == 1
    assert html.count("<tr>") == 3


def test_a_trace_is_shown_as_its_tree():
    shown = tree(order_placed())
    assert repr(shown) == order_placed().tree()
    assert shown._repr_html_().startswith("<pre")
    assert shown._repr_html_().count("<span") == 1  # the failed one
