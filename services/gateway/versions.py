"""Versions of the public API: which there are, how a caller names one, and how it's told that one will end.

By path (/api/v1/…): seen in each log line and easy to try out; every version is a resource of its own.
By header: one address for a product, whatever its form. The form of an answer is what Accept is for (RFC
9110, 12.5.1): caches know it, it has quality values, and its refusal has a status (406). A field of our own,
such as API-Version, would have to invent all three.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, NamedTuple

from starlette.convertors import StringConvertor, register_url_convertor

from workbook_lib.kit.errors import NotAcceptable

__all__ = ["UNKNOWN_VERSION", "V1", "V2", "VERSIONS", "Form", "Version", "negotiated"]


class Version(NamedTuple):
    """One version of the API; `deprecated` and `sunset` when it's told to end."""

    name: str
    deprecated: datetime | None = None
    sunset: datetime | None = None
    successor: str = ""

    @property
    def media_type(self) -> str:
        """How Accept names this version's form of an answer."""
        return f"application/vnd.workbook.{self.name}+json"

    def headers(self) -> Mapping[str, str]:
        """What tells callers of its end: Deprecation (RFC 9745), Sunset (RFC 8594), and what comes after."""
        if self.deprecated is None or self.sunset is None:
            return {}
        return {
            "Deprecation": f"@{int(self.deprecated.timestamp())}",
            "Sunset": format_datetime(self.sunset, usegmt=True),
            "Link": f'</api/{self.successor}/products>; rel="successor-version"',
        }


V1: Final = Version(
    "v1",
    deprecated=datetime(2026, 7, 1, tzinfo=UTC),
    sunset=datetime(2027, 7, 1, tzinfo=UTC),
    successor="v2",
)
V2: Final = Version("v2")
VERSIONS: Final = (V1, V2)


class Form(NamedTuple):
    """One of the forms that an answer can have."""

    media_type: str
    version: Version


# Who names no version gets the oldest, and so goes on getting what it got when there was but one.
_FORMS: Final = (Form("application/json", V1), *(Form(version.media_type, version) for version in VERSIONS))


def negotiated(accept: str) -> Form:
    """The form that Accept likes best; among equals the first. Raises NotAcceptable when it likes none."""
    ranges = [_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    liked = [(_quality(form.media_type, ranges), form) for form in _FORMS]
    best = max(quality for quality, _ in liked)
    if best == 0:
        raise NotAcceptable(
            f"No form of this answer is {accept}.",
            details={"acceptable": [form.media_type for form in _FORMS]},
            headers={"Vary": "Accept"},
        )
    return next(form for quality, form in liked if quality == best)


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    weights = [value for key, _, value in (each.partition("=") for each in parameters) if key == "q"]
    try:
        return name, min(max(float(weights[0]), 0.0), 1.0) if weights else 1.0
    except ValueError:
        return name, 0.0  # a weight that can't be read is no reason to answer with what isn't wanted


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """By the most specific range that covers it (RFC 9110, 12.5.1)."""
    for covering in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        weights = [weight for name, weight in ranges if name == covering]
        if weights:
            return max(weights)
    return 0.0


class _UnknownVersion(StringConvertor):
    """The part of a path that looks like a version and is none of ours."""

    regex = rf"(?!(?:{'|'.join(version.name for version in VERSIONS)})(?:/|$))v[0-9]+"


UNKNOWN_VERSION: Final = "unknown_version"
register_url_convertor(UNKNOWN_VERSION, _UnknownVersion())
