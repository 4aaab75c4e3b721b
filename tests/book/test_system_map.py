"""The first page's map: the calls that a run's traces hold, among the project's own services."""

import json

from workbook_lib.book.system_map import system_map
from workbook_lib.lab import show
from workbook_lib.lab.evidence import Edge
from workbook_lib.lab.show.servicemap import EDGES_MIME_TYPE

SERVICES = {"gateway", "user-service"}


def _executed(path, *edges):
    shown = show.service_map(edges)._repr_mimebundle_()
    assert list(shown) == [EDGES_MIME_TYPE]
    outputs = [{"output_type": "stream", "text": "hello"}, {"output_type": "execute_result", "data": shown}]
    cells = [{"cell_type": "markdown", "source": "# Title"}, {"cell_type": "code", "outputs": outputs}]
    path.write_text(json.dumps({"cells": cells}))
    return path


def test_calls_of_several_chapters_are_gathered_once_and_strangers_left_out(tmp_path):
    call = Edge("gateway", "user-service", "http", 3, 1)
    store = Edge("user-service", "redis", "redis", callee_kind="cache")
    message = Edge("user-events", "user-service", "kafka", caller_kind="topic")
    stranger = Edge("gateway", "my-own", "http")
    outside = Edge("gateway", "127.0.0.1:9", "http", callee_kind="external")
    first = _executed(tmp_path / "01_first.ipynb", call, stranger, outside)
    second = _executed(tmp_path / "02_second.ipynb", call, store, message)
    third = _executed(tmp_path / "03_third.ipynb", stranger)
    found = system_map([first, second, third], SERVICES)
    assert found.notebooks == ("01_first", "02_second")
    assert set(found.edges) == {Edge("gateway", "user-service", "http"), store, message}
    assert found.services == ["gateway", "user-service"]
    assert "gateway calls user-service over http" in found.text
    assert found.png().startswith(b"\x89PNG")


def test_a_run_without_traces_has_no_map(tmp_path):
    assert system_map([_executed(tmp_path / "01_first.ipynb")], SERVICES) is None
    assert system_map([], SERVICES) is None
