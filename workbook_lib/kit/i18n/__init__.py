"""Speaking the caller's language: negotiation by Accept-Language, gettext catalogues, Babel's formats."""

from workbook_lib.kit.i18n.catalogues import Catalogues, Translator
from workbook_lib.kit.i18n.middleware import Languages, translator_of
from workbook_lib.kit.i18n.negotiation import LanguageRange, choose, language_ranges

__all__ = [
    "Catalogues",
    "LanguageRange",
    "Languages",
    "Translator",
    "choose",
    "language_ranges",
    "translator_of",
]
