"""Translations (gettext's .po files), compiled in memory, and what a language makes of them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.numbers import format_currency, format_decimal
from babel.support import Translations
from prometheus_client import CollectorRegistry, Counter

from workbook_lib.kit.i18n.negotiation import choose
from workbook_lib.kit.logs import get_logger

__all__ = ["Catalogues", "Translator"]

_FILE: Final = "LC_MESSAGES/messages.po"

_log = get_logger(__name__)


class _Untranslated(NullTranslations):
    """What a catalogue falls back to: the message itself, and a note that it lacks a translation."""

    def __init__(self, missed: Callable[[str], None]) -> None:
        super().__init__()
        self._missed = missed

    def gettext(self, message: str) -> str:
        self._missed(message)
        return message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        self._missed(msgid1)
        return super().ngettext(msgid1, msgid2, n)


class Translator:
    """One language: its messages, plural forms, and how it writes numbers, money and dates."""

    def __init__(
        self, locale: Locale, messages: NullTranslations, known: Mapping[str, str] | None = None
    ) -> None:
        self.tag = str(locale).replace("_", "-")
        self._locale = locale
        self._messages = messages
        self._known = known

    def text(self, message: str, **values: object) -> str:
        """`message` in this language, its %(name)s filled in."""
        return self._messages.gettext(message) % values

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        """The form that goes with `count`, which fills %(count)s as this language writes numbers."""
        form = self._messages.ngettext(one, many, count)
        return form % {"count": self.number(count), **values}

    def known(self, message: str) -> str | None:
        """`message` in this language, None when its catalogue lacks it: for texts made at run time."""
        return message if self._known is None else self._known.get(message)

    def number(self, value: float | Decimal) -> str:
        """1,234.5 in English."""
        return format_decimal(value, locale=self._locale)

    def money(self, cents: int, currency: str = "EUR") -> str:
        """€1,234.50 in English. `currency` by ISO 4217, with two decimals."""
        return format_currency(Decimal(cents).scaleb(-2), currency, locale=self._locale)

    def date(self, day: date) -> str:
        """November 25, 2026 in English."""
        return format_date(day, format="long", locale=self._locale)


class Catalogues:
    """The languages of a service: English, in which its code is written, and each `<locale>/` of `folder`.

    Compiled when made, into memory. Raises ValueError for a catalogue that isn't one, or whose translation
    asks for other values than its message. What lacks a translation stays English; it is counted in
    `i18n_missing_translations_total` and logged once.
    """

    def __init__(self, folder: Path, registry: CollectorRegistry | None = None) -> None:
        self._missing = Counter(
            "i18n_missing_translations_total",
            "Messages shown in English for want of a translation.",
            ("locale",),
            registry=registry,
        )
        self._told: set[tuple[str, str]] = set()
        source = Translator(Locale("en"), NullTranslations())
        self._translators = {source.tag: source}
        self.default = source.tag
        for path in sorted(folder.glob(f"*/{_FILE}")):
            translator = self._compiled(path)
            self._translators[translator.tag] = translator

    @property
    def tags(self) -> list[str]:
        """The languages' tags (BCP 47), English first."""
        return list(self._translators)

    def negotiate(self, accept_language: str) -> Translator:
        """The language for a caller with this header; see `choose`."""
        return self._translators[choose(accept_language, self.tags, self.default)]

    def _compiled(self, path: Path) -> Translator:
        locale = Locale.parse(path.parents[1].name)
        try:
            with path.open("rb") as file:
                catalogue = read_po(file, locale=locale, abort_invalid=True)
        except PoFileError as error:
            raise ValueError(f"{path}: {error}") from error
        if wrong := [f"{path}:{message.lineno}: {errors[0]}" for message, errors in catalogue.check()]:
            raise ValueError("; ".join(wrong))
        compiled = BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        messages = Translations(compiled)
        messages.add_fallback(_Untranslated(lambda message: self._missed(str(locale), message)))
        return Translator(locale, messages, dict(_singular(catalogue)))

    def _missed(self, locale: str, message: str) -> None:
        self._missing.labels(locale).inc()
        if (locale, message) not in self._told:
            self._told.add((locale, message))
            _log.warning("translation missing", locale=locale, message=message)


def _singular(catalogue: Catalog) -> Iterator[tuple[str, str]]:
    """The translated messages without plural forms."""
    for message in catalogue:
        text, translation = message.id, message.string
        if isinstance(text, str) and isinstance(translation, str) and translation and not message.fuzzy:
            yield text, translation
