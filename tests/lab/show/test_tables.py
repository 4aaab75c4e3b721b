"""Rows become plain HTML that reads without styles, and aligned text."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from workbook_lib.lab.show import table


@dataclass
class Place:
    partition: int
    topic: str


class User(BaseModel):
    name: str
    age: int | None


def test_the_text_is_aligned_with_numbers_at_the_right():
    shown = table([{"name": "users", "pid": 7}, {"name": "audit_log", "pid": 12345}], "Processes")
    assert repr(shown).splitlines() == [
        "Processes",
        "name          pid",
        "---------  ------",
        "users           7",
        "audit_log  12,345",
    ]


def test_the_html_is_a_semantic_table_without_style_sheet_or_script():
    html = table([{"name": "users", "pid": 7}], "Processes")._repr_html_()
    assert "<caption" in html
    assert "<thead><tr><th" in html
    assert '<td style="text-align:right;' in html
    assert "<style" not in html
    assert "<script" not in html


def test_cells_are_escaped():
    html = table([{"<b>": "<script>alert(1)</script>"}])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;" in html


@pytest.mark.parametrize(
    "rows", [[Place(0, "a")], [{"partition": 0, "topic": "a"}]], ids=["dataclass", "mapping"]
)
def test_rows_name_their_own_columns(rows):
    assert repr(table(rows)).splitlines()[0] == "partition  topic"


def test_pydantic_models_are_rows():
    assert repr(table([User(name="Ada", age=None)])).splitlines()[-1].split() == ["Ada", "-"]


def test_columns_pick_and_order():
    shown = table([Place(3, "a")], columns=["topic", "partition"])
    assert repr(shown).splitlines()[0] == "topic  partition"


def test_plain_sequences_need_column_names():
    assert repr(table([(1, "a")], columns=["n", "name"])).splitlines()[-1].split() == ["1", "a"]
    with pytest.raises(TypeError, match="a row that is a tuple has no column names"):
        table([(1, "a")])


def test_a_mapping_alone_shows_its_items():
    assert repr(table({"p95 ms": 12.345})).splitlines() == ["name    value", "------  -----", "p95 ms  12.35"]


def test_rows_may_lack_a_field():
    assert repr(table([{"a": 1}, {"b": 2}])).splitlines()[2:] == ["1  -", "-  2"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        (1234567, "1,234,567"),
        (1234.5, "1,234"),
        (0.00123456, "0.001235"),
        (["a", "b"], "a, b"),
        (datetime(2026, 11, 24, 4, 5, 6, 789_000, tzinfo=UTC), "2026-11-24 04:05:06.789+00:00"),
        ("x" * 200, "x" * 159 + "…"),
    ],
)
def test_values_are_shown_readably(value, shown):
    assert repr(table([{"v": value}])).splitlines()[-1].strip() == shown


def test_no_rows_show_only_the_head():
    assert repr(table([], columns=["a", "b"])).splitlines()[0] == "a  b"
