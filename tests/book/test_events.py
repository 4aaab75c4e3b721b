"""Events cross a file line by line."""

from workbook_lib.book.events import EventReader, EventWriter


def test_each_event_is_read_once_and_in_order(tmp_path):
    path = tmp_path / "events"
    reader = EventReader(path)
    assert reader.read() == []
    tell = EventWriter(path)
    tell("start", cells=2)
    tell("cell_start", cell=1, source="café")
    assert reader.read() == [
        {"event": "start", "cells": 2},
        {"event": "cell_start", "cell": 1, "source": "café"},
    ]
    assert reader.read() == []


def test_half_a_line_waits_for_its_other_half(tmp_path):
    path = tmp_path / "events"
    reader = EventReader(path)
    path.write_text('{"event": "a"}\n{"eve')
    assert reader.read() == [{"event": "a"}]
    with path.open("a") as file:
        file.write('nt": "b"}\n')
    assert reader.read() == [{"event": "b"}]
