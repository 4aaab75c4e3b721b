"""Lines of any program become records, each with its place, none twice and none left out."""

import json

from workbook_lib.lab.shipping import lines
from workbook_lib.lab.shipping.lines import read_batch


def _all(folder, **options):
    positions, records = {}, []
    while True:
        batch = read_batch(folder, positions, **options)
        if batch.positions == positions:
            return records, positions
        positions = batch.positions
        records += batch.records


def test_a_json_line_keeps_its_fields_and_a_line_of_text_becomes_an_event(tmp_path):
    told = {
        "time": "2026-01-01T00:00:00Z",
        "event": "request",
        "service": "users",
        "instance": "users-1",
        "n": 1,
    }
    (tmp_path / "users.log").write_text(json.dumps(told) + "\n")
    (tmp_path / "kafka.log").write_text("[2026] INFO started\n\n")
    (text, known), _ = _all(tmp_path)
    assert known == told | {"time": "2026-01-01T00:00:00+00:00", "record": "users.log:0"}
    assert (text["event"], text["service"], text["record"]) == ("[2026] INFO started", "kafka", "kafka.log:0")
    assert text["time"].startswith("20")


def test_the_names_that_other_programs_have_for_time_and_event_are_understood(tmp_path):
    (tmp_path / "jaeger.log").write_text('{"level":"info","ts":1767225600.5,"msg":"Everything is ready"}\n')
    ((record,), _) = _all(tmp_path)
    assert record == {
        "level": "info",
        "time": "2026-01-01T00:00:00.500000+00:00",
        "event": "Everything is ready",
        "service": "jaeger",
        "instance": "jaeger",
        "record": "jaeger.log:0",
    }


def test_what_only_looks_like_json_or_a_time_is_taken_as_text(tmp_path):
    (tmp_path / "a.log").write_text('{"half\n[1]\n{"time":"soon","event":"x"}\n{"time":1e99}\n')
    records, _ = _all(tmp_path)
    assert [record["event"] for record in records] == ['{"half', "[1]", "x", '{"time":1e99}']


def test_a_line_without_an_end_waits_for_it_unless_its_writer_has_gone(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("one\ntw")
    batch = read_batch(tmp_path, {})
    assert [record["event"] for record in batch.records] == ["one"]
    log.write_text("one\ntwo\n")
    batch = read_batch(tmp_path, batch.positions)
    assert [record["event"] for record in batch.records] == ["two"]
    log.write_text("one\ntwo\nlast word")
    assert read_batch(tmp_path, batch.positions).records == []
    assert len(read_batch(tmp_path, batch.positions, to_the_end=True).records) == 1


def test_no_batch_is_larger_than_its_bound_and_all_batches_together_hold_every_line(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BATCH_BYTES", 1000)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.log").write_text("".join(f"{name} {number}\n" for number in range(500)))
    assert len(read_batch(tmp_path, {}).records) < 300
    records, positions = _all(tmp_path)
    assert len({record["record"] for record in records}) == len(records) == 1500
    assert positions == {path.name: path.stat().st_size for path in tmp_path.iterdir()}


def test_a_line_longer_than_a_record_may_be_comes_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LINE_BYTES", 10)
    (tmp_path / "a.log").write_text("x" * 25 + "\ny\n")
    records, _ = _all(tmp_path)
    assert [record["event"] for record in records] == ["x" * 10, "x" * 10, "x" * 5, "y"]


def test_a_file_that_became_shorter_is_read_anew_and_others_are_left_out(tmp_path):
    (tmp_path / "a.log").write_text("fresh\n")
    (tmp_path / "own.log").write_text("about shipping\n")
    (tmp_path / "notes.txt").write_text("no log\n")
    batch = read_batch(tmp_path, {"a.log": 999}, leave_out={"own.log"})
    assert [record["event"] for record in batch.records] == ["fresh"]
    assert batch.positions == {"a.log": 6}
