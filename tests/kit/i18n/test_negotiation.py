"""Accept-Language, by RFC 9110, 12.5.4 and RFC 4647, 3.4: any header gets a language."""

import pytest

from workbook_lib.kit.i18n import LanguageRange, choose, language_ranges

AVAILABLE = ["en", "de", "pl", "zh-Hans"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("fr", "en"),
        ("fr, pl", "pl"),
        # The weight decides, not the place; without one it is 1.
        ("de;q=0.5, pl;q=0.8", "pl"),
        ("de;q=0.5, pl", "pl"),
        ("pl;q=0.8, de;q=0.8", "pl"),
        ("fr;q=1, de;q=0.001", "de"),
        # A range is shortened until it fits.
        ("de-AT", "de"),
        ("de-CH-1996", "de"),
        ("de-x-private", "de"),
        ("zh-Hans-CN", "zh-Hans"),
        # The script that a region most likely writes.
        ("zh", "zh-Hans"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-TW", "en"),
        ("zh-Hant, pl;q=0.1", "pl"),
        # Nothing of it at all.
        ("en;q=0", "de"),
        ("de;q=0, de-AT", "en"),
        ("*", "en"),
        ("fr, *;q=0.5", "en"),
        ("en;q=0, *;q=0.1", "de"),
        ("pl, *;q=0", "pl"),
        ("zh;q=0, zh-Hans", "zh-Hans"),
        ("*;q=0, zh-Hans;q=0.1", "zh-Hans"),
        # All refused: an answer in a language all the same.
        ("*;q=0", "en"),
        # What is malformed is passed over.
        ("de;q=2, pl", "pl"),
        ("de;q=-1, pl", "pl"),
        ("de;q=0.1234, pl;q=0.1", "pl"),
        ("de;level=1, pl", "pl"),
        (";;,,=, q=1, pl", "pl"),
        ("deutschland-ist-zu-lang, pl", "pl"),
        ("\x00\xff", "en"),
        (" de ; q = 0.5 , pl ;q= 0.4", "de"),
    ],
)
def test_a_header_gets_the_language_that_suits_it_best(header, language):
    assert choose(header, AVAILABLE, "en") == language


def test_ranges_come_best_first_and_equal_ones_as_they_were_written():
    assert language_ranges("en;q=0.1, *;q=0.5, de-AT, pl") == [
        LanguageRange("de-at", 1.0),
        LanguageRange("pl", 1.0),
        LanguageRange("*", 0.5),
        LanguageRange("en", 0.1),
    ]


def test_a_header_of_thousands_of_ranges_costs_no_more_than_one_of_32():
    assert len(language_ranges("xx," * 30_000)) == 32
