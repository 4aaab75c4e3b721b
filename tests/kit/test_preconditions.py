"""RFC 9110, 13: what If-Match and If-None-Match let through."""

import pytest

from workbook_lib.kit.errors import InvalidRequest, PreconditionFailed
from workbook_lib.kit.preconditions import Preconditions


@pytest.mark.parametrize("if_match", ["", '"a"', '"b", "a"', "*", '"a,b","a"'])
def test_a_write_on_the_state_that_was_seen_passes(if_match):
    Preconditions(if_match=if_match).check('"a"')


@pytest.mark.parametrize(
    ("if_match", "current"),
    [('"a"', '"b"'), ('"a"', None), ("*", None), ('W/"a"', '"a"'), ('W/"a"', 'W/"a"'), ('"a,b"', '"a"')],
)
def test_a_write_on_another_state_or_on_none_or_by_a_weak_tag_fails(if_match, current):
    """13.1.1: If-Match compares strongly, and holds for nothing where there is nothing."""
    with pytest.raises(PreconditionFailed):
        Preconditions(if_match=if_match).check(current)


def test_if_none_match_with_a_star_creates_and_never_replaces():
    Preconditions(if_none_match="*").check(None)
    with pytest.raises(PreconditionFailed):
        Preconditions(if_none_match="*").check('"a"')


@pytest.mark.parametrize("if_none_match", ['"a"', 'W/"a"', '"b",W/"a"', "*"])
def test_a_reader_that_has_the_present_state_is_told_so(if_none_match):
    """13.1.2: If-None-Match compares weakly."""
    assert Preconditions(if_none_match=if_none_match).names('"a"')


@pytest.mark.parametrize("if_none_match", ["", '"b"', 'W/"b"'])
def test_a_reader_that_has_another_state_or_none_gets_the_present_one(if_none_match):
    assert not Preconditions(if_none_match=if_none_match).names('"a"')


@pytest.mark.parametrize("header", [" ", "a", '"a', '"a" "b"', "*,*", '"a"; q=1', 'w/"a"', '"a\x00"'])
def test_what_is_no_list_of_tags_is_refused_and_never_taken_for_a_match_or_for_none(header):
    for conditions in (Preconditions(if_match=header), Preconditions(if_none_match=header)):
        with pytest.raises(InvalidRequest) as caught:
            conditions.check('"a"')
        assert caught.value.details[0]["field"] in ("If-Match", "If-None-Match")
