"""What the model may be asked, and when an entry is near enough."""

import json

import pytest

from services.nlp_model.domain import Entry, Match, check_texts, nearest, read_entries, text_of
from services.nlp_model.settings import NlpModelSettings
from workbook_lib.kit.errors import InvalidRequest

ENTRY = Entry(id="a", intent="i", question="Where?", also=("Whither?",), answer="There.")


def test_version_1_reads_the_question_and_version_2_every_phrasing():
    assert (text_of(ENTRY, "v1"), text_of(ENTRY, "v2")) == ("Where?", "Where? Whither?")


def test_the_best_match_counts_and_only_when_it_is_near_enough():
    matches = [Match(ENTRY, 0.4), Match(ENTRY, 0.5)]
    assert nearest(matches, 0.5) == matches[1]
    assert nearest(matches, 0.51) is None
    assert nearest([], 0.0) is None


@pytest.mark.parametrize("texts", [[], ["a"] * 65, ["a", " "], ["a" * 2001]])
def test_no_text_too_many_an_empty_and_an_endless_one_are_refused(texts):
    with pytest.raises(InvalidRequest) as refused:
        check_texts(texts, "texts")
    assert refused.value.details[0]["field"] == "texts"


def test_the_most_and_the_longest_are_taken():
    check_texts(["a" * 2000] * 64, "texts")


def test_an_id_that_is_there_twice_and_an_unknown_field_are_refused():
    row = ENTRY.model_dump()
    with pytest.raises(ValueError, match="more than one entry is called a"):
        read_entries(json.dumps([row, row]))
    with pytest.raises(ValueError, match="colour"):
        read_entries(json.dumps([row | {"colour": "green"}]))


def test_the_faq_has_entries_that_no_held_out_question_was_taken_from():
    """Else the evaluation would measure memory."""
    file = NlpModelSettings().faq_file
    entries = read_entries(file.read_text(encoding="utf-8"))
    known = {text.casefold() for entry in entries for text in (entry.question, *entry.also)}
    held_out = json.loads((file.parent / "evaluation.json").read_text(encoding="utf-8"))
    asked_of = {each["entry"] for each in held_out}
    assert len(entries) >= 60
    assert asked_of == {entry.id for entry in entries} | {None}
    assert not [each for each in held_out if each["question"].casefold() in known]


def test_no_defect_is_put_into_prod():
    with pytest.raises(ValueError, match="no defect"):
        NlpModelSettings(environment="prod", defect="slow")
