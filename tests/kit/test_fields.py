"""What is valid by a service's document is accepted, and nothing else."""

import json
import re
from typing import Annotated

import pytest
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from workbook_lib.kit.fields import ENTITY_TAGS, ONE_LINE, WHOLE, Timestamp

LINE = TypeAdapter(Annotated[str, StringConstraints(strip_whitespace=True, max_length=9), ONE_LINE])
INTEGER = TypeAdapter(Annotated[int, Field(strict=True, ge=-1), WHOLE])


@pytest.mark.parametrize("text", ["1", "1.0", "1e0", "-0.0"])
def test_a_whole_number_is_one_however_json_writes_it(text):
    assert INTEGER.validate_python(json.loads(text)) == float(text)


@pytest.mark.parametrize("text", ['"1"', "true", "1.5", "null", "[1]", "NaN", "Infinity"])
def test_nothing_else_is(text):
    with pytest.raises(ValidationError):
        INTEGER.validate_python(json.loads(text))


def test_a_bound_of_a_whole_number_is_in_the_document():
    assert INTEGER.json_schema() == {"type": "integer", "minimum": -1}


@pytest.mark.parametrize(
    ("value", "is_moment"), [("2026-01-01T00:00:00Z", True), ("2026-01-01T00:00:00", False), (0, False)]
)
def test_a_moment_is_a_text_with_its_offset(value, is_moment):
    try:
        TypeAdapter(Timestamp).validate_python(value)
    except ValidationError:
        assert not is_moment
    else:
        assert is_moment


@pytest.mark.parametrize(
    ("text", "is_line"),
    [
        ("a", True),
        (" a b\n", True),
        ("ü", True),
        ("", False),
        (" ", False),
        ("a\nb", False),
        ("a\x00", False),
    ],
)
def test_a_line_shows_something_and_has_no_control_characters_inside(text, is_line):
    if is_line:
        assert LINE.validate_python(text) == text.strip()
        return
    with pytest.raises(ValidationError, match="Input should be one line of text, not blank"):
        LINE.validate_python(text)


def test_the_document_has_a_lines_pattern_beside_its_bounds():
    schema = LINE.json_schema()
    assert (schema["type"], schema["maxLength"]) == ("string", 9)
    assert re.search(schema["pattern"], "a b")
    assert not re.search(schema["pattern"], "a\x00b")


@pytest.mark.parametrize(
    ("text", "is_list"),
    [
        ('"a"', True),
        ('W/"a", "b"', True),
        ("*", True),
        ("", True),
        ("a", False),
        ('"a" "b"', False),
        ("*,*", False),
    ],
)
def test_entity_tags_are_a_star_or_a_list_of_quoted_tags(text, is_list):
    assert bool(re.match(ENTITY_TAGS, text)) is is_list
