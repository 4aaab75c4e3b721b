"""A source is shown from its own file, with its place."""

import functools
import html
import re
from pathlib import Path

import pytest

from workbook_lib.lab import show
from workbook_lib.lab.evidence import Trace, polling
from workbook_lib.lab.show import source


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


def test_a_function_with_its_place():
    shown = source(polling.eventually)
    first = max(  # its overloads come before it
        number
        for number, line in enumerate(Path(polling.__file__).read_text().splitlines(), 1)
        if line.startswith("async def eventually")
    )
    head, *code = repr(shown).splitlines()
    assert head == f"# workbook_lib/lab/evidence/polling.py:{first}-{first + len(code) - 1}"
    assert code[0] == "async def eventually("
    assert code[-1].lstrip().startswith("raise EvidenceTimeout(")


def test_a_class_and_a_method_start_at_the_left():
    assert repr(source(Trace)).splitlines()[1] == "@dataclass(frozen=True)"
    head, first, *rest = repr(source(Trace.children)).splitlines()
    assert first == "def children(self, span: Span) -> list[Span]:"
    assert rest[-1] == "    return self._children.get(span.id, [])"
    assert head.startswith("# workbook_lib/lab/evidence/spans.py:")


def test_a_property_a_partial_and_a_wrapped_function_show_what_is_inside():
    assert repr(source(Trace.root)).splitlines()[2].startswith("def root(self)")
    assert "async def eventually" in repr(source(functools.partial(polling.eventually, timeout_seconds=1)))

    @functools.wraps(polling.eventually)
    def wrapper():
        raise NotImplementedError

    assert "async def eventually" in repr(source(wrapper))


def test_a_module_and_a_path_are_shown_whole():
    assert repr(source(show)) == repr(source(show.__file__)) == repr(source(Path(show.__file__)))
    assert repr(source(show)).startswith("# workbook_lib/lab/show/__init__.py:1-")


def test_lines_pick_a_part():
    path = Path(polling.__file__)
    lines = path.read_text().splitlines()
    assert repr(source(path, lines=(3, 5))).splitlines() == [
        "# workbook_lib/lab/evidence/polling.py:3-5",
        *lines[2:5],
    ]


def test_the_html_holds_the_same_text_with_inline_colours():
    markup = source(polling.within)._repr_html_()
    assert plain(markup).split("\n", 1)[0].startswith("workbook_lib/lab/evidence/polling.py:")
    assert "did not answer within {timeout_seconds:g} s" in plain(markup)
    assert 'style="color: ' in markup
    assert "<style" not in markup
    assert "class=" not in markup.replace('class="highlight"', "")


def test_another_language_and_an_unknown_one_are_shown(tmp_path: Path):
    (tmp_path / "users.proto").write_text("message User { string name = 1; }\n")
    (tmp_path / "notes.unknown").write_text("<plain> text\n")
    assert "message User" in plain(source(tmp_path / "users.proto")._repr_html_())
    shown = source(tmp_path / "notes.unknown")
    assert "<plain> text" in plain(shown._repr_html_())
    assert repr(shown) == "# notes.unknown:1-1\n<plain> text"


def test_what_has_no_source_is_refused():
    with pytest.raises(TypeError):
        source(len)


def test_a_name_picks_a_definition_of_a_file_with_its_decorators_and_one_inside_another(tmp_path: Path):
    path = tmp_path / "routes.py"
    path.write_text(
        "X = 1\n\n\ndef routes():\n    @get('/')\n    def read():\n        return X\n\n    return read\n"
    )
    assert repr(source(path, name="routes")).splitlines()[:2] == ["# routes.py:4-9", "def routes():"]
    assert repr(source(path, name="routes.read")).splitlines() == [
        "# routes.py:5-7",
        "@get('/')",
        "def read():",
        "    return X",
    ]
    with pytest.raises(LookupError):
        source(path, name="routes.write")
