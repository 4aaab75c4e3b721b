"""Which language a caller gets: Accept-Language (RFC 9110, 12.5.4) by the lookup scheme of RFC 4647, 3.4."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from babel.core import get_global

__all__ = ["LanguageRange", "choose", "language_ranges"]

_RANGES: Final = 32  # a person names a few; what comes after is not read
_RANGE: Final = re.compile(
    r"\s*(\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*[Qq]\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)


class LanguageRange(NamedTuple):
    """One language that a caller reads, in lower case or `*`, and how gladly: 0 is not at all."""

    tag: str
    quality: float


def language_ranges(header: str) -> list[LanguageRange]:
    """The ranges of an Accept-Language header, best first; what is malformed in it is passed over."""
    matches = (_RANGE.fullmatch(element) for element in header.split(",", _RANGES)[:_RANGES])
    ranges = [LanguageRange(match[1].lower(), float(match[2] or 1)) for match in matches if match]
    return sorted(ranges, key=lambda each: -each.quality)


def choose(header: str, available: Sequence[str], default: str) -> str:
    """The tag of `available` (such as "zh-Hans") that suits the header best, else `default`.

    A range is shortened from its end until it fits: de-AT gets de. Where the script matters, the likely one
    is tried too: zh-CN and zh get zh-Hans, zh-TW doesn't. A language with the quality 0 is chosen only where
    nothing else is left, since an answer in a foreign language is better than none. `*` asks for the default.
    """
    ranges = language_ranges(header)
    acceptable = {tag.lower(): tag for tag in available if not _refused(tag.lower(), ranges)}
    for wanted in ranges:
        if wanted.quality > 0:
            for candidate in (*_shortened(wanted.tag), *_shortened(_with_script(wanted.tag))):
                if candidate in acceptable:
                    return acceptable[candidate]
    if default.lower() in acceptable or not acceptable:
        return default
    return next(iter(acceptable.values()))


def _refused(tag: str, ranges: Sequence[LanguageRange]) -> bool:
    """Whether the longest range that covers `tag` has the quality 0; `*` covers what no other does."""
    covering = [each for each in ranges if each.tag == "*" or f"{tag}-".startswith(f"{each.tag}-")]
    return bool(covering) and max(covering, key=lambda each: len(each.tag.strip("*"))).quality == 0


def _shortened(tag: str) -> list[str]:
    """`tag` and what is left of it, subtag by subtag; a single letter goes with what it introduces."""
    subtags = tag.split("-")
    lengths = [n for n in range(len(subtags), 0, -1) if n == 1 or len(subtags[n - 1]) > 1]
    return ["-".join(subtags[:n]) for n in lengths]


def _with_script(tag: str) -> str:
    """`tag` with the script that its language, in its region, is most likely written in (CLDR)."""
    language, *rest = tag.split("-")
    if any(len(subtag) == 4 for subtag in rest):
        return tag
    region = next((subtag for subtag in rest if len(subtag) == 2), "")
    likely = get_global("likely_subtags")
    full = likely.get(f"{language}_{region.upper()}") or likely.get(language) or language
    script = next((part for part in full.split("_")[1:] if len(part) == 4), "")
    return f"{language}-{script.lower()}" if script else tag
