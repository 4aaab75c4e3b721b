"""Catalogues: compiled in memory, with each language's plural forms, and gaps that can be seen."""

from datetime import date
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry

from workbook_lib.kit import logs
from workbook_lib.kit.i18n import Catalogues

HEAD = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n'
PIECES = '\nmsgid "One piece."\nmsgid_plural "%(count)s pieces."\n'


@pytest.fixture
def folder(tmp_path):
    def write(locale, text):
        (tmp_path / locale / "LC_MESSAGES").mkdir(parents=True)
        (tmp_path / locale / "LC_MESSAGES" / "messages.po").write_text(HEAD + text, encoding="utf-8")

    write("de", '\nmsgid "Good day, %(name)s"\nmsgstr "Guten Tag, %(name)s"\n')
    write("zh_Hans", f'{PIECES}msgstr[0] "%(count)s 件。"\n')
    write("pl", f'{PIECES}msgstr[0] "Jedna."\nmsgstr[1] "%(count)s sztuki."\nmsgstr[2] "%(count)s sztuk."\n')
    return tmp_path


def _pieces(translator, count):
    return translator.plural("One piece.", "%(count)s pieces.", count)


def test_each_language_has_its_own_plural_forms(folder):
    catalogues = Catalogues(folder)
    english, polish, chinese = map(catalogues.negotiate, ("en", "pl", "zh"))
    assert [_pieces(english, n) for n in (0, 1, 2)] == ["0 pieces.", "One piece.", "2 pieces."]
    assert [_pieces(polish, n) for n in (1, 2, 4, 5, 12, 22, 25)] == [
        "Jedna.",
        "2 sztuki.",
        "4 sztuki.",
        "5 sztuk.",
        "12 sztuk.",
        "22 sztuki.",
        "25 sztuk.",
    ]
    assert [_pieces(chinese, n) for n in (1, 2)] == ["1 件。", "2 件。"]


def test_numbers_money_and_dates_are_written_as_the_language_does(folder):
    catalogues = Catalogues(folder)
    day = date(2026, 11, 25)
    written = [
        (say.number(Decimal("1234567.5")), say.money(123456), say.date(day))
        for say in map(catalogues.negotiate, ("en", "de", "zh"))
    ]
    assert written == [
        ("1,234,567.5", "€1,234.56", "November 25, 2026"),
        ("1.234.567,5", "1.234,56\N{NO-BREAK SPACE}€", "25. November 2026"),
        ("1,234,567.5", "€1,234.56", "2026年11月25日"),
    ]


def test_a_missing_translation_is_shown_in_english_counted_each_time_and_logged_once(folder, capsys):
    logs.configure("demo", "demo-1")
    registry = CollectorRegistry()
    german = Catalogues(folder, registry).negotiate("de")
    assert [german.text("Bye, %(name)s", name="Ann") for _ in range(3)] == ["Bye, Ann"] * 3
    assert _pieces(german, 2) == "2 pieces."
    assert registry.get_sample_value("i18n_missing_translations_total", {"locale": "de"}) == 4
    assert capsys.readouterr().out.count("translation missing") == 2


def test_texts_made_at_run_time_may_be_unknown_and_are_not_counted(folder):
    registry = CollectorRegistry()
    catalogues = Catalogues(folder, registry)
    assert catalogues.negotiate("de").known("no item 'x'") is None
    assert catalogues.negotiate("en").known("no item 'x'") == "no item 'x'"
    assert registry.get_sample_value("i18n_missing_translations_total", {"locale": "de"}) is None


def test_values_are_no_formats(folder):
    text = Catalogues(folder).negotiate("de").text("Good day, %(name)s", name="%(count)s %s")
    assert text == "Guten Tag, %(count)s %s"


def test_a_fuzzy_translation_is_none(folder):
    file = folder / "de" / "LC_MESSAGES" / "messages.po"
    file.write_text(HEAD + '\n#, fuzzy\nmsgid "Bye"\nmsgstr "Hallo"\n', encoding="utf-8")
    german = Catalogues(folder).negotiate("de")
    assert (german.text("Bye"), german.known("Bye")) == ("Bye", None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('\n#, python-format\nmsgid "Bye, %(name)s"\nmsgstr "Bis bald, %(nane)s"\n', "placeholder"),
        ("\nnonsense\n", "de/LC_MESSAGES/messages.po"),
    ],
)
def test_a_broken_catalogue_ends_the_start_and_is_named(folder, text, why):
    file = folder / "de" / "LC_MESSAGES" / "messages.po"
    file.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        Catalogues(folder)


def test_nothing_is_written_beside_the_catalogues(folder):
    Catalogues(folder)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".po"}
