"""Types of fields that say in a service's document exactly what it accepts, no more and no less."""

import json
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, JsonValue

__all__ = ["ENTITY_TAGS", "LINE", "WHOLE", "JsonObject", "Timestamp"]

LINE: Final = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
"""Pattern of one line of text with something to see in it: no control characters, NUL above all, which
PostgreSQL can't store."""

ENTITY_TAGS: Final = r'^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)?$'
"""Pattern of If-Match and If-None-Match (RFC 9110, 13.1), empty where the header is absent."""


def _whole(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, str | datetime):
        raise ValueError("Input should be a text in RFC 3339")
    return value


WHOLE: Final = BeforeValidator(_whole)
"""Beside `Field(strict=True)`, for a whole number in JSON: 1.0 is one (JSON Schema, 6.1.1), "1" and true are
none. Such as `Annotated[int, Field(strict=True, ge=0), WHOLE]`."""

Timestamp = Annotated[AwareDatetime, BeforeValidator(_text)]
"""A moment in RFC 3339, with its offset; a number of seconds is none."""


def _can_be_passed_on(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("holds what JSON can't") from error
    return value


JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_can_be_passed_on)]
"""Any JSON object. Python also reads what isn't JSON (RFC 8259): NaN, 1e400, half a surrogate pair."""
