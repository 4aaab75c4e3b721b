"""Chapters describe themselves, and are chosen by number, section or name."""

import pytest

from tests.book.conftest import notebook
from workbook_lib.book.chapters import ChapterError, discover, read, select

FILES = {
    "01_first": "1",
    "02_1_what": "2.1",
    "02_2_modules": "2.2",
    "04_3_tracing": "4.3",
}


@pytest.fixture
def chapters(write):
    for name, section in FILES.items():
        write(name, "pass", chapter=section, title=name)
    write("00_start_here", "pass", chapter="0")  # the entrance, which is no chapter
    return discover(write("04_3_tracing", "pass", chapter="4.3").parent)


def test_chapters_come_in_reading_order_with_what_they_say_of_themselves(chapters):
    assert [(chapter.number, chapter.section) for chapter in chapters] == [
        ("01", "1"),
        ("02_1", "2.1"),
        ("02_2", "2.2"),
        ("04_3", "4.3"),
    ]
    assert chapters[0].budget.seconds == 30
    assert chapters[0].covers == ("1.1",)


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("01", ["01"]),
        ("1", ["01"]),
        ("02_1", ["02_1"]),
        ("02", ["02_1", "02_2"]),
        ("2", ["02_1", "02_2"]),
        ("4.3", ["04_3"]),
        ("04_3_tracing", ["04_3"]),
        ("notebooks/04_3_tracing.ipynb", ["04_3"]),
    ],
)
def test_a_chapter_is_named_in_any_usual_way(chapters, selector, chosen):
    assert [chapter.number for chapter in select(chapters, [selector])] == chosen


def test_no_selector_means_all_and_several_keep_the_reading_order(chapters):
    assert select(chapters, []) == chapters
    assert [chapter.number for chapter in select(chapters, ["4.3", "01", "01"])] == ["01", "04_3"]


def test_an_unknown_selector_is_answered_with_the_list(chapters):
    with pytest.raises(ChapterError, match=r"(?s)no chapter '7'.*01 +1 .*04_3 +4\.3"):
        select(chapters, ["01", "7"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("draft.ipynb", notebook(["pass"]), "is named like"),
        ("01_a.ipynb", "{", "not a notebook"),
        ("01_a.ipynb", '{"metadata": {}}', "no metadata.workbook"),
        (
            "01_a.ipynb",
            notebook([], budget={"seconds": 1}),
            r"metadata\.workbook\.budget\.mb: Field required",
        ),
        ("01_a.ipynb", notebook([], cover=["1.1"]), r"metadata\.workbook\.cover: Extra inputs"),
    ],
)
def test_a_notebook_that_is_no_chapter_is_refused_with_the_reason(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ChapterError, match=message):
        read(path)
